"""Runs beside each other: differences, tests on the same examples, the front."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from tests.report.run_pages import made_runs
from tfpipeline import errors
from tfpipeline.report.findings import comparison
from tfpipeline.report.run_pages import comparison as pages
from tfpipeline.report.run_pages import stored_runs
from tfpipeline.report_pages import page


def _two(tmp_path, name="classification", second="cmsisnet"):
    one = made_runs.write(tmp_path / "a", name)
    other = made_runs.write(tmp_path / "b", name, network=second)
    return [one, other]


def _edited(folder, change):
    results = json.loads(folder.results_json.read_text())
    change(results)
    folder.results_json.write_text(json.dumps(results))


def test_a_run_beside_itself_differs_in_nothing(tmp_path):
    runs = stored_runs.compared(_two(tmp_path))
    assert comparison.flags(runs) == {}
    for each in comparison.tests(runs):
        assert each["difference"] == [0, 0]
        assert (each["lost"], each["gained"], each["mcnemar_p"]) == (0, 0, 1)


def test_flags_that_differ_are_told(tmp_path):
    folders = _two(tmp_path)
    _edited(folders[1], lambda results: results["flags"].update(epochs=77))
    text = pages.to_text(stored_runs.compared(folders))
    lines = [line.split() for line in text.splitlines()]
    assert any(words[:1] == ["epochs"] and words[-1] == "77" for words in lines)


def test_pairs_are_tested_by_the_exact_binomial(tmp_path):
    folders = _two(tmp_path)
    # The second run deploys what the first one only has in float.
    _edited(
        folders[1],
        lambda results: results["findings"]["answers"].update(deployed="float32"),
    )
    runs = stored_runs.compared(folders)
    found = comparison.tests(runs)[1]
    kept = runs[0].kept
    truth = kept.targets["answers"]
    before = kept.forms["int8"]["answers"] == truth
    after = kept.forms["float32"]["answers"] == truth
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    assert (found["lost"], found["gained"]) == (lost, gained) and gained > 0
    expected = stats.binomtest(lost, lost + gained).pvalue
    assert found["mcnemar_p"] == pytest.approx(expected)
    low, high = found["difference"]
    assert low < after.mean() - before.mean() < high


def test_other_data_are_not_paired(tmp_path):
    folders = _two(tmp_path)
    record = json.loads(folders[1].run_json.read_text())
    record["data"]["fingerprint"] = "other"
    folders[1].run_json.write_text(json.dumps(record))
    runs = stored_runs.compared(folders)
    assert all("other data" in each["reason"] for each in comparison.tests(runs))
    assert "other data" in page.render("c", pages.sections(runs))


@pytest.mark.slow
def test_the_table_file_has_every_figure(tmp_path):
    runs = stored_runs.compared(_two(tmp_path, "regression"))
    rows = list(csv.DictReader(io.StringIO(pages.to_csv(runs))))
    assert len(rows) == 2 * 2 * 3
    for row in rows:
        [run] = [each for each in runs if each.name == row["run"]]
        values = {x["network"]: x for x in run.rows}
        assert float(row["value"]) == pytest.approx(
            values[row["form"]][f"test_{row['figure']}"], rel=1e-5
        )
        assert bool(row["low"]) == (row["figure"] == "rmse")


def test_a_page_of_two_networks_has_a_panel_a_target(tmp_path):
    folders = _two(tmp_path, second="nascifarnet")
    for folder in folders:
        # As the driver names its forms.
        _edited(
            folder,
            lambda results: results["accuracy"][1].update(network="int8, QAT"),
        )
    runs = stored_runs.compared(folders)
    points = pages.record(runs)["points"]
    assert {each["target"] for each in points} == set(made_runs.TARGETS)
    told = runs[0].results["findings"]["targets"]["int8"]["max78000"]
    [point] = [
        x for x in points if x["target"] == "max78000" and x["run"] == runs[0].name
    ]
    assert point["latency"] == 1e3 * told["latency"]["ai8x"]["seconds"]
    assert point["flash"] * 1024 == pytest.approx(
        told["memory"]["weight_bytes"] + told["memory"]["bias_bytes"]
    )
    text = page.render("c", pages.sections(runs))
    for cost in ("latency, ms", "RAM, KiB"):
        assert f"Test accuracy against {cost}" in text


def test_runs_of_two_tasks_are_refused(tmp_path):
    folders = [made_runs.write(tmp_path, x) for x in ("binary", "regression")]
    with pytest.raises(errors.UsageError, match="no figure in common"):
        stored_runs.compared(folders)


def test_the_front_is_what_nothing_beats_in_both():
    random = np.random.default_rng(0)
    figures, costs = random.integers(0, 9, (2, 30)).tolist()
    kept = comparison.front(figures, costs, higher=True)
    for place in range(30):
        beaten = any(
            (figures[i] >= figures[place] and costs[i] <= costs[place])
            and (figures[i] > figures[place] or costs[i] < costs[place])
            for i in range(30)
        )
        same = any(
            (figures[i], costs[i]) == (figures[place], costs[place]) for i in kept
        )
        assert same != beaten
    assert [costs[i] for i in kept] == sorted(costs[i] for i in kept)
