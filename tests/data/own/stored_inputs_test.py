"""Sets larger than memory: the same numbers in the same order, written once."""

import dataclasses

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.configs import recipe
from tfpipeline.configs.images import Images, Reading
from tfpipeline.data import catalog, pipeline
from tfpipeline.data.own import pictures, table_files


@pytest.fixture
def load(picture_folder, tmp_path):
    def loaded(limit, **fields):
        given = Images(
            str(picture_folder), memory_limit=limit, cache_dir=str(tmp_path / "cache")
        )
        return catalog.load_flags(given, 0, **fields)

    return loaded


def _batches(dataset):
    augmentation = recipe.Augmentation(random_crop=1, horizontal_flip=True)
    data = pipeline.source(dataset.train, augmentation, 2)
    return [
        part
        for epoch in range(2)
        for batch in pipeline.training_batches(
            data, seed=3, epoch=epoch
        ).as_numpy_iterator()
        for part in batch
    ]


def test_the_same_batches_to_the_bit(load):
    in_memory, streamed = load(1.0), load(0.0)
    assert isinstance(streamed.train.inputs, np.memmap)
    assert not isinstance(in_memory.train.inputs, np.memmap)
    assert streamed.fingerprint() == in_memory.fingerprint()
    for one, other in zip(_batches(in_memory), _batches(streamed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pictures_are_decoded_once(load, monkeypatch):
    first = load(0.0)
    monkeypatch.setattr(pictures, "read", None)
    assert load(0.0).fingerprint() == first.fingerprint()


def test_a_changed_picture_is_read_again(load, picture_folder):
    first = load(0.0)
    source = picture_folder / "cat" / "0.png"
    source.write_bytes((picture_folder / "dog" / "1.png").read_bytes())
    assert load(0.0).fingerprint() != first.fingerprint()


def test_a_file_that_was_edited_is_kept_aside(load, tmp_path):
    fingerprint = load(0.0).fingerprint()
    [path, *_] = sorted((tmp_path / "cache").rglob("inputs.bin"))
    path.write_bytes(b"my notes")
    assert load(0.0).fingerprint() == fingerprint
    assert path.with_name("inputs.bin.damaged1").read_bytes() == b"my notes"
    assert path.stat().st_size > 8


def test_an_interruption_leaves_nothing_that_looks_whole(load, monkeypatch, tmp_path):
    real = pictures.read

    def interrupted(*args):
        yield next(real(*args))[:1]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(0.0)
    assert not list((tmp_path / "cache").rglob("*.bin"))
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    assert load(0.0).fingerprint() == load(1.0).fingerprint()


def test_foreign_files_stay(load, tmp_path):
    load(0.0)
    for folder in (tmp_path / "cache").iterdir():
        (folder / ".tfpipeline").unlink()
    with pytest.raises(errors.ForeignFileError, match="no cache of data wrote"):
        load(0.0)


def test_where_it_lies_is_no_part_of_a_run():
    from tfpipeline.configs.run import Run

    other = Run(images=Images(memory_limit=0.5, cache_dir="elsewhere"))
    assert other.identity() == Run().identity()
    windows = Run(images=Images(reading=Reading(window=8)))
    assert windows.identity() == {**Run().identity(), "window": 8}


_FUNCTION = """
import numpy as np
import tensorflow as tf


def data():
    x = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 1), np.uint8)
    return tf.data.Dataset.from_tensor_slices((x, np.arange(40) % 2)).batch(7)
"""
_ROWS = "\n".join(
    ["a,b,y", *(f"{i / 90},{(i * 7) % 11},{i // 5 % 2}" for i in range(320))]
)


@pytest.mark.parametrize(
    "form", ["function", "windows", "rows", "two tables", "npz", "npz of parts"]
)
def test_other_forms_are_streamed_too(tmp_path, form):
    where, reading = _written(tmp_path, form)
    cache = str(tmp_path / "cache")
    in_memory, streamed = (
        catalog.load_flags(
            Images(where, memory_limit=limit, cache_dir=cache, reading=reading), 0
        )
        for limit in (1.0, 0.0)
    )
    for split in ("train", "validation", "test"):
        assert isinstance(getattr(streamed, split).inputs, np.memmap)
        assert not isinstance(getattr(in_memory, split).inputs, np.memmap)
    assert streamed.fingerprint() == in_memory.fingerprint()


def _written(folder, form):
    """What --dataset says of data of a form, and how they are read."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 4, 5), np.uint8)
    if form == "function":
        (folder / "own.py").write_text(_FUNCTION, encoding="utf-8")
        return f"{folder / 'own.py'}:data", Reading()
    if form == "npz":
        np.savez_compressed(folder / "a.npz", x=pixels, y=np.arange(40) % 3)
        return str(folder / "a.npz"), Reading()
    if form == "npz of parts":
        inputs = random.normal(size=(40, 6))
        parts = {"x_train": inputs, "x_test": inputs[::3]}
        labels = {"y_train": np.arange(40) % 3, "y_test": np.arange(14) % 3}
        np.savez(folder / "a.npz", **parts, **labels)
        return str(folder / "a.npz"), Reading()
    if form == "two tables":
        # As UTF-16, with texts that look like numbers in one of the files alone.
        folder = folder / "tables"
        folder.mkdir()
        for name, labels in (("a", "12"), ("b", "2x")):
            rows = [f"{i * 0.1},{labels[i % 2]},p{i % 8},{i}" for i in range(40)]
            text = "\n".join(["v,y,person,w", *rows])
            (folder / f"{name}.csv").write_text(text, encoding="utf-16")
        return str(folder), Reading(label=("y",), group="person")
    (folder / "rows.csv").write_text(_ROWS, encoding="utf-8")
    given = {"window": 4, "stride": 1} if form == "windows" else {}
    return str(folder / "rows.csv"), Reading(label=("y",), **given)


def test_a_long_table_is_parsed_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "_CHUNK", 16)
    (tmp_path / "rows.csv").write_text(_ROWS, encoding="utf-8")
    given = Images(
        str(tmp_path / "rows.csv"), cache_dir=str(tmp_path / "cache"), memory_limit=1.0
    )
    given = dataclasses.replace(given, reading=Reading(label=("y",)))
    expected = catalog.load_flags(given, 0).fingerprint()
    streamed = dataclasses.replace(given, memory_limit=0.0)
    assert catalog.load_flags(streamed, 0).fingerprint() == expected
    text = _ROWS.replace(f"\n{300 / 90},", "\nnone,")
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with pytest.raises(errors.DataError, match=r"rows\.csv line 302 has 'none'"):
        catalog.load_flags(streamed, 0)
