"""Which form a text is of, told without reading data and before TensorFlow."""

import os
import subprocess
import sys
import time

import pytest

from tfpipeline import errors
from tfpipeline.data import forms, specs


@pytest.fixture
def places(tmp_path, monkeypatch, picture_folder, wave_folder):
    (tmp_path / "own.npz").touch()
    (tmp_path / "own.csv").touch()
    (tmp_path / "own.py").touch()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.tsv").touch()
    # A plot beside tables, and a table beside classes, change nothing.
    (tmp_path / "tables" / "a.png").touch()
    (picture_folder / "labels.csv").touch()
    (picture_folder / "cat" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "reader", "name"),
    [
        ("cifar10", "catalog:read_labeled", "cifar10"),
        ("lfw", "catalog:read_identities", "lfw"),
        ("procedural_faces", "catalog:read_face_crops", "procedural_faces"),
        ("own.npz", "own.array_files:read", "own"),
        ("own.csv", "own.tables:read", "own"),
        ("tables", "own.tables:read", "tables"),
        ("pictures", "own.picture_folders:read", "pictures"),
        ("waves/", "own.wave_folders:read", "waves"),
        ("tfds:mnist", "own.tfds_builders:read", "mnist"),
        ("tfds:a.b/plain:1.0.0", "own.tfds_builders:read", "a_b"),
        ("own.py:data", "own.functions:read", "data"),
        ("package.module:data", "own.functions:read", "data"),
    ],
)
def test_forms(places, text, reader, name):
    spec = specs.find(text)
    assert (spec.reader, spec.name) == (reader, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("absent.npz", "there is no file absent.npz"),
        ("absent.csv", "there is no file absent.csv"),
        ("absent.py:data", "there is no file absent.py"),
        ("tfds:", "not of the form tfds:NAME"),
        ("tfds:a/b/c", "not of the form tfds:NAME"),
        ("absent", "unknown data set 'absent'. Choose one of: cifar10"),
        ("a\0b", "unknown data set"),
        ("x" * 10_000, "unknown data set"),
        ("own.py", "unknown data set 'own.py'"),
        ("empty", "the folder empty holds no data"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(places, text, message):
    (places / "empty").mkdir()
    with pytest.raises(errors.UsageError) as caught:
        specs.find(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) <= errors.MAX_LINE_CHARACTERS


def test_a_folder_of_100000_files_takes_no_time(tmp_path):
    folder = tmp_path / "many" / "class"
    folder.mkdir(parents=True)
    source = folder / "0.png"
    source.touch()
    for number in range(1, 20_000):
        os.link(source, folder / f"{number}.png")
    start = time.perf_counter()
    assert specs.find(str(tmp_path / "many")).reader == "own.picture_folders:read"
    # 20,000 names are read in 10 ms; opening or sorting them would take longer.
    assert time.perf_counter() - start < 0.5


def test_tensorflow_is_not_imported():
    code = "import sys, tfpipeline.data.specs as s; s.find('tfds:x'); " + (
        "print([m for m in ('tensorflow', 'pandas', 'PIL') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_every_reader_is_there():
    import pkgutil

    readers = {form.reader for form in forms.FORMS}
    readers |= {spec.reader for spec in specs.DATASETS.values()}
    for reader in readers:
        assert callable(pkgutil.resolve_name(f"tfpipeline.data.{reader}"))
