"""Any number of labels an example: binary cross entropy; macro F1, mean precision."""

import numpy as np

from tfpipeline.tasks import binary
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    return kinds.Examples(targets.astype(np.int32))


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    # scikit-learn takes 2 s to import: not before a command line is checked.
    from tfpipeline.tasks import scores

    answers = binary.decide(outputs, objective)
    probabilities = objective.head.probabilities(outputs)
    return {
        "macro_f1": scores.macro_f1(examples.targets, answers),
        "average_precision": scores.mean_average_precision(
            examples.targets, probabilities
        ),
        "accuracy": float(np.mean(answers == examples.targets)),
    }


KIND = kinds.TaskKind(
    name="multi_label",
    title="any number of labels, by one output each",
    loss="multi_label",
    needs="a 0 or 1 for each of several labels",
    takes=lambda data: (
        not data.has_classes and data.is_zero_or_one and len(data.target_shape) == 1
    ),
    outputs=lambda data: data.target_shape,
    functions=(head_lib.LINEAR, head_lib.SIGMOID),
    findings="classes",
    examples=_examples,
    reads_numbers=True,
    mixes_targets=True,
    decide=binary.decide,
    validation_loss=lambda outputs, examples, objective: binary.cross_entropy(
        outputs, examples.targets, objective.head
    ),
    measure=_measure,
    figures=(
        kinds.Figure("macro_f1", "macro F1"),
        kinds.Figure("average_precision", "mean AP"),
        kinds.Figure("accuracy", "accuracy"),
    ),
)
