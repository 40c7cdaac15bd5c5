"""Measures of a classifier's records."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.report_pages import page
from tfpipeline.study.measures import agreement, records
from tfpipeline.study.reporting import figures, outcome

STUDY, STAGE = "classification", "classifier"
_TOP = 5
_SHOWN = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What a format says of every sample.

    Attributes:
        scores: float64 [N, classes].
        predictions: int64 [N]; of equal scores the first class.
        right: bool [N].
    """

    scores: npt.NDArray[np.float64]
    predictions: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]


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
        found: records of the stage `classifier` with scores and labels.
        forms: that have records, the reference first.
        resamples: of intervals.
        seed: of the draws.
        classes: names of the labels.
        pictures: name and uint8 [H, W, 3], for the report.

    Raises:
        DataError: samples without label or scores, or other ones in some format.
    """
    selections = {
        form: records.select(found, format=form, stage=STAGE) for form in forms
    }
    samples = records.common(*selections.values())
    labels = np.array([_label(selections[forms[0]][name]) for name in samples])
    answers = {
        form: _answers([chosen[name] for name in samples], labels)
        for form, chosen in selections.items()
    }
    reference = answers[forms[0]]
    who = np.arange(len(samples))
    rows: list[outcome.Row] = []
    table, tables = [], {}
    for form, each in answers.items():
        values: dict[str, Any] = outcome.with_interval(
            "top1", each.right, who, resamples=resamples, seed=seed
        )
        values["top5"] = agreement.top_k_accuracy(labels, each.scores, _TOP)
        values["confidence"] = float(each.scores.max(axis=1).mean())
        cells = [
            form,
            outcome.interval(values, "top1"),
            outcome.percent(values["top5"]),
        ]
        if form != forms[0]:
            compared = agreement.compare(
                reference.right, each.right, (reference.predictions, each.predictions)
            )
            tables[form] = compared
            change = each.right.astype(float) - reference.right
            values |= outcome.with_interval(
                "top1_change", change, who, resamples=resamples, seed=seed
            )
            values |= compared.record()
        else:
            tables[form] = agreement.compare(reference.right, reference.right)
            values["right"] = int(reference.right.sum())
        rows += outcome.rows_of(
            values,
            study=STUDY,
            network=STAGE,
            form=form,
            examples=len(samples),
            seed=seed,
        )
        change_text = (
            outcome.interval(values, "top1_change") if form != forms[0] else "-"
        )
        changed = tables[form].changed
        cells += [change_text, "-" if changed is None else f"{changed:,}"]
        table.append(tuple(cells))
    del tables[forms[0]]
    head = ("format", "Top-1 (95 %)", "Top-5", "change (95 %)", "other answers")
    sections = [
        page.Section(
            "Accuracy",
            (
                f"{len(samples):,} pictures; intervals by resampling them, that of the "
                f"change paired. {forms[0]} is what the others are compared with.",
            ),
            (page.Table(head, tuple(table)),),
        )
    ]
    if tables:
        sections += _agreement(tables, forms[0])
        sections += _classified(samples, labels, answers, classes, pictures)
    return outcome.Outcome(tuple(rows), tuple(sections))


def _agreement(
    tables: Mapping[str, agreement.Agreement], reference: str
) -> list[page.Section]:
    images = tuple(
        page.image(
            figures.sets(each, reference, form),
            f"Pictures that {reference} and {form} are right about, by area",
        )
        for form, each in tables.items()
    )
    return [
        page.Section(
            "The same pictures?",
            (
                f"A is {reference}, B the format. The accuracy may hardly change while "
                "many pictures do: lost are right in A only, gained in B only.",
            ),
            (outcome.agreement_table(tables),),
            images,
        )
    ]


def _classified(
    samples: Sequence[str],
    labels: npt.NDArray[np.int64],
    answers: Mapping[str, Answers],
    classes: Sequence[str],
    pictures: Iterable[tuple[str, npt.NDArray[np.uint8]]],
) -> list[page.Section]:
    """Pictures that not all formats agree on, as far as they are there."""
    predictions = np.stack([each.predictions for each in answers.values()])
    differing = (predictions != predictions[0]).any(axis=0)
    places = {samples[i]: i for i in np.flatnonzero(differing).tolist()}
    shown = []
    # Only what is shown is read.
    for name, picture in pictures if len(places) else ():
        if name in places:
            place = places[name]
            said = {
                form: _class(int(each.predictions[place]), classes)
                for form, each in answers.items()
            }
            shown.append((picture, _class(int(labels[place]), classes), said))
        if len(shown) == _SHOWN:
            break
    if not shown:
        return []
    drawn = figures.classified(shown)
    caption = "Pictures that some formats take for something else; wrong ones are red"
    return [
        page.Section(
            "Samples by format",
            (f"{int(differing.sum()):,} pictures get another answer in some format.",),
            images=(page.image(drawn, caption, photographs=True),),
        )
    ]


def _class(number: int, classes: Sequence[str]) -> str:
    return classes[number] if number < len(classes) else str(number)


def _label(record: records.Record) -> int:
    if record.label is None:
        raise errors.DataError(f"the record of '{record.sample}' has no label")
    return record.label


def _answers(
    of_form: Sequence[records.Record], labels: npt.NDArray[np.int64]
) -> Answers:
    rows = []
    for record in of_form:
        if record.scores is None or not record.scores.size:
            raise errors.DataError(f"the record of '{record.sample}' has no scores")
        rows.append(record.scores)
    if len({len(row) for row in rows}) > 1 or labels.max() >= len(rows[0]):
        raise errors.DataError(
            f"records of '{of_form[0].format}' have other numbers of classes than the "
            "labels, or than each other"
        )
    scores = np.stack(rows)
    predictions = scores.argmax(axis=1)
    return Answers(scores, predictions, predictions == labels)
