"""Damage in the folder of a run is noticed, set aside and told."""

import json
import logging

import pytest

from tests import folder_trees
from tfpipeline import (
    atomic_files,
    driver,
    errors,
    marked_folder,
    markers,
    run_artifacts,
    run_folder,
)

_RECORD = {"flags": {"epochs": 3}, "data": {"fingerprint": "f"}}
# What a run writes: by itself, as exports with a marker, and as exports without.
_OWN = ("float/weights.npz", "float/history.json", "graph/graph.json", "splits.json")
_EXPORT = {"model.tflite": b"model", "verification.json": b"{}"}
_WRITTEN = (
    *("run.json", "results.json", "summary.txt", "export/gap8/program.npz"),
    *_OWN,
    *(f"export/int8/{name}" for name in _EXPORT),
)


def _begin(folder):
    return run_folder.begin(folder, _RECORD, run_artifacts.restore)


def _write(folder):
    for name in (*_OWN, "export/gap8/program.npz"):
        atomic_files.write_text(folder.root / name, f"of {name}")
    marked_folder.write(folder.export("int8"), _EXPORT)


def _finish(folder):
    return driver.finish(folder, {"accuracy": 0.5}, "half of them\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A finished run, as the next command finds it."""
    folder = run_folder.RunFolder(tmp_path / "run")
    _begin(folder)
    _write(folder)
    _finish(folder)
    (folder.root / "notes.txt").write_text("mine")
    (folder.export("int8") / "notes.txt").write_text("mine")
    monkeypatch.setattr(atomic_files, "_WRITTEN", {})
    return folder


def _again(folder):
    """The same command once more: resumed, and made complete."""
    assert _begin(folder)
    if not run_artifacts.is_complete(folder):
        _write(folder)
        _finish(folder)


def test_results_have_a_digest_of_every_artifact(folder):
    results = json.loads(folder.results_json.read_text())
    assert results[run_artifacts.ENTRY].keys() == set(_WRITTEN) - {"results.json"}
    assert results["accuracy"] == 0.5
    assert run_artifacts.is_complete(folder)
    assert run_artifacts.changed(folder) == []


def test_nothing_is_done_to_a_sound_run(folder, caplog):
    before = folder_trees.files(folder.root)
    with caplog.at_level(logging.INFO, "tfpipeline"):
        _again(folder)
    assert folder_trees.files(folder.root) == before
    assert not caplog.records


@pytest.mark.parametrize("content", [b"", b"edited", None], ids=["empty", "ed", "gone"])
@pytest.mark.parametrize("name", sorted(set(_WRITTEN) - {"run.json"}))
def test_damage_is_told_and_made_good(name, content, folder, caplog):
    before = folder_trees.files(folder.root)
    path = folder.root / name
    path.unlink() if content is None else path.write_bytes(content)
    assert not run_artifacts.is_complete(folder)
    _again(folder)
    assert run_artifacts.is_complete(folder)
    lines = [record.getMessage() for record in caplog.records]
    after = folder_trees.files(folder.root)
    # Who lacks the list of digests tells the others only.
    if content is not None:
        assert after.pop(f"{name}.damaged1") == content
        assert lines == [
            f"{path} is not as this run wrote it: it is called {path.name}.damaged1 "
            "now, and made again"
        ]
    elif name != "results.json":
        assert lines == [f"{path} is gone, and is made again"]
    after.pop(markers.NAME), before.pop(markers.NAME)
    assert after == before


def test_a_changed_run_json_is_written_again(folder):
    record = json.loads(folder.run_json.read_text())
    folder.run_json.write_text(json.dumps({**record, "more": 1}))
    _again(folder)
    assert json.loads(folder.run_json.read_text()) == record
    assert (folder.root / "run.json.damaged1").exists()


def test_a_folder_or_a_link_in_the_place_of_a_file_is_set_aside(folder, tmp_path):
    model, weights = folder.export_file("int8"), folder.root / "float/weights.npz"
    model.unlink()
    model.mkdir()
    (model / "inner").write_text("mine")
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    _again(folder)
    assert model.read_bytes() == b"model"
    assert (model.parent / "model.tflite.damaged1" / "inner").read_text() == "mine"
    assert not weights.is_symlink() and run_artifacts.is_complete(folder)


@pytest.mark.parametrize("content", [b"{", b'{"format": 1}', None])
@pytest.mark.parametrize("place", ["", "export/int8"])
def test_markers_are_made_again(place, content, folder):
    path = folder.root / place / markers.NAME
    path.unlink() if content is None else path.write_bytes(content)
    folder.summary.write_text("damage")
    folder.export_file("int8").write_bytes(b"damage")
    _again(folder)
    assert run_artifacts.is_complete(folder)
    assert markers.read(path.parent).writer == (
        marked_folder.EXPORT if place else markers.RUN
    )
    assert not (folder.export("gap8") / markers.NAME).exists()
    assert folder.summary.read_text() == "half of them\n"
    assert folder.export_file("int8").read_bytes() == b"model"


def test_a_marker_that_nothing_makes_good_is_refused(folder):
    folder.results_json.unlink()
    (folder.root / markers.NAME).write_text("{")
    with pytest.raises(errors.ForeignFileError, match="does not say which files"):
        _begin(folder)


def test_an_interrupted_run_may_lack_files_and_tells_damage(tmp_path, caplog):
    folder = run_folder.RunFolder(tmp_path)
    _begin(folder)
    _write(folder)
    folder.model("float").joinpath("weights.npz").unlink()
    (folder.root / "splits.json").write_text("edited")
    assert run_artifacts.changed(folder, folder.model("float")) == []
    assert run_artifacts.changed(folder) == ["splits.json"]
    assert _begin(folder)
    assert len(caplog.records) == 1
    assert not run_artifacts.is_complete(folder)


def test_results_of_an_earlier_version_get_digests(folder):
    results = json.loads(folder.results_json.read_text())
    wanted = results.pop(run_artifacts.ENTRY)
    atomic_files.write_json(folder.results_json, results)
    _again(folder)
    found = json.loads(folder.results_json.read_text())
    assert found == {**results, run_artifacts.ENTRY: wanted}
    assert run_artifacts.is_complete(folder)


def test_damage_in_a_run_of_an_earlier_version_is_not_taken_for_good(folder):
    results = json.loads(folder.results_json.read_text())
    del results[run_artifacts.ENTRY]
    atomic_files.write_json(folder.results_json, results)
    folder.export_file("int8").write_bytes(b"cut")
    _again(folder)
    assert folder.export_file("int8").read_bytes() == b"model"


def test_a_result_that_was_edited_is_no_result(folder):
    text = folder.results_json.read_text()
    folder.results_json.write_text(text.replace("0.5", "0.9"))
    assert not run_artifacts.is_complete(folder)
    _again(folder)
    assert folder.results_json.read_text() == text


def test_a_training_is_known_by_the_bytes_that_were_written(folder):
    path = folder.root / "splits.json"
    assert run_artifacts.was_written(folder, path, b"of splits.json")
    assert not run_artifacts.was_written(folder, path, b"others")
    path.unlink()
    assert run_artifacts.was_written(folder, path, b"of splits.json")
