"""A class for each pixel: cross entropy; mean intersection over union, pixel accuracy.

Targets are masks of class numbers; pixels of the number `UNLABELED` do not count.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

# Of masks of 8 bits: what Pascal VOC's and Cityscapes' use for "void".
UNLABELED = 255


def _by_pixel(
    outputs: kinds.FloatArray, objective: kinds.Objective
) -> npt.NDArray[np.floating]:
    """[N, H, W, classes] of outputs of any shape."""
    return outputs.reshape(len(outputs), *objective.kind.outputs(objective.data))


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    return kinds.Examples(targets)


def _decide(outputs: kinds.FloatArray, objective: kinds.Objective) -> kinds.Array:
    answers: kinds.Array = _by_pixel(outputs, objective).argmax(axis=-1)
    return answers.astype(np.uint8)


def _hits(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> kinds.Hits:
    counted = examples.targets != UNLABELED
    right = (_decide(outputs, objective) == examples.targets) & counted
    return kinds.Hits(int(right.sum()), int(counted.sum()), "pixels")


def _validation_loss(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> float:
    by_pixel = _by_pixel(outputs, objective)
    if objective.head.function == head_lib.SOFTMAX:
        least = head_lib.LEAST_PROBABILITY
        shares = np.clip(by_pixel.astype(np.float64), least, 1 - least)
        logarithms = np.log(shares)
    else:
        logarithms = head_lib.log_softmax(by_pixel)
    counted = examples.targets != UNLABELED
    labels = np.where(counted, examples.targets, 0).astype(np.int64)
    chosen = np.take_along_axis(logarithms, labels[..., None], axis=-1)[..., 0]
    return float(-chosen[counted].sum() / max(int(counted.sum()), 1))


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    # scikit-learn takes 2 s to import: not before a command line is checked.
    from tfpipeline.study.measures import segmentation

    if (examples.targets == UNLABELED).all():
        return {figure.name: None for figure in _FIGURES}
    found = segmentation.measure(
        examples.targets,
        _decide(outputs, objective),
        objective.data.num_classes,
        UNLABELED,
    )
    return {"mean_iou": found.mean_iou, "pixel_accuracy": found.pixel_accuracy}


_FIGURES = (
    kinds.Figure("mean_iou", "mIOU"),
    kinds.Figure("pixel_accuracy", "pixel accuracy"),
)

KIND = kinds.TaskKind(
    name="segmentation",
    title="a class for each pixel",
    loss="segmentation",
    needs="masks of class numbers",
    takes=lambda data: data.has_masks and data.num_classes > 1,
    outputs=lambda data: (*data.target_shape, data.num_classes),
    built_with=lambda data: data.num_classes,
    functions=(head_lib.LINEAR, head_lib.SOFTMAX),
    findings="pixels",
    examples=_examples,
    decide=_decide,
    hits=_hits,
    validation_loss=_validation_loss,
    measure=_measure,
    figures=_FIGURES,
    best=("val_mean_iou", True),
)
