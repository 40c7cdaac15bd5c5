"""Measures of a detector's records against annotated boxes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.report_pages import page
from tfpipeline.study.measures import detections, records
from tfpipeline.study.reporting import figures, outcome

STUDY, STAGE = "detection", "detector"
# Pictures and false boxes in the report.
_SHOWN, _MOST_CROPS = 3, 8
# Of false boxes in the report: a side longer than the box by this.
_CROP_MARGIN = 0.2
_MOST_FACES_SHOWN = 12


def measure(
    found: Sequence[records.Record],
    forms: Sequence[str],
    *,
    resamples: int,
    seed: int,
    pictures: Iterable[tuple[str, npt.NDArray[np.uint8]]] = (),
) -> outcome.Outcome:
    """Measures formats against the truth, and beside the first format.

    Args:
        found: records of the stages `detector` and `truth`; in the latter a score of 0
            marks boxes that do not count.
        forms: that have records, the reference first.
        resamples: of intervals.
        seed: of the draws.
        pictures: name and uint8 [H, W, 3], for the report.

    Raises:
        DataError: no truth, or other samples in some format.
    """
    truth = records.select(found, format=records.TRUTH, stage=records.TRUTH)
    if not truth:
        raise errors.DataError(
            "there are no records of the stage truth: what is annotated in each picture"
        )
    selections = {
        form: records.select(found, format=form, stage=STAGE) for form in forms
    }
    samples = records.common(truth, *selections.values())
    images = {
        form: [_image(truth[name], chosen[name]) for name in samples]
        for form, chosen in selections.items()
    }
    reference = images[forms[0]]
    rows: list[outcome.Row] = []
    precision_rows, compared_rows = [], []
    comparisons: dict[str, detections.Comparison] = {}
    for form, each in images.items():
        values, cells = _precision(each, reference, resamples, seed)
        compared = detections.compare(reference, each)
        record = compared.record()
        values |= record
        precision_rows.append((form, *cells))
        compared_rows.append((form, *_compared_cells(record)))
        if form != forms[0]:
            comparisons[form] = compared
        rows += outcome.rows_of(
            values,
            study=STUDY,
            network=STAGE,
            form=form,
            examples=len(samples),
            seed=seed,
        )
    sections = [_precision_section(samples, truth, precision_rows)]
    sections.append(_compared_section(forms[0], compared_rows, comparisons))
    sections += _pictured(samples, images, pictures)
    return outcome.Outcome(tuple(rows), tuple(sections))


def _image(truth: records.Record, said: records.Record) -> detections.Image:
    if truth.boxes is None or said.boxes is None or said.scores is None:
        raise errors.DataError(
            f"the records of '{said.sample}' need boxes, and scores of those found"
        )
    ignored = None if truth.scores is None else truth.scores == 0
    return detections.Image(truth.boxes, said.boxes, said.scores, ignored)


def _precision(
    images: Sequence[detections.Image],
    reference: Sequence[detections.Image],
    resamples: int,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """Figures against the truth, and the cells of a table."""
    values: dict[str, Any] = {}
    cells = []
    for level, each in detections.average_precision(images).items():
        values |= {f"ap50_{level}": each.ap50, f"ap_{level}": each.ap}
        cells.append(outcome.percent(each.ap50))
    values["log_average_miss_rate"] = detections.log_average_miss_rate(images)
    cells.append(outcome.percent(values["log_average_miss_rate"]))
    right, of_image = _recalled(images)
    base, _ = _recalled(reference)
    if len(np.unique(of_image)) > 1:
        values |= outcome.with_interval(
            "recall", right, of_image, resamples=resamples, seed=seed
        )
        values |= outcome.with_interval(
            "recall_change", right - base, of_image, resamples=resamples, seed=seed
        )
        cells += [
            outcome.interval(values, "recall"),
            outcome.interval(values, "recall_change"),
        ]
    else:
        cells += ["-", "-"]
    return values, cells


def _recalled(
    images: Sequence[detections.Image],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Of each object that counts, whether it is found; and the picture it is in."""
    found, places = [], []
    for place, image in enumerate(images):
        is_found = np.zeros(len(image.truth))
        is_found[detections.pairs(image.truth, image.boxes)[0]] = 1
        found.append(is_found[image.counted])
        places.append(np.full(int(image.counted.sum()), place))
    return np.concatenate(found), np.concatenate(places)


def _precision_section(
    samples: Sequence[str],
    truth: Mapping[str, records.Record],
    rows: Sequence[tuple[str, ...]],
) -> page.Section:
    objects = sum(
        0 if (boxes := truth[name].boxes) is None else len(boxes) for name in samples
    )
    levels = [
        f"AP50 {name}" + (f", {height:g} px and more" if height else "")
        for name, height in detections.HEIGHTS.items()
    ]
    head = ("format", *levels, "LAMR", "found (95 %)", "change (95 %)")
    return page.Section(
        "Against the annotation",
        (
            f"{len(samples):,} pictures with {objects:,} objects. AP50 by pycocotools; "
            "LAMR is the logarithmic average of the miss rate from 0.01 to 1 false "
            "boxes a picture; found: the share of objects with a box of IoU 0.5, its "
            "interval by resampling pictures.",
        ),
        (page.Table(head, tuple(rows)),),
    )


