"""Samples from files."""

import numpy as np
import pytest

from export.max78000 import sample
from tfpipeline import errors
from tfpipeline.pictures import png_images

RNG = np.random.default_rng(2)


def test_png_counts_from_minus_128(tmp_path):
    pixels = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    (tmp_path / "a.PNG").write_bytes(png_images.write(pixels))
    found = sample.read(str(tmp_path / "a.PNG"), (4, 6, 3))
    np.testing.assert_array_equal(found, pixels.astype(int) - 128)
    assert found.dtype == np.int8


@pytest.mark.parametrize("shape", [(4, 6, 3), (9, 5)])
def test_array_is_channels_first(tmp_path, shape):
    values = RNG.integers(-128, 128, shape)
    np.save(tmp_path / "a.npy", np.moveaxis(values, -1, 0))
    found = sample.read(str(tmp_path / "a.npy"), shape)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((3, 4, 6), np.int64) + 128, "128 to 128"),
        (np.zeros((4, 6, 3), np.int64), r"channels first; found int64 \(4, 6, 3\)"),
        (np.zeros((3, 4, 6)), "found float64"),
    ],
)
def test_other_arrays_are_refused(tmp_path, values, expected):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(errors.DataError, match=expected):
        sample.read(str(tmp_path / "a.npy"), (4, 6, 3))


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"a text")
    for name in ("a.npy", "absent.npy", "absent.png"):
        with pytest.raises(errors.DataError, match=r"^the sample: "):
            sample.read(str(tmp_path / name), (4, 6, 3))
    with pytest.raises(errors.UsageError, match=r"must be one of \.npy, \.png"):
        sample.read(str(tmp_path / "a.jpg"), (4, 6, 3))
