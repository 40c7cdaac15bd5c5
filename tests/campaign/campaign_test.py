"""The campaign finds what it looks for, and the same again with the same seed."""

import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest

from tests.campaign import __main__ as campaign
from tests.campaign import damage, damaged_files, part, readers, timeless, whole_files
from tfpipeline import disk, errors, markers


def _aborts(path):
    os.kill(os.getpid(), signal.SIGKILL)


def _turns_for_ever(path):
    while True:
        pass


def _takes_memory(path):
    np.zeros(8 * damaged_files.MEMORY_BYTES, np.uint8)


def _raises(path):
    raise KeyError("no line of ours")


def _tells_two_lines(path):
    raise errors.DataError("one\nand another")


def _refuses(path):
    raise errors.DataError("it is damaged")


READERS = {
    "aborts": (_aborts, "the reader ended with -9"),
    "turns": (_turns_for_ever, "over 0.2 s of a processor"),
    "memory": (_takes_memory, "MemoryError"),
    "raises": (_raises, "KeyError: 'no line of ours'"),
    "two lines": (_tells_two_lines, "the error has lines"),
    "refuses": (_refuses, None),
    "reads": (lambda path: None, None),
}


def _trial(name, folder):
    read, _ = READERS[name]
    reader = readers.Reader(name, "x", lambda: [b"right"], damage.in_bytes, read)
    return damaged_files.Trial(reader, [b"right"], folder / "x")


def test_crashes_hangs_and_odd_errors_are_faults(tmp_path, monkeypatch):
    monkeypatch.setattr(damaged_files, "CPU_SECONDS", 0.2)
    found = part.Findings()
    trials = [_trial(name, tmp_path) for name in READERS]
    limits = part.Limits(time.monotonic() + 60, seed=3, most=len(trials))
    first = 0
    while limits.allow(first):
        first = damaged_files.read_from(first, limits, trials, found)
    expected = [(name, told) for name, (_, told) in READERS.items() if told is not None]
    assert [fault["case"] for fault in found.faults] == list(range(5))
    for fault, (name, told) in zip(found.faults, expected, strict=True):
        assert fault["what"].startswith(f"{name}: ") and told in fault["what"]
    assert found.counts["refuses: refused"] == found.counts["reads: read"] == 1


def test_a_case_is_the_same_each_time(tmp_path):
    trial = _trial("reads", tmp_path)
    files = [damaged_files.damaged(trial, 1, case) for case in range(20)]
    assert files == [damaged_files.damaged(trial, 1, case) for case in range(20)]
    assert files != [damaged_files.damaged(trial, 2, case) for case in range(20)]
    assert len({*files}) > 15


def test_readers_have_turns_by_their_weight():
    weights = (1, 3, 2)
    tried = [
        readers.Reader(str(weight), "x", list, damage.in_bytes, _refuses, weight=weight)
        for weight in weights
    ]
    order = damaged_files.schedule(tried)
    assert [order.count(place) for place in range(3)] == list(weights)


@pytest.mark.parametrize(
    ("name", "data", "is_whole"),
    [
        ("a.json", b'{"a": [1, 2', False),
        ("a.json", b'{"a": [1, 2]}', True),
        ("a.jsonl", b'{"a": 1}\n{"a"', True),
        ("a.jsonl", b'{"a" 1}\n{"a": 2}\n', False),
        ("a.npz", b"PK\3\4", False),
        ("a.c", b"int main(void)\n{\n", True),
        ("a.c", b"int main(vo", False),
        ("a.html", b"<html><body>", False),
        (".a.json.tfpipeline-01234567-12-ab.tmp", b"{", True),
    ],
)
def test_half_a_file_is_found(tmp_path, name, data, is_whole):
    path = tmp_path / name
    path.write_bytes(data)
    assert (whole_files.broken({name: path}) == []) == is_whole


def test_a_fault_ends_the_campaign_with_1_and_is_in_the_report(
    tmp_path, monkeypatch, capsys
):
    def one(name, seconds, seed):
        faults = [{"what": "odd", "case": 7}] * (name == "kills")
        counts = {"cases": 1234}
        return {"seconds": seconds, "counts": counts, "notes": [], "faults": faults}

    monkeypatch.setattr(campaign, "_one", one)
    output = tmp_path / "new" / "report.json"
    asked = ["--seconds=10", f"--output={output}", "--jobs=2"]
    assert campaign.main([*asked, "--parts=damaged_files"]) == 0
    assert campaign.main(asked) == 1
    told = capsys.readouterr().out
    assert "1,234 cases" in told and "FAULT x1: odd" in told
    assert '"case": 7' in output.read_text()


def test_every_part_has_a_share_of_the_time():
    assert sum(campaign.PARTS.values()) == pytest.approx(1)
    modules = pathlib.Path(campaign.__file__).parent.glob("*.py")
    parts = {path.stem for path in modules if "\ndef run(limits" in path.read_text()}
    assert parts == set(campaign.PARTS)


def _study(folder, seconds, samples=6, listed=None):
    """Files of a study that took so long, with their marker."""
    folder.mkdir()
    (folder / "study.json").write_text(
        json.dumps({"seconds": seconds, "samples": samples}, indent=1)
    )
    (folder / "report.html").write_text(
        f"<td>{samples}</td><td>{seconds:,.0f} s</td><td>0:00:0{seconds:.0f}</td>\n"
    )
    (folder / "results.csv").write_text("top1,0.33\n")
    files = {path.name: (disk.digest(path.read_bytes()),) for path in folder.iterdir()}
    markers.write(folder, markers.Marker(markers.RUN, {**files, **(listed or {})}))
    return {path.name: path for path in folder.iterdir()}


def test_runs_may_differ_in_the_time_that_they_took_and_in_nothing_else(tmp_path):
    alone = timeless.read(_study(tmp_path / "alone", 0.4))
    assert timeless.read(_study(tmp_path / "killed", 1.1)) == alone
    other = timeless.read(_study(tmp_path / "other", 1.1, samples=5))
    differing = [name for name in alone if alone[name] != other[name]]
    assert sorted(differing) == ["report.html", "study.json"]
    assert timeless.difference(alone["study.json"], other["study.json"]) == [
        '- "samples": 6',
        '+ "samples": 5',
    ]
    wrong = _study(tmp_path / "wrong", 1.1, listed={"study.json": ("0" * 64,)})
    assert timeless.read(wrong)[markers.NAME] != alone[markers.NAME]
    # Of a command whose files tell no times each byte counts.
    one, two = (
        timeless.read(_study(tmp_path / name, seconds), is_timed=False)
        for name, seconds in (("one", 1.0), ("two", 2.0))
    )
    assert one != two
