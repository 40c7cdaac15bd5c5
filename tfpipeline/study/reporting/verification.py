"""Measures of a verifier's records, alone or behind a detector."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.report_pages import page
from tfpipeline.study.measures import (
    agreement,
    cascade,
    curves,
    records,
    similarity,
    verification,
)
from tfpipeline.study.reporting import figures, outcome
from tfpipeline.study.running import pairs, verifying

STUDY, CASCADE = "verification", "cascade"
_RATES = (1e-2, 1e-3)
# Of the heat maps, and of the tables of persons.
_PEOPLE, _PICTURES, _WORST = 10, 4, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """The pairs, and who is in them.

    Attributes:
        first, second: names of the pictures.
        same: bool [M].
        folds: int64 [M].
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]

    def people(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Names [M] of the persons of both pictures."""
        return tuple(  # type: ignore[return-value]
            np.array([pairs.person_of(name) for name in names])
            for names in (self.first, self.second)
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Verified:
    """What a format says of the pairs.

    Attributes:
        embeddings: by picture, of those in which a face was found.
        cosines: float64 [M]; -1 where a face is missing.
        found: bool [M], whether both pictures have a face.
        result: of the folds, over pairs with both faces.
        carried: likewise, with the reference's thresholds; None of the reference.
        right: bool [M], with its own thresholds; False where a face is missing.
        right_carried: likewise, with the reference's.
    """

    embeddings: Mapping[str, npt.NDArray[np.float64]]
    cosines: npt.NDArray[np.float64]
    found: npt.NDArray[np.bool_]
    result: verification.Verification
    carried: verification.Verification | None
    right: npt.NDArray[np.bool_]
    right_carried: npt.NDArray[np.bool_]


def measure(
    found: Sequence[records.Record],
    forms: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> outcome.Outcome:
    """Measures every verifier in the records beside its first format.

    Args:
        found: records of the stages `verifier`, `verifier/DETECTOR/SIZE` and so on, and
            `truth/FOLD`.
        forms: of the verifier, the reference first.
        resamples: of intervals.
        seed: of the draws.

    Raises:
        DataError: no pairs, or formats that are not of the same pictures.
    """
    asked = _asked(found)
    stages = sorted(
        {r.stage for r in found if r.stage.split("/")[0] == "verifier"},
        key=lambda stage: (verifying.Names.of(stage).size == 0, stage),
    )
    names = sorted(
        (verifying.Names.of(stage) for stage in stages),
        key=lambda each: (-(each.size or 1 << 30), each.detector),
    )
    if not names:
        raise errors.DataError("there are no records of the stage verifier")
    verified: dict[verifying.Names, dict[str, Verified]] = {}
    detectors = list(dict.fromkeys(_ordered(names, forms)))
    for each in names:
        base = verified.get(verifying.Names(detectors[0], each.size))
        reference = base[forms[0]] if base and forms[0] in base else None
        verified[each] = _of_stage(found, forms, each, asked, reference)
    study = CASCADE if detectors[0] else STUDY
    rows: list[outcome.Row] = []
    sections: list[page.Section] = []
    for each in names:
        values = {
            form: _values(one, verified[each][forms[0]], asked, resamples, seed)
            for form, one in verified[each].items()
        }
        for form, figures_of in values.items():
            rows += outcome.rows_of(
                figures_of,
                study=study,
                network=each.stage,
                form=form,
                examples=len(asked.same),
                seed=seed,
            )
        if each.detector == detectors[0]:
            sections.append(_section(each, verified[each], values, asked, forms[0]))
    sections.insert(0, _overview(verified, detectors[0], forms, asked, resamples, seed))
    more_rows, more = _grids(verified, detectors, forms, asked, seed)
    return outcome.Outcome((*rows, *more_rows), (*sections, *more))


def _ordered(names: Sequence[verifying.Names], forms: Sequence[str]) -> list[str]:
    """Detector formats, the verifier's reference first where it is one."""
    known = {each.detector for each in names}
    return [form for form in forms if form in known] + sorted(known)


def _asked(found: Sequence[records.Record]) -> Asked:
    truth = [r for r in found if r.stage.startswith(f"{records.TRUTH}/")]
    if not truth:
        raise errors.DataError(
            "there are no records of the stages truth/FOLD: the pairs, as FIRST|SECOND "
            "with the label 1 for one person"
        )
    halves = [record.sample.split("|") for record in truth]
    if any(len(each) != 2 for each in halves):
        raise errors.DataError("a pair's sample is FIRST|SECOND, two pictures' names")
    folds = [record.stage.split("/")[1] for record in truth]
    if not all(fold.isdecimal() for fold in folds):
        raise errors.DataError("a pair's stage is truth/FOLD, a whole number")
    return Asked(
        tuple(one for one, _ in halves),
        tuple(other for _, other in halves),
        np.array([record.label == 1 for record in truth], np.bool_),
        np.array([int(fold) for fold in folds], np.int64),
    )


def _of_stage(
    found: Sequence[records.Record],
    forms: Sequence[str],
    names: verifying.Names,
    asked: Asked,
    reference: Verified | None,
) -> dict[str, Verified]:
    result: dict[str, Verified] = {}
    for form in forms:
        chosen = records.select(found, format=form, stage=names.stage)
        embeddings = {
            name: record.embedding
            for name, record in chosen.items()
            if record.embedding is not None
        }
        if embeddings:
            base = reference or result.get(forms[0])
            result[form] = _verified(embeddings, asked, base)
    if forms[0] not in result:
        raise errors.DataError(
            f"'{names.stage}' has no records of {forms[0]}, which others are compared "
            "with: put it first in --formats, or give its records"
        )
    return result


def _verified(
    embeddings: Mapping[str, npt.NDArray[np.float64]],
    asked: Asked,
    reference: Verified | None,
) -> Verified:
    there = np.array(
        [
            one in embeddings and other in embeddings
            for one, other in zip(asked.first, asked.second, strict=True)
        ]
    )
    places = np.flatnonzero(there)
    if not len(places):
        raise errors.DataError("no pair has a face in both pictures")
    first, second = (
        np.stack([embeddings[names[place]] for place in places])
        for names in (asked.first, asked.second)
    )
    cosines = np.full(len(there), -1.0)
    cosines[places] = similarity.cosines_of_pairs(first, second)
    test = sorted({int(fold) for fold in asked.folds[there]})
    arguments = (2 - 2 * cosines[there], asked.same[there], asked.folds[there])
    result = verification.verify(*arguments, test=test)
    carried = None
    if reference is not None:
        thresholds = reference.result.thresholds
        carried = verification.verify(*arguments, test=test, carried=thresholds)
    right = _right(cosines, there, asked, result.thresholds)
    other = right
    if reference is not None:
        other = _right(cosines, there, asked, reference.result.thresholds)
    return Verified(embeddings, cosines, there, result, carried, right, other)


def _right(
    cosines: npt.NDArray[np.float64],
    there: npt.NDArray[np.bool_],
    asked: Asked,
    thresholds: Mapping[int, float],
) -> npt.NDArray[np.bool_]:
    limits = np.array([thresholds.get(int(fold), 0.0) for fold in asked.folds])
    answers = (2 - 2 * cosines) <= limits
    return np.asarray((answers == asked.same) & there, np.bool_)


def _values(
    one: Verified, reference: Verified, asked: Asked, resamples: int, seed: int
) -> dict[str, Any]:
    """All figures of a format."""
    people = asked.people()
    values: dict[str, Any] = outcome.with_interval(
        "accuracy", one.right, *people, resamples=resamples, seed=seed
    )
    change = one.right.astype(float) - reference.right
    if one is not reference:
        values |= outcome.with_interval(
            "accuracy_change", change, *people, resamples=resamples, seed=seed
        )
    values["folds_std"] = one.result.std
    values["accuracy_float_threshold"] = float(one.right_carried.mean())
    values["faces_missing"] = int((~one.found).sum())
    scores, same = one.cosines[one.found], asked.same[one.found]
    values["auc"] = curves.area(scores, same)
    values["equal_error_rate"] = curves.equal_error_rate(scores, same)
    for rate in _RATES:
        accepted, threshold = curves.true_accept_rate(scores, same, rate)
        values[f"tar_at_far_{rate:g}"] = accepted
        values[f"cosine_at_far_{rate:g}"] = threshold
    values["separation"] = curves.separation(scores, same)
    shared = sorted(set(one.embeddings) & set(reference.embeddings))
    values["cosine_to_reference"] = float(
        similarity.cosines_of_pairs(
            np.stack([one.embeddings[name] for name in shared]),
            np.stack([reference.embeddings[name] for name in shared]),
        ).mean()
    )
    if one is not reference:
        values |= agreement.compare(reference.right, one.right).record()
        values |= _heat_values(one, reference)
    return values


def _overview(
    verified: Mapping[verifying.Names, Mapping[str, Verified]],
    detector: str,
    forms: Sequence[str],
    asked: Asked,
    resamples: int,
    seed: int,
) -> page.Section:
    """Accuracy by face size and format."""
    people = asked.people()
    rows = []
    for names, of_stage in verified.items():
        if names.detector != detector:
            continue
        reference = of_stage[forms[0]]
        cells = [f"{names.size} px" if names.size else "as they are"]
        for form in forms:
            if form not in of_stage:
                cells.append("-")
                continue
            one = of_stage[form]
            interval = outcome.with_interval(
                "a", one.right, *people, resamples=resamples, seed=seed
            )
            shared = sorted(set(one.embeddings) & set(reference.embeddings))
            text = outcome.interval(interval, "a")
            if one is not reference:
                cosine = similarity.cosines_of_pairs(
                    np.stack([one.embeddings[name] for name in shared]),
                    np.stack([reference.embeddings[name] for name in shared]),
                ).mean()
                text += f", cosine {cosine:.3f}"
            cells.append(text)
        rows.append(tuple(cells))
    behind = f" The detector is in {detector}." if detector else ""
    return page.Section(
        "Accuracy by size of the face",
        (
            f"{len(asked.same):,} pairs, the threshold chosen on the other folds. "
            "Intervals of 95 % by resampling people. Cosine: mean of the descriptor's "
            f"to that of {forms[0]}.{behind}",
        ),
        (page.Table(("face", *forms), tuple(rows)),),
    )


def _section(
    names: verifying.Names,
    of_stage: Mapping[str, Verified],
    values: Mapping[str, Mapping[str, Any]],
    asked: Asked,
    reference: str,
) -> page.Section:
    """One size: all figures of all formats, and their pictures."""
    head = (
        *("format", "accuracy", "float's threshold", "AUC", "EER"),
        *("TAR at FAR 1e-2", "TAR at FAR 1e-3", "change (95 %)", "no face"),
    )
    rows, tables = [], {}
    for form, each in values.items():
        change = "-"
        if form != reference:
            change = outcome.interval(each, "accuracy_change")
            tables[form] = agreement.compare(
                of_stage[reference].right, of_stage[form].right
            )
        rows.append(
            (
                form,
                f"{outcome.percent(each['accuracy'])} +- {100 * each['folds_std']:.1f}",
                outcome.percent(each["accuracy_float_threshold"]),
                f"{each['auc']:.4f}",
                outcome.percent(each["equal_error_rate"]),
                *(outcome.percent(each[f"tar_at_far_{rate:g}"]) for rate in _RATES),
                change,
                f"{each['faces_missing']:,}",
            )
        )
    found = np.all([each.found for each in of_stage.values()], axis=0)
    images = [
        page.image(
            figures.roc_curves(
                {form: each.cosines[found] for form, each in of_stage.items()},
                asked.same[found],
            ),
            "ROC of each format; false accepts below one in all pairs cannot be seen",
        )
    ]
    images += _heat_maps(of_stage, reference)
    text = [
        "+- is the standard deviation over the folds; float's threshold: the "
        f"thresholds that were chosen for {reference} kept, as in a product.",
    ]
    more = []
    if tables:
        more = [outcome.agreement_table(tables), _persons(of_stage, asked, reference)]
    size = f"Faces of {names.size} px" if names.size else "Faces as they are"
    behind = f", detector in {names.detector}" if names.detector else ""
    return page.Section(
        size + behind,
        tuple(text),
        (page.Table(head, tuple(rows)), *more),
        tuple(images),
    )


def _persons(
    of_stage: Mapping[str, Verified], asked: Asked, reference: str
) -> page.Table:
    """Who loses the most in any format."""
    base = of_stage[reference]
    rows = []
    own = asked.same & np.all([each.found for each in of_stage.values()], axis=0)
    names = asked.people()[0][own]
    for form, one in of_stage.items():
        if form == reference:
            continue
        limit = float(np.mean(list(one.result.thresholds.values())))
        base_limit = float(np.mean(list(base.result.thresholds.values())))
        people = similarity.by_person(
            names,
            one.cosines[own],
            1 - limit / 2,
            (base.cosines[own], 1 - base_limit / 2),
        )
        for person in people[:_WORST]:
            if person.change < 0:
                rows.append(
                    (
                        f"{form}: {person.name}",
                        f"{person.pairs:,}",
                        outcome.percent(person.true_accept_rate),
                        f"{person.mean_score:.3f}",
                        f"{100 * person.change:+.1f}",
                    )
                )
    head = ("format and person", "own pairs", "accepted", "mean cosine", "change")
    return page.Table(head, tuple(rows) or (("nobody loses", "", "", "", ""),))


def _enrolled(
    of_stage: Mapping[str, Verified],
) -> tuple[list[str], list[str], list[str]]:
    """People with several pictures: their names, first pictures, and some others."""
    shared = set.intersection(*(set(each.embeddings) for each in of_stage.values()))
    by_person: dict[str, list[str]] = {}
    for name in sorted(shared):
        by_person.setdefault(pairs.person_of(name), []).append(name)
    many = sorted(
        (name for name, files in by_person.items() if len(files) > 1),
        key=lambda name: (-len(by_person[name]), name),
    )[:_PEOPLE]
    first = [by_person[name][0] for name in many]
    others = [file for name in many for file in by_person[name][1 : 1 + _PICTURES]]
    return many, first, others


def _map(one: Verified, first: Sequence[str], others: Sequence[str]) -> Any:
    return similarity.cosines(
        np.stack([one.embeddings[name] for name in first]),
        np.stack([one.embeddings[name] for name in others]),
    )


def _heat_values(one: Verified, reference: Verified) -> dict[str, float]:
    people, first, others = _enrolled({"a": reference, "b": one})
    if len(people) < 2:
        return {}
    same = np.array(
        [[person == pairs.person_of(each) for each in others] for person in people]
    )
    change = similarity.compare(
        _map(reference, first, others), _map(one, first, others), same
    )
    return {f"heat_map_{k}": v for k, v in dataclasses.asdict(change).items()}


def _heat_maps(of_stage: Mapping[str, Verified], reference: str) -> list[page.Image]:
    people, first, others = _enrolled(of_stage)
    if len(people) < 2:
        return []
    maps = {form: _map(one, first, others) for form, one in of_stage.items()}
    caption = (
        f"Cosines of {len(people)} people's first pictures with {len(others)} others "
        "of theirs, person by person"
    )
    return [page.image(figures.heat_maps(maps, people, reference), caption)]


def _grids(
    verified: Mapping[verifying.Names, Mapping[str, Verified]],
    detectors: Sequence[str],
    forms: Sequence[str],
    asked: Asked,
    seed: int,
) -> tuple[list[outcome.Row], list[page.Section]]:
    """Detector formats beside verifier formats, of sizes where both vary."""
    rows: list[outcome.Row] = []
    sections: list[page.Section] = []
    for size in dict.fromkeys(names.size for names in verified):
        there = [d for d in detectors if verifying.Names(d, size) in verified]
        stages = {d: verified[verifying.Names(d, size)] for d in there}
        common = [f for f in forms if all(f in each for each in stages.values())]
        if len(there) < 2 or there[0] != detectors[0]:
            continue
        right = {(d, f): stages[d][f].right for d in there for f in common}
        found = {d: stages[d][common[0]].found for d in there}
        # Both references have one name in the grid.
        renamed = {
            (_same(d, there), _same(f, common)): v for (d, f), v in right.items()
        }
        cells = cascade.grid(
            renamed, {_same(d, there): v for d, v in found.items()}, reference=_FIRST
        )
        table = []
        for (d, f), cell in zip(right, cells.values(), strict=True):
            parts = (
                *(cell.detection_loss, cell.crop_loss, cell.verifier_loss),
                cell.interaction,
            )
            table.append(
                (
                    f"{d} + {f}",
                    outcome.percent(cell.rate),
                    *(f"{100 * part:+.1f}" for part in parts),
                    outcome.percent(cell.agreement.overlap),
                    f"{cell.agreement.mcnemar()[1]:.3g}",
                )
            )
            names = ("detection_loss", "crop_loss", "verifier_loss", "interaction")
            rows += outcome.rows_of(
                {"rate": cell.rate, **dict(zip(names, parts, strict=True))},
                study=CASCADE,
                network=f"grid/{d}/{size}",
                form=f,
                examples=len(asked.same),
                seed=seed,
            )
        head = (
            *("detector + verifier", "right", "lost by detection", "by crops"),
            *("by the verifier", "interaction", "overlap with float", "McNemar p"),
        )
        title = (
            f"Detector beside verifier, faces of {size} px"
            if size
            else ("Detector beside verifier, faces as they are")
        )
        sections.append(
            page.Section(
                title,
                (
                    "Points of pairs that are right from end to end: both faces found, "
                    "and the answer right. Right = the first row's - detection - crops "
                    "- verifier + interaction.",
                ),
                (page.Table(head, tuple(table)),),
            )
        )
    return rows, sections


_FIRST = "float"


def _same(name: str, names: Sequence[str]) -> str:
    """The reference, whatever its format, by the name that the grid has for it."""
    if name == names[0]:
        return _FIRST
    return f"{name} " if name == _FIRST else name
