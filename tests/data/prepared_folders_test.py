import json
import pathlib
import shutil

import pytest

from tfpipeline import errors
from tfpipeline.data import prepared_folders

NAMES = ("procedural_objects",)


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    """A version folder as `root/procedural_objects/1.0.0`."""
    folder = tmp_path / "procedural_objects" / "1.0.0"
    folder.mkdir(parents=True)
    info = json.dumps({"name": "procedural_objects"})
    (folder / "dataset_info.json").write_text(info, encoding="utf-8")
    return folder


def test_find_accepts_root_builder_and_version_folder(
    copied: pathlib.Path,
) -> None:
    for folder in (copied, copied.parent, copied.parent.parent):
        assert prepared_folders.find(NAMES, folder) == copied
    assert prepared_folders.find(("other", *NAMES), copied.parents[1]) == copied
    assert prepared_folders.find(NAMES, copied.parents[1] / "nowhere") is None


def test_find_takes_the_highest_complete_version(copied: pathlib.Path) -> None:
    higher = copied.parent / "1.10.0"
    shutil.copytree(copied, copied.parent / "1.9.0")
    shutil.copytree(copied, higher)
    shutil.copytree(copied, copied.parent / "incomplete.A1B2C3_2.0.0")
    (copied.parent / "3.0.0").mkdir()
    assert prepared_folders.find(NAMES, copied.parents[1]) == higher


def test_find_refuses_another_data_set(copied: pathlib.Path) -> None:
    with pytest.raises(errors.DataError, match="'procedural_objects', not 'cifar10'"):
        prepared_folders.find(("cifar10",), copied)


def test_default_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", "/somewhere")
    assert prepared_folders.default_root() == pathlib.Path("/somewhere")
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert (
        prepared_folders.default_root() == pathlib.Path.home() / "tensorflow_datasets"
    )


def test_require_says_how_to_provide_what_is_absent(copied: pathlib.Path) -> None:
    root = copied.parents[1]
    assert prepared_folders.require("mine", NAMES, root) == copied
    with pytest.raises(errors.DataError) as caught:
        prepared_folders.require("cifar10", ("cifar10",), root / "nowhere")
    assert str(caught.value) == (
        f"data set 'cifar10' is not in {root / 'nowhere'}. Give --data_dir=FOLDER of a "
        "prepared TFDS copy (it holds cifar10/VERSION/)"
    )


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_description_is_named(copied: pathlib.Path, content: str) -> None:
    (copied / "dataset_info.json").write_text(content, encoding="utf-8")
    with pytest.raises(errors.DataError, match="is not a readable TFDS folder"):
        prepared_folders.find(NAMES, copied)
