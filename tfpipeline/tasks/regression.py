"""Values: squared or Huber's error; RMSE, MAE, R2 in the units of the targets."""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds


def scaling_of(targets: kinds.Array) -> kinds.Scaling:
    """Mean and deviation of training targets [N, K] (or [N]), in float64."""
    values = _columns(targets).astype(np.float64)
    deviation = values.std(axis=0)
    deviation[deviation == 0] = 1.0
    return kinds.Scaling(tuple(values.mean(axis=0)), tuple(deviation))


def learned(
    targets: kinds.Array, objective: kinds.Objective
) -> npt.NDArray[np.float32]:
    """Targets [N, K] (or [N]) as the network learns them, [N, K]."""
    values = _columns(targets)
    if objective.scaling is not None:
        return objective.scaling.learned(values)
    return values.astype(np.float32)


def huber(differences: kinds.FloatArray, delta: float) -> npt.NDArray[np.float64]:
    """Squares of small differences, lines beyond `delta`; squares alone for 0.

    Half of the square up to delta, then `delta * (|x| - delta / 2)`, as Keras has it;
    without delta the whole square, as the mean squared error has it.
    """
    values = np.abs(differences.astype(np.float64))
    if not delta:
        squares: npt.NDArray[np.float64] = np.square(values)
        return squares
    beyond = delta * (values - delta / 2)
    return np.where(values <= delta, np.square(values) / 2, beyond)


def _columns(targets: kinds.Array) -> kinds.Array:
    return targets.reshape(len(targets), -1)


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    values = _columns(targets).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise errors.DataError(
            f"targets of a regression must be finite numbers; example {bad[0]} has "
            f"{values[bad[0]].tolist()}"
        )
    return kinds.Examples(values)


def _validation_loss(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> float:
    targets = learned(examples.targets, objective)
    return float(np.mean(huber(outputs - targets, objective.options.huber_delta)))


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    # scikit-learn takes 2 s to import: not before a command line is checked.
    from tfpipeline.tasks import scores

    values = objective.restored(outputs.astype(np.float64))
    return scores.of_values(examples.targets, values)


KIND = kinds.TaskKind(
    name="regression",
    title="values, by one output each",
    loss="regression",
    needs="numbers",
    takes=lambda data: len(data.target_shape) < 2,
    outputs=lambda data: data.target_shape or (1,),
    functions=(head_lib.LINEAR, head_lib.SIGMOID, "tanh", "relu", "relu6"),
    findings="values",
    examples=_examples,
    reads_numbers=True,
    decide=None,
    validation_loss=_validation_loss,
    measure=_measure,
    figures=(
        kinds.Figure("rmse", "RMSE", is_share=False, is_better_higher=False),
        kinds.Figure("mae", "MAE", is_share=False, is_better_higher=False),
        kinds.Figure("r2", "R2", is_share=False),
    ),
)