def _compared_cells(record: Mapping[str, Any]) -> list[str]:
    def real(name: str) -> str:
        value = record[name]
        return "-" if value is None else f"{value:.3f}"

    counts = (
        *("matched", "missing", "extra", "true_positives", "false_positives"),
        "shared_false_positives",
    )
    return [
        *(f"{record[name]:,}" for name in counts),
        *(real(name) for name in ("mean_iou", "mean_center_shifts")),
        outcome.percent(record["mean_confidence_errors"]),
        outcome.percent(record["max_confidence_errors"]),
    ]


def _compared_section(
    reference: str,
    rows: Sequence[tuple[str, ...]],
    comparisons: Mapping[str, detections.Comparison],
) -> page.Section:
    head = (
        *("format", "matched", "missing", "extra", "right boxes", "false boxes"),
        *("false ones shared", "mean IoU", "shift of centers"),
        *("error of confidence, mean", "largest"),
    )
    images = []
    if comparisons and any(each.matched for each in comparisons.values()):
        drawn = figures.confidence_errors(
            {name: each for name, each in comparisons.items() if each.matched}
        )
        caption = f"Relative error of the confidence against {reference}, by size"
        images.append(page.image(drawn, caption))
    return page.Section(
        f"Beside {reference}",
        (
            f"Boxes of IoU 0.5 and more are the same. Missing: only {reference} has "
            "them; extra: only the format does. A false box is shared where both have "
            "it. Shifts are shares of the box's longer side.",
        ),
        (page.Table(head, tuple(rows)),),
        tuple(images),
    )


def _pictured(
    samples: Sequence[str],
    images: Mapping[str, Sequence[detections.Image]],
    pictures: Iterable[tuple[str, npt.NDArray[np.uint8]]],
) -> list[page.Section]:
    telling = _telling(samples, images)
    false = {form: _false_boxes(samples, each) for form, each in images.items()}
    wanted = {*telling, *(name for each in false.values() for name, _ in each)}
    # All are read once, and those in the report are kept.
    kept = {name: picture for name, picture in pictures if name in wanted}
    if not kept:
        return []
    places = {name: place for place, name in enumerate(samples)}
    shown = []
    for name in (each for each in telling if each in kept):
        formats = {form: each[places[name]] for form, each in images.items()}
        drawn = figures.boxes_side_by_side(kept[name], formats)
        shown.append(page.image(drawn, f"{name} in each format", photographs=True))
    sections = [
        page.Section(
            "Boxes side by side",
            (
                "Green boxes are of an object, red ones of none, dashed orange ones "
                "objects that were missed. The pictures in which the formats differ "
                "the most, among those of few objects.",
            ),
            images=tuple(shown),
        )
    ]
    crops = {
        form: [_crop(kept[name], box) for name, box in each if name in kept]
        for form, each in false.items()
    }
    if any(crops.values()):
        drawn = figures.false_positives(crops, _MOST_CROPS)
        caption = f"What each format takes for an object, up to {_MOST_CROPS} surest"
        image = page.image(drawn, caption, photographs=True)
        sections.append(page.Section("False boxes", images=(image,)))
    return sections


def _telling(
    samples: Sequence[str], images: Mapping[str, Sequence[detections.Image]]
) -> list[str]:
    """Pictures of some objects whose boxes change the most."""
    first, *others = images.values()
    changes = []
    for place, name in enumerate(samples):
        count = int(first[place].counted.sum())
        if not 0 < count <= _MOST_FACES_SHOWN:
            continue
        change = 0
        for each in others:
            same = len(detections.pairs(first[place].boxes, each[place].boxes)[0])
            change += len(first[place].boxes) + len(each[place].boxes) - 2 * same
        changes.append((-change, name))
    return [name for _, name in sorted(changes)[:_SHOWN]]


def _false_boxes(
    samples: Sequence[str], images: Sequence[detections.Image]
) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """Picture and box of the surest false boxes."""
    false = []
    for name, image in zip(samples, images, strict=True):
        for place in np.flatnonzero(detections.false_positives(image)):
            false.append((-float(image.scores[place]), name, int(place), image))
    surest = sorted(false, key=lambda each: each[:3])[:_MOST_CROPS]
    return [(name, image.boxes[place]) for _, name, place, image in surest]


def _crop(
    picture: npt.NDArray[np.uint8], box: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """A box and a little around it."""
    height, width = picture.shape[:2]
    margin = _CROP_MARGIN * float(max(box[2:] - box[:2]))
    left, top = (math.floor(each - margin) for each in box[:2])
    right, bottom = (math.ceil(each + margin) for each in box[2:])
    # A pixel at least, of boxes that lie outside.
    left, top = min(max(0, left), width - 1), min(max(0, top), height - 1)
    return picture[top : max(top + 1, bottom), left : max(left + 1, right)]
