"""Tables of verification results, and runs that share out the folds."""

import pytest

from tfpipeline import errors
from tfpipeline.report import verification as report
from tfpipeline.study.measures import verification


def _record(accuracies, auc=0.9):
    folds = tuple(
        verification.Fold(number, 1.0, accuracy, 600)
        for number, accuracy in accuracies.items()
    )
    return verification.Verification(folds, auc, 0.25).record()


def test_merged_runs_are_one_result_over_all_folds():
    merged = report.merge([_record({2: 0.9}, 0.6), _record({0: 0.7, 1: 0.8}, 0.9)])
    assert [fold["fold"] for fold in merged["folds"]] == [0, 1, 2]
    # Means of decimals that float64 does not hold exactly.
    assert merged["accuracy"] == pytest.approx(0.8)
    assert merged["std"] == pytest.approx(0.1)
    assert merged["auc"] == pytest.approx((0.6 + 2 * 0.9) / 3)


def test_a_fold_of_two_runs_is_refused():
    with pytest.raises(errors.UsageError, match="folds 1 are tested by more than one"):
        report.merge([_record({0: 0.7, 1: 0.8}), _record({1: 0.9})])
    with pytest.raises(errors.UsageError, match="no folds"):
        report.merge([])


def test_table_counts_drops_from_float():
    text = report.table(
        {"float": _record({0: 0.75, 1: 0.8}), "gap8": _record({0: 0.75, 1: 0.79})}
    )
    lines = text.splitlines()
    assert " ".join(lines[0].split()) == (
        "form fold 0 fold 1 accuracy +- drop AUC TAR at FAR 0.01"
    )
    assert " ".join(lines[1].split()) == (
        "float 0.7500 0.8000 0.7750 0.0354 0.0000 0.9000 0.2500"
    )
    assert lines[2].split()[5] == "0.0050"
    [_, alone] = report.table({"gap8_8bit": _record({0: 0.75, 1: 0.79})}).splitlines()
    assert alone.split()[5] == "-"


def test_csv_has_a_line_a_fold_and_one_for_all():
    head, *rows = report.csv({"float": _record({0: 0.75, 3: 0.8})}).splitlines()
    columns = head.split(",")
    found = [dict(zip(columns, row.split(","), strict=True)) for row in rows]
    assert [row["fold"] for row in found] == ["0", "3", "all"]
    assert [row["pairs"] for row in found] == ["600", "600", "1200"]
    assert found[0]["accuracy"] == "0.750000" and found[0]["threshold"] == "1"
    assert found[2]["std"] == "0.035355" and found[2]["auc"] == "0.900000"
