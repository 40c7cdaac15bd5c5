"""Yes or no, by one output: binary cross entropy; accuracy, AUC and F1."""

import numpy as np
import numpy.typing as npt

from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds


def cross_entropy(
    outputs: kinds.FloatArray, answers: kinds.Array, head: head_lib.Head
) -> float:
    """Mean binary cross entropy (nats) over all values of `outputs`.

    Args:
        outputs: [N, ...], logits or a sigmoid's values.
        answers: of the same shape, 0 or 1.
        head: says which.
    """
    values = outputs.astype(np.float64)
    yes = answers.astype(np.float64)
    if head.function == head_lib.SIGMOID:
        least = head_lib.LEAST_PROBABILITY
        p = np.clip(values, least, 1 - least)
        return float(np.mean(-yes * np.log(p) - (1 - yes) * np.log(1 - p)))
    losses = np.maximum(values, 0) - values * yes + np.log1p(np.exp(-np.abs(values)))
    return float(np.mean(losses))


def decide(
    outputs: kinds.FloatArray, objective: kinds.Objective
) -> npt.NDArray[np.int32]:
    """1 where the probability reaches the threshold, else 0; of the outputs' shape."""
    probabilities = objective.head.probabilities(outputs)
    return (probabilities >= objective.options.threshold).astype(np.int32)


def _decide(
    outputs: kinds.FloatArray, objective: kinds.Objective
) -> npt.NDArray[np.int32]:
    return decide(outputs.reshape(len(outputs)), objective)


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    return kinds.Examples(targets.reshape(len(targets)).astype(np.int32))


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    # scikit-learn takes 2 s to import: not before a command line is checked.
    from tfpipeline.tasks import scores

    answers = _decide(outputs, objective)
    probabilities = objective.head.probabilities(outputs).reshape(len(outputs))
    return {
        "accuracy": float(np.mean(answers == examples.targets)),
        "f1": scores.f1(examples.targets, answers),
        "auc": scores.area_under_curve(examples.targets, probabilities),
    }


KIND = kinds.TaskKind(
    name="binary",
    title="yes or no, by one output",
    loss="binary",
    needs="two classes, or values that are 0 or 1",
    takes=lambda data: (
        data.num_classes == 2
        if data.has_classes
        else data.is_zero_or_one and data.target_shape in ((), (1,))
    ),
    outputs=lambda data: (1,),
    functions=(head_lib.LINEAR, head_lib.SIGMOID),
    findings="classes",
    examples=_examples,
    needs_every_class=True,
    weighs_classes=True,
    mixes_targets=True,
    decide=_decide,
    validation_loss=lambda outputs, examples, objective: cross_entropy(
        outputs.reshape(len(outputs)), examples.targets, objective.head
    ),
    measure=_measure,
    figures=(
        kinds.Figure("accuracy", "accuracy"),
        kinds.Figure("auc", "AUC"),
        kinds.Figure("f1", "F1"),
    ),
)
