"""Measures of the masks that a segmenter gives in each format."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.report_pages import page
from tfpipeline.study.measures import agreement, records, resampling, segmentation
from tfpipeline.study.reporting import figures, outcome
from tfpipeline.tasks import segmentation as tasks

STUDY, STAGE = "segmentation", "segmenter"
_SHOWN = 6


@dataclasses.dataclass(frozen=True, eq=False)
class _Masks:
    """The truth and what each format says, of the same pictures.

    Attributes:
        samples: names, [N].
        size: height and width of all masks.
        truth: uint8 [N, H * W].
        forms: format -> uint8 [N, H * W].
    """

    samples: tuple[str, ...]
    size: tuple[int, int]
    truth: npt.NDArray[np.uint8]
    forms: Mapping[str, npt.NDArray[np.uint8]]


def measure(
    found: Sequence[records.Record],
    forms: Sequence[str],
    *,
    resamples: int,
    seed: int,
    classes: Sequence[str] = (),
    pictures: Iterable[tuple[str, npt.NDArray[np.uint8]]] = (),
) -> outcome.Outcome:
    """Measures formats beside the first.

    Args:
        found: records with masks, of the stage `segmenter` and of the truth, whose
            stage is `truth/HEIGHTxWIDTH`.
        forms: that have records, the reference first.
        resamples: of intervals.
        seed: of the draws.
        classes: names of the classes.
        pictures: name and uint8 [H, W, 3], for the report.

    Raises:
        DataError: masks are missing, or of other sizes.
    """
    masks = _masks(found, forms)
    counted = masks.truth != tasks.UNLABELED
    if not counted.any():
        raise errors.DataError("no pixel of the true masks has a class")
    largest = max(masks.truth[counted].max(), *(m.max() for m in masks.forms.values()))
    names = [
        *classes,
        *(str(number) for number in range(len(classes), int(largest) + 1)),
    ]
    confusions = {
        form: segmentation.confusions(masks.truth, each, len(names), tasks.UNLABELED)
        for form, each in masks.forms.items()
    }
    drawn: dict[str, Any] = {
        "first": np.arange(len(masks.samples)),
        "resamples": resamples,
        "seed": seed,
    }
    tables = {
        form: _compared(masks, forms[0], form, counted)
        for form in masks.forms
        if form != forms[0]
    }
    rows: list[outcome.Row] = []
    accuracies, by_class = [], []
    for form, each in masks.forms.items():
        whole = segmentation.measure(masks.truth, each, len(names), tasks.UNLABELED)
        values: dict[str, Any] = outcome.statistic_with_interval(
            "mean_iou", _iou(confusions[form]), **drawn
        )
        values["pixel_accuracy"] = whole.pixel_accuracy
        for name, iou in zip(names, whole.ious, strict=True):
            values[f"iou_{name}"] = float(iou)
        change = changed = "-"
        if form in tables:
            values |= outcome.statistic_with_interval(
                "mean_iou_change",
                _iou_change(confusions[forms[0]], confusions[form]),
                **drawn,
            )
            change = outcome.interval(values, "mean_iou_change")
            values |= tables[form].record()
            changed = f"{tables[form].changed:,}"
        rows += outcome.rows_of(
            values,
            study=STUDY,
            network=STAGE,
            form=form,
            examples=len(masks.samples),
            seed=seed,
        )
        pixels = outcome.percent(whole.pixel_accuracy)
        iou_text = outcome.interval(values, "mean_iou")
        accuracies.append((form, iou_text, pixels, change, changed))
        by_class.append((form, *(outcome.percent(iou) for iou in whole.ious)))
    head = ("format", "mIOU (95 %)", "pixels", "change (95 %)", "other pixels")
    sections = [
        page.Section(
            "Accuracy",
            (
                f"{len(masks.samples):,} pictures, {int(counted.sum()):,} labeled "
                f"pixels of {masks.size[0]}x{masks.size[1]}; intervals by resampling "
                "pictures, that of the change paired. "
                f"{forms[0]} is what the others are compared with.",
            ),
            (page.Table(head, tuple(accuracies)),),
        ),
        page.Section(
            "Classes",
            ("Intersection over union of each class, over all pictures together.",),
            (page.Table(("format", *names), tuple(by_class)),),
        ),
    ]
    if tables:
        sections.append(_agreement(tables, forms[0]))
    sections += _shown(masks, pictures, len(names))
    return outcome.Outcome(tuple(rows), tuple(sections))


def _compared(
    masks: _Masks, reference: str, form: str, counted: npt.NDArray[np.bool_]
) -> agreement.Agreement:
    """Labeled pixels of two formats."""
    one, other = masks.forms[reference][counted], masks.forms[form][counted]
    truth = masks.truth[counted]
    return agreement.compare(one == truth, other == truth, (one, other))


def _agreement(
    tables: Mapping[str, agreement.Agreement], reference: str
) -> page.Section:
    return page.Section(
        "The same pixels?",
        (
            f"A is {reference}, B the format. Neighbouring pixels are no independent "
            "samples: McNemar's test is too sure of itself here, and the interval of "
            "the change, which is of pictures, is not.",
        ),
        (outcome.agreement_table(tables),),
    )


def _masks(found: Sequence[records.Record], forms: Sequence[str]) -> _Masks:
    prefix = f"{records.TRUTH}/"
    stages = sorted({r.stage for r in found if r.stage.startswith(prefix)})
    if len(stages) != 1:
        raise errors.DataError(
            "the true masks must be of one size. Records are there of: "
            f"{errors.listed(stages)}"
        )
    selections = {
        records.TRUTH: records.select(found, format=records.TRUTH, stage=stages[0])
    }
    for form in forms:
        selections[form] = records.select(found, format=form, stage=STAGE)
    samples = records.common(*selections.values())
    size = _size(stages[0].removeprefix(prefix))
    stacked = {
        form: np.stack([_mask(chosen[name], size) for name in samples])
        for form, chosen in selections.items()
    }
    return _Masks(samples, size, stacked.pop(records.TRUTH), stacked)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise errors.DataError(
            f"a true mask's stage is {records.TRUTH}/HEIGHTxWIDTH. Received: "
            f"{errors.brief(text)}"
        )
    return int(height), int(width)


def _mask(record: records.Record, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if record.mask is None or record.mask.size != size[0] * size[1]:
        there = "no mask" if record.mask is None else f"{record.mask.size:,} pixels"
        raise errors.DataError(
            f"the record of '{record.sample}' in {record.format} has {there}, and the "
            f"true masks {size[0]}x{size[1]}"
        )
    return record.mask


def _iou(confusions: npt.NDArray[np.int64]) -> resampling.Statistic:
    return lambda weights: segmentation.mean_iou(
        np.tensordot(weights, confusions, axes=1)
    )


def _iou_change(
    reference: npt.NDArray[np.int64], other: npt.NDArray[np.int64]
) -> resampling.Statistic:
    before, after = _iou(reference), _iou(other)
    return lambda weights: after(weights) - before(weights)


def _shown(
    masks: _Masks, pictures: Iterable[tuple[str, npt.NDArray[np.uint8]]], count: int
) -> list[page.Section]:
    """The pictures that formats disagree about most, as far as they are there."""
    every = np.stack(list(masks.forms.values()))
    differing = (every != every[0]).any(axis=0).sum(axis=1)
    order = np.argsort(-differing, kind="stable")[:_SHOWN]
    places = {masks.samples[i]: i for i in order.tolist()}
    by_place = {places[name]: picture for name, picture in pictures if name in places}
    if not by_place:
        return []
    rows = [
        (
            by_place[place],
            {
                name: each[place].reshape(masks.size)
                for name, each in {records.TRUTH: masks.truth, **masks.forms}.items()
            },
        )
        for place in order.tolist()
        if place in by_place
    ]
    drawn = figures.masks_side_by_side(rows, count, tasks.UNLABELED)
    caption = "Pictures that formats differ about most, with their masks"
    return [
        page.Section(
            "Masks by format",
            ("White pixels are not labeled.",),
            images=(page.image(drawn, caption, photographs=True),),
        )
    ]
