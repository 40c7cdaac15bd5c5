"""What makes two commands the same run."""

import pathlib

import pytest

from tfpipeline import atomic_files, errors, run_folder


def _record(fingerprint="f", **flags):
    return {"flags": {"epochs": 3, **flags}, "data": {"fingerprint": fingerprint}}


def test_new_then_resumed(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "run")
    assert not run_folder.begin(folder, _record())
    assert run_folder.begin(folder, _record())
    assert atomic_files.read_json(folder.run_json) == _record()


def test_other_flags_are_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    run_folder.begin(folder, _record(seed=1))
    with pytest.raises(errors.UsageError) as raised:
        run_folder.begin(folder, _record(seed=2, epochs=4))
    text = str(raised.value)
    assert "--epochs was 3 and is now 4; --seed was 1 and is now 2" in text
    assert atomic_files.read_json(folder.run_json) == _record(seed=1)


def test_other_images_are_refused(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    run_folder.begin(folder, _record())
    with pytest.raises(errors.UsageError, match="other images"):
        run_folder.begin(folder, _record(fingerprint="g"))


def test_a_damaged_run_json_is_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    folder.run_json.write_text("{")
    with pytest.raises(errors.StorageError, match=r"run\.json is not valid JSON"):
        run_folder.begin(folder, _record())


def test_a_run_json_without_what_is_needed_is_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    folder.run_json.write_text("[]")
    with pytest.raises(errors.StorageError, match=r"run\.json"):
        run_folder.begin(folder, _record())


def test_paths_lie_below_the_root():
    folder = run_folder.RunFolder(pathlib.Path("runs/a"))
    for path in (
        folder.run_json,
        folder.splits_json,
        folder.summary,
        folder.results_json,
        folder.checkpoints("qat"),
        folder.model("float"),
        folder.export("int8"),
    ):
        assert path.is_relative_to(folder.root)
