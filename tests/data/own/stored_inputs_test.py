"""Sets larger than memory: the same numbers in the same order, written once."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.configs import recipe
from tfpipeline.configs.images import Images, Reading
from tfpipeline.data import catalog, pipeline
from tfpipeline.data.own import pictures


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
_ROWS = "\n".join(["a,b,y", *(f"{i / 90},{(i * 7) % 11},{i // 30}" for i in range(90))])


@pytest.mark.parametrize("form", ["function", "windows"])
def test_functions_and_windows_are_streamed_too(tmp_path, form):
    (tmp_path / "own.py").write_text(_FUNCTION, encoding="utf-8")
    (tmp_path / "rows.csv").write_text(_ROWS, encoding="utf-8")
    where, reading = {
        "function": (f"{tmp_path / 'own.py'}:data", Reading()),
        "windows": (
            str(tmp_path / "rows.csv"),
            Reading(label=("y",), window=4, stride=1),
        ),
    }[form]
    cache = str(tmp_path / "cache")
    in_memory, streamed = (
        catalog.load_flags(
            Images(where, memory_limit=limit, cache_dir=cache, reading=reading), 0
        )
        for limit in (1.0, 0.0)
    )
    assert isinstance(streamed.train.inputs, np.memmap)
    assert not isinstance(in_memory.train.inputs, np.memmap)
    assert streamed.fingerprint() == in_memory.fingerprint()
