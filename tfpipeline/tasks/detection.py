"""Objects of one kind and their boxes, by a detector of LFFD's manner.

A network's outputs are those of `detection.layout`, one row an example. Targets are
the rows of `detection.objects`. Boxes are decoded in float, whatever computed the maps,
by one rule of overlap for all number formats.
"""

import math
from typing import Any

from tfpipeline import errors
from tfpipeline.detection import decoding, losses, objects
from tfpipeline.detection import layout as layouts
from tfpipeline.detection import targets as targets_lib
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

# Average precision counts unsure boxes as well; below it are thousands an image.
LEAST_SCORE = 0.05
# Boxes of one image that enter suppression.
MOST_BOXES = 1_000
# Scores from which a box is an answer: that of a softmax which prefers the object.
SURE = 0.5
_LEVELS = ("easy", "medium", "hard")


def layout_of(objective: kinds.Objective) -> layouts.Layout:
    """The maps of the detector.

    Raises:
        UsageError: it is none.
    """
    layout = objective.head.layout
    if layout is None:
        raise errors.UsageError(
            "--task=detection needs a detector with branches of known sizes, such as "
            "--model=lffd_mcu"
        )
    return layout


def detect(
    outputs: kinds.FloatArray,
    objective: kinds.Objective,
    threshold: float = LEAST_SCORE,
) -> list[decoding.Detections]:
    """The boxes in each of [N, values], in pixels of the network's input."""
    layout = layout_of(objective)
    return [
        decoding.detect(
            layout.maps(each),
            layout.branches,
            layout.size,
            threshold=threshold,
            most=MOST_BOXES,
        )
        for each in outputs
    ]


def assign(
    values: kinds.FloatArray, layout: layouts.Layout
) -> list[targets_lib.Targets]:
    """What each branch is trained for in a picture of rows [rows, 6]."""
    boxes, ignored, _ = objects.of_picture(values)
    return [
        targets_lib.assign(boxes, branch, cells, ignored)
        for branch, cells in zip(layout.branches, layout.cells, strict=True)
    ]


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    return kinds.Examples(targets)


def _images(
    outputs: kinds.FloatArray,
    examples: kinds.Examples,
    objective: kinds.Objective,
    threshold: float,
) -> list[Any]:
    """Truth and detections in pixels of the pictures, for `study.detections`."""
    # pycocotools takes a second to import: not before a command line is checked.
    from tfpipeline.study.measures import detections

    images = []
    found = detect(outputs, objective, threshold)
    for each, values in zip(found, examples.targets, strict=True):
        boxes, ignored, scale = objects.of_picture(values)
        images.append(
            detections.Image(boxes * scale, each.boxes * scale, each.scores, ignored)
        )
    return images


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    from tfpipeline.study.measures import detections

    images = _images(outputs, examples, objective, LEAST_SCORE)
    if not any(image.counted.any() for image in images):
        return {figure.name: None for figure in _FIGURES}
    levels = detections.average_precision(images)
    values = {"ap50": levels["all"].ap50, "ap": levels["all"].ap}
    values |= {f"ap50_{name}": levels[name].ap50 for name in _LEVELS}
    values["lamr"] = detections.log_average_miss_rate(images)
    return {name: None if math.isnan(v) else v for name, v in values.items()}


def _validation_loss(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> float:
    layout = layout_of(objective)
    expected = [assign(each, layout) for each in examples.targets]
    return losses.total(outputs, expected, layout, objective.options.box_weight)


def hits(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> kinds.Hits:
    """Objects that are found by boxes of a score above `SURE`, less what is none.

    Each false box takes one away, so that integers which see too much are told as those
    which see too little.
    """
    from tfpipeline.study.measures import detections

    found = total = 0
    for image in _images(outputs, examples, objective, SURE):
        _, counts = detections.pairs_with_truth(image)
        found += int(counts.sum()) - int(detections.false_positives(image).sum())
        total += int(image.counted.sum())
    return kinds.Hits(found, total, "objects")


_FIGURES = (
    kinds.Figure("ap50", "AP50"),
    kinds.Figure("ap50_easy", "easy"),
    kinds.Figure("ap50_medium", "medium"),
    kinds.Figure("ap50_hard", "hard"),
    kinds.Figure("lamr", "LAMR", is_better_higher=False),
    kinds.Figure("ap", "AP"),
)

KIND = kinds.TaskKind(
    name="detection",
    title="objects of one kind and their boxes",
    loss="detection",
    needs="boxes",
    takes=lambda data: data.has_boxes,
    # Of a score; the maps are in the head's layout.
    outputs=lambda data: (layouts.LOGITS,),
    functions=(head_lib.LINEAR,),
    findings="boxes",
    examples=_examples,
    reads_boxes=True,
    decide=None,
    hits=hits,
    validation_loss=_validation_loss,
    measure=_measure,
    figures=_FIGURES,
    best=("val_ap50", True),
)
