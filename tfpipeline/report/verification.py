"""Tables of verification results, of one run or of several that share out the folds."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline import errors
from tfpipeline.study.measures import verification

_COLUMNS = (
    "form,fold,pairs,accuracy,std,threshold,auc,true_accept_rate,false_accept_rate"
)
# What the drop of every other form is counted from.
_REFERENCE = "float"


def merge(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result over the folds of several runs.

    The curves of different networks have no common threshold, so their areas and rates
    are averaged, each with the weight of its folds.

    Args:
        records: of `Verification.record`, one a run.

    Raises:
        UsageError: a fold is in two of them, or there are none.
    """
    folds = sorted(
        (fold for record in records for fold in record["folds"]),
        key=lambda fold: fold["fold"],
    )
    numbers = [fold["fold"] for fold in folds]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice or not folds:
        raise errors.UsageError(
            f"folds {', '.join(map(str, twice))} are tested by more than one run; give "
            "runs that share out the folds"
            if twice
            else "there are no folds to merge"
        )
    whole = verification.Verification(
        folds=tuple(verification.Fold(**fold) for fold in folds),
        auc=_mean(records, "auc"),
        true_accept_rate=_mean(records, "true_accept_rate"),
    )
    return whole.record()


def _mean(records: Sequence[Mapping[str, Any]], key: str) -> float:
    weights = [len(record["folds"]) for record in records]
    products = (
        weight * record[key] for weight, record in zip(weights, records, strict=True)
    )
    return float(sum(products) / sum(weights))


def table(forms: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a form of the network, one column a fold, then mean and deviation.

    Args:
        forms: name of the form -> `Verification.record`, all of the same folds.
            Drops are counted from `float`; without it there are none.
    """
    numbers = [fold["fold"] for fold in next(iter(forms.values()))["folds"]]
    head = ["form", *(f"fold {number}" for number in numbers)]
    rate = next(iter(forms.values()))["false_accept_rate"]
    head += ["accuracy", "+-", "drop", "AUC", f"TAR at FAR {rate}"]
    rows = [head]
    reference = forms[_REFERENCE]["accuracy"] if _REFERENCE in forms else None
    for name, record in forms.items():
        rows.append(
            [
                name,
                *(f"{fold['accuracy']:.4f}" for fold in record["folds"]),
                f"{record['accuracy']:.4f}",
                f"{record['std']:.4f}",
                "-" if reference is None else f"{reference - record['accuracy']:.4f}",
                f"{record['auc']:.4f}",
                f"{record['true_accept_rate']:.4f}",
            ]
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    lines = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def csv(forms: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a form and fold, and one a form with the mean over its folds.

    Columns: form, fold (`all` for the mean), pairs, accuracy, std, threshold, auc,
    true_accept_rate, false_accept_rate; what a line has no value of is empty.
    """
    lines = [_COLUMNS]
    for name, record in forms.items():
        for fold in record["folds"]:
            lines.append(
                f"{name},{fold['fold']},{fold['pairs']},{fold['accuracy']:.6f},,"
                f"{fold['threshold']:.9g},,,"
            )
        pairs = sum(fold["pairs"] for fold in record["folds"])
        lines.append(
            f"{name},all,{pairs},{record['accuracy']:.6f},{record['std']:.6f},,"
            f"{record['auc']:.6f},{record['true_accept_rate']:.6f},"
            f"{record['false_accept_rate']}"
        )
    return "\n".join(lines) + "\n"
