"""A search remembers, refuses and goes on, with trainings that take no time."""

import pathlib

import pytest

optuna = pytest.importorskip("optuna")

# What follows needs it.
from tfpipeline import errors  # noqa: E402
from tfpipeline.configs.run import Run  # noqa: E402
from tfpipeline.report_pages import page  # noqa: E402
from tfpipeline.search import page as pages  # noqa: E402
from tfpipeline.search import space as spaces  # noqa: E402
from tfpipeline.search import studies, trials  # noqa: E402

_SPACE = spaces.parse(
    """
flags:
  width: {low: 0.1, high: 2.0, step: 0.1}
  optimizer: [sgd, adam]
objectives:
  - metric
  - {target: max78000, cost: latency}
constraints:
  - {target: max78000, cost: flash, most: 100}
""",
    "space.yaml",
)


class _Costs:
    """As `trials.Costs`: a width costs its square."""

    def of(self, config):
        width = config.network.width
        if width > 1.5:
            raise trials.Refused("max78000 weights and biases, KiB: above 100")
        return {"max78000": {"latency": width**2, "flash": 50.0, "ram": None}}

    metric = "val_accuracy"


def _train(config, watch):
    del watch
    if config.network.width < 0.25:
        raise trials.Failed("the loss is not finite")
    return 1 - 0.1 / config.network.width - 0.01 * (config.optimizer.name == "sgd")


def _study(root):
    kept = studies.storage(root, None)
    return studies.opened(kept, "s", _SPACE, "tpe", 0, higher=True)


def _search(root, tell, costs=None, space=_SPACE, pruner="none"):
    kept = studies.storage(root, None)
    study = studies.opened(kept, "s", space, "tpe", 0, pruner=pruner, higher=True)
    return studies.Search(study, kept, Run(), space, root, costs or _Costs(), tell)


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """Runs a search to so many trials; gives the lines it told."""
    monkeypatch.setattr(trials, "train", _train)

    def run(count, costs=None):
        lines = []
        search = _search(tmp_path, lines.append, costs)
        studies.run(search, count)
        return search.study, lines

    return run


def test_a_search_refuses_fails_and_finds_the_front(searched):
    study, lines = searched(25)
    found = studies.record(study, _SPACE)
    assert len(found["trained"]) + len(found["failed"]) == 25
    assert found["refused"] and all("above 100" in x["why"] for x in found["refused"])
    asked = 25 + len(found["refused"])
    assert found["refused_share"] == len(found["refused"]) / asked
    assert len(lines) == asked
    values = {x["number"]: x["values"] for x in found["trained"]}
    front = {
        number
        for number, (metric, latency) in values.items()
        if not any(
            m >= metric and c <= latency and (m, c) != (metric, latency)
            for m, c in values.values()
        )
    }
    assert set(found["front"]) == front
    text = page.render("s", pages.sections(found, _SPACE, higher=True))
    assert "candidates against latency, ms" in text
    assert f"{len(found['refused'])} refused" in text
    assert "25" not in pages.to_text(found, _SPACE).splitlines()[0]


def test_a_failed_trial_keeps_its_message(searched, monkeypatch):
    def fail(config, watch):
        raise trials.Failed("its process ended with code -9")

    monkeypatch.setattr(trials, "train", fail)
    study, lines = searched(2)
    found = studies.record(study, _SPACE)
    assert {x["why"] for x in found["failed"]} == {"its process ended with code -9"}
    assert sum("failed" in line for line in lines) == 2


def test_the_next_start_goes_on(searched, tmp_path):
    first, _ = searched(3)
    numbers = [each.number for each in studies.ended(first)]
    second, lines = searched(5)
    assert [each.number for each in studies.ended(second)][:3] == numbers
    assert sum("refused" not in line for line in lines) == 2


def test_what_was_interrupted_is_asked_again_in_its_folder(searched, tmp_path):
    study = _study(tmp_path)
    study.enqueue_trial({"width": 0.5, "optimizer": "adam"})
    asked = study.ask(studies._distributions(_SPACE))
    asked.set_user_attr(studies.FOLDER, asked.number)
    # The process ends here.
    again = _study(tmp_path)
    assert studies.resume(again) == 1 and studies.resume(again) == 0
    study, _ = searched(1)
    [done] = studies.ended(study)
    assert done.params == asked.params and done.number != asked.number
    assert done.user_attrs[studies.FOLDER] == asked.number


def test_a_search_begins_with_what_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "train", _train)
    search = _search(tmp_path, lambda line: None)
    first = [{"width": 0.5}, {"width": 1.2}]
    studies.begin_with(search, first)
    studies.run(search, 3)
    # Another start has begun before.
    studies.begin_with(search, [{"width": 0.7}])
    studies.run(search, 4)
    widths = [each.params["width"] for each in search.study.get_trials()]
    assert widths[:2] == [0.5, 1.2] and 0.7 not in widths


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_candidates_that_lag_behind_are_stopped(pruner, tmp_path, monkeypatch):
    space = spaces.parse("flags: {width: {low: 0.3, high: 1.5}}", "space.yaml")

    def train(config, watch):
        assert watch.metric == "val_accuracy"
        for epoch in range(1, 9):
            if watch.is_hopeless(epoch, config.network.width * epoch):
                raise trials.Stopped(f"behind epoch {epoch}")
        return config.network.width

    monkeypatch.setattr(trials, "train", train)
    lines = []
    search = _search(tmp_path, lines.append, space=space, pruner=pruner)
    studies.run(search, 16)
    found = studies.record(search.study, space)
    assert len(found["stopped"]) + len(found["trained"]) == 16 == len(lines)
    assert found["stopped"] and not found["refused"]
    best = max(x["values"][0] for x in found["trained"])
    assert all(x["flags"]["width"] < best for x in found["stopped"])
    assert f"{len(found['stopped'])} stopped, 0 failed" in pages.to_text(found, space)


def test_epochs_are_looked_at_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    seen = []
    watch = trials.Watch("val_a", lambda *given: seen.append(given) or len(seen) == 3)
    assert trials._looked(path, 0, watch) == 0
    path.write_text('{"val_a": 0.5}\n{"loss": 1}\n')
    assert trials._looked(path, 0, watch) == 2
    path.write_text(path.read_text() + '{"val_a": 0.25}\n')
    assert trials._looked(path, 2, watch) == 3
    path.write_text(path.read_text() + '{"val_a": 0.125}\n')
    with pytest.raises(trials.Stopped, match=r"behind epoch 4, at 0\.125"):
        trials._looked(path, 3, watch)
    assert seen == [(1, 0.5), (3, 0.25), (4, 0.125)]


def test_nothing_that_fits_ends_the_search(searched, monkeypatch):
    class Nothing:
        def of(self, config):
            raise trials.Refused("max78000: too large")

    monkeypatch.setattr(studies, "_MOST_REFUSED", 5)
    with pytest.raises(errors.UsageError, match="is anything in the space"):
        searched(1, Nothing())


def test_a_cost_that_nobody_knows_is_told():
    cost = spaces.Cost("max78000", "energy")
    with pytest.raises(errors.UsageError, match="unmeasured"):
        trials.measured({"max78000": {"energy": None}}, cost)


def test_a_database_that_is_not_there_is_one_line():
    with pytest.raises(errors.UsageError, match="--storage cannot be opened"):
        studies.storage(pathlib.Path(), "sqlite:////nowhere/at/all.db")
