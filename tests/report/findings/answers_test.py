"""What kept answers tell, beside the same figures by other means."""

import importlib
import json

import numpy as np
import pytest

from tests.report.findings import made_answers
from tfpipeline.report.findings import answers, evidence, intervals
from tfpipeline.tasks import catalog as tasks


@pytest.mark.default_cases(3)
@pytest.mark.parametrize("name", made_answers.KINDS)
def test_the_figure_is_that_of_the_table(name):
    found, objective, outputs, examples = made_answers.found(name)
    record, shown = answers.measure(found, objective.kind, ("a", "b", "c"), "int8")
    for form, each in outputs.items():
        expected = objective.measure(each, examples)[record["figure"]]
        told = record["forms"][form]
        # Kept in float32.
        assert told["value"] == pytest.approx(expected, rel=1e-5)
        low, high = told["interval"]
        assert low < told["value"] < high
    assert shown and all(0 <= place < made_answers.COUNT for place in shown)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize("name", made_answers.KINDS)
def test_what_is_kept_is_read_again(name, tmp_path):
    found, *_ = made_answers.found(name)
    path = tmp_path / "predictions.npz"
    inputs = made_answers.INPUTS[[3, 1]]
    evidence.write(path, found, (3, 1), inputs)
    again = evidence.read(path)
    assert list(again.forms) == list(found.forms) == ["float32", "int8"]
    mine = [found.targets, *found.forms.values()]
    theirs = [again.targets, *again.forms.values()]
    for one, other in zip(mine, theirs, strict=True):
        assert one.keys() == other.keys()
        for part in one:
            np.testing.assert_array_equal(one[part], other[part])
    np.testing.assert_array_equal(evidence.read_shown(path)[1], made_answers.INPUTS[1])
    evidence.write(tmp_path / "again.npz", found, (3, 1), inputs)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_mistakes_are_wrong_and_the_surest_first():
    found, objective, outputs, examples = made_answers.found("classification")
    record, _ = answers.measure(found, objective.kind, ("a", "b", "c"), "int8")
    logits = outputs["int8"]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = logits.argmax(axis=1)
    wrong = np.flatnonzero(said != examples.targets)
    order = wrong[np.argsort(-chances[wrong].max(axis=1))]
    assert [x["example"] for x in record["mistakes"]] == order[:20].tolist()
    assert [x["answer"] for x in record["mistakes"]] == said[order[:20]].tolist()
    matrix = np.array(record["confusion"]["int8"]["matrix"])
    assert (
        matrix.sum() == made_answers.COUNT
        and matrix.trace() == made_answers.COUNT - len(wrong)
    )
    changes = record["changes"]["int8"]
    assert changes["changed"] == int((outputs["float32"].argmax(1) != said).sum())
    forms = record["forms"]
    lost = made_answers.COUNT * (forms["float32"]["value"] - forms["int8"]["value"])
    assert changes["only_a"] - changes["only_b"] == round(lost)


def test_a_share_has_the_interval_of_wilson():
    right = np.arange(100) < 90
    # (p + z^2/2n -+ z sqrt(p q/n + z^2/4n^2)) / (1 + z^2/n) of p = 0.9, n = 100.
    assert intervals.of_share(right) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_an_interval_needs_examples():
    assert intervals.resampled(lambda drawn: 1.0, 1) is None
    assert intervals.resampled(lambda drawn: None, 9) is None


def test_every_kind_has_its_findings_and_its_part_of_the_page():
    for kind in tasks.ALL:
        answers.of_kind(kind)
        importlib.import_module(f"tfpipeline.report.run_pages.{kind.findings}")
