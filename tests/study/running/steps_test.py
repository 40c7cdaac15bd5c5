"""Steps are done once, and again where something changed."""

import pytest

from tfpipeline import atomic_files, errors
from tfpipeline.study.measures import records
from tfpipeline.study.running import steps


class Network:
    """Counts how often it runs."""

    def __init__(self):
        self.runs = 0

    def make(self):
        self.runs += 1
        return [records.Record("a", "float", "classifier", label=self.runs)]


def opened(folder):
    lines = []
    return steps.Steps(folder, lines.append), lines


def test_a_step_is_run_once_for_its_key(tmp_path, monkeypatch):
    network = Network()
    first, lines = opened(tmp_path / "s")
    first.run("one", steps.key(form="int8"), network.make)
    assert lines[-1].split()[:4] == ["one", "1", "records", "in"]
    monkeypatch.setattr(atomic_files, "_WRITTEN", {})  # Another process.
    again, lines = opened(tmp_path / "s")
    again.run("one", steps.key(form="int8"), network.make)
    assert network.runs == 1 and "is there already" in lines[0]
    # Another key runs it again, over its own file.
    again.run("one", steps.key(form="int4"), network.make)
    assert network.runs == 2 and steps.read(tmp_path / "s")[0].label == 2
    # And so does a file that is gone.
    again.path("one").unlink()
    again.run("one", steps.key(form="int4"), network.make)
    assert network.runs == 3


def test_what_is_killed_leaves_the_steps_before(tmp_path):
    network = Network()
    first, _ = opened(tmp_path / "s")
    first.run("one", "k1", network.make)

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run("two", "k2", killed)
    again, _ = opened(tmp_path / "s")
    assert list(again.done()) == ["one"]
    again.run("one", "k1", network.make)
    again.run("two", "k2", network.make)
    assert network.runs == 2 and list(again.done()) == ["one", "two"]


def test_a_refusal_is_kept_and_other_errors_are_not(tmp_path):
    def refuse():
        raise errors.TargetError("stride 2 [MAX78000-CONV-03]")

    def fail():
        raise errors.DataError("no picture")

    made, lines = opened(tmp_path / "s")
    step = made.run("chip", "k", refuse)
    assert step.refused == "stride 2 [MAX78000-CONV-03]"
    assert "refused: stride 2" in lines[-1]
    assert opened(tmp_path / "s")[0].run("chip", "k", fail) == step
    with pytest.raises(errors.DataError, match="no picture"):
        made.run("other", "k", fail)


def test_a_damaged_list_is_said(tmp_path):
    opened(tmp_path / "s")
    (tmp_path / "s" / "study.json").write_text('{"steps": {"one": {"no": 1}}}')
    with pytest.raises(errors.DamagedFileError, match="no list of a study's steps"):
        opened(tmp_path / "s")


def test_keys_differ_in_every_part():
    keys = {
        steps.key(a=1, b=2),
        steps.key(a=2, b=1),
        steps.key(a="1", b=2),
        steps.key(a=1),
    }
    assert len(keys) == 4 and steps.key(b=2, a=1) in keys
