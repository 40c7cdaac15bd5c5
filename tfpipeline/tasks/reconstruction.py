"""Autoencoders: the input is the target, and what is rebuilt badly is an anomaly.

As MLPerf Tiny's anomaly detection has it (benchmark/training/anomaly_detection): the
network learns normal examples alone, an example's score is its mean squared error, and
the figure is the area under the ROC curve, of which `partial_auc` is the part up to a
tenth of false alarms, standardized (max_fpr = 0.1 of its baseline.yaml).
"""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.tasks import kind as kinds


def anomaly_scores(
    outputs: kinds.FloatArray, inputs: kinds.FloatArray
) -> npt.NDArray[np.float64]:
    """Mean squared difference of each of [N, ...] from its input, [N]."""
    count = len(inputs)
    difference = outputs.reshape(count, -1).astype(np.float64)
    difference = difference - inputs.reshape(count, -1)
    result: npt.NDArray[np.float64] = np.mean(np.square(difference), axis=1)
    return result


def _is_anomaly(targets: kinds.Array, data: kinds.Data) -> npt.NDArray[np.bool_] | None:
    if not data.has_classes:
        return None
    return np.asarray(targets.reshape(len(targets)) != data.normal_class)


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    return kinds.Examples(inputs, _is_anomaly(targets, data))


def _trains_on(targets: kinds.Array, data: kinds.Data) -> npt.NDArray[np.int64] | None:
    anomalies = _is_anomaly(targets, data)
    if anomalies is None or not anomalies.any():
        return None
    if anomalies.all():
        raise errors.DataError(
            "an autoencoder learns what is normal, and no training example is: class "
            f"{data.normal_class} has none"
        )
    return np.flatnonzero(~anomalies)


def _normal_error(outputs: kinds.FloatArray, examples: kinds.Examples) -> float:
    scores = anomaly_scores(outputs, examples.targets)
    if examples.labels is not None and not examples.labels.all():
        scores = scores[~examples.labels]
    return float(np.mean(scores))


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    # scikit-learn takes 2 s to import: not before a command line is checked.
    from tfpipeline.tasks import scores

    del objective
    by_example = anomaly_scores(outputs, examples.targets)
    labels = examples.labels
    return {
        "auc": scores.area_under_curve(labels, by_example),
        "partial_auc": scores.area_under_curve(labels, by_example, max_fpr=0.1),
        "mse": _normal_error(outputs, examples),
    }


def _outputs(data: kinds.Data) -> tuple[int, ...]:
    return data.input_shape


KIND = kinds.TaskKind(
    name="reconstruction",
    title="the input itself, for anomalies",
    loss="reconstruction",
    needs="inputs alone, or class numbers that say which are normal",
    takes=lambda data: not data.has_boxes,
    outputs=_outputs,
    functions=(),
    findings="anomalies",
    examples=_examples,
    trains_on=_trains_on,
    learns_inputs=True,
    decide=None,
    validation_loss=lambda outputs, examples, objective: _normal_error(
        outputs, examples
    ),
    measure=_measure,
    figures=(
        kinds.Figure("auc", "AUC"),
        kinds.Figure("mse", "MSE", is_share=False, is_better_higher=False),
        kinds.Figure("partial_auc", "AUC to 10 %"),
    ),
)
