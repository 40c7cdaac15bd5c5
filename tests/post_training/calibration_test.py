"""Calibration data: pictures as the network takes them, and files that are none."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.pictures import png_images
from tfpipeline.post_training import calibration, input_range

SHAPE = (17, 17, 1)
RAW, UNIT, SIGNED = (
    input_range.NAMED[name]
    for name in (input_range.PIXELS, input_range.UNIT, input_range.SIGNED)
)


def images():
    return np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)


def test_pngs_become_what_the_network_takes(tmp_path):
    pixels = np.arange(17 * 17, dtype=np.uint8).reshape(SHAPE)
    for name in ("b.png", "a.PNG"):
        (tmp_path / name).write_bytes(png_images.write(pixels))
    values = pixels.astype(np.float32)
    for kind, expected in (
        (RAW, values),
        (UNIT, values / 256),
        (SIGNED, (values - 128) / 128),
    ):
        found = calibration.read(str(tmp_path), SHAPE, kind)
        assert found.shape == (2, *SHAPE)
        np.testing.assert_array_equal(found[1], expected)


def test_arrays_are_taken_as_they_are(tmp_path):
    np.save(tmp_path / "all.npy", images())
    np.savez(tmp_path / "one.npz", anything=images())
    (tmp_path / "each").mkdir()
    np.save(tmp_path / "each" / "0.npy", images()[0])
    for path, count in (("all.npy", 5), ("one.npz", 5), ("each", 1)):
        found = calibration.read(str(tmp_path / path), SHAPE, RAW)
        np.testing.assert_array_equal(found, images()[:count])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((0, *SHAPE)), r"found float64 \(0, 17, 17, 1\)"),
        (np.zeros((2, 16, 16, 1)), "must hold numbers of shape"),
        (np.full((1, *SHAPE), np.nan), "not a finite number"),
        (np.full((1, *SHAPE), "x"), "is not an .npy of numbers"),
        (np.full((1, *SHAPE), None), "is not an .npy of numbers"),
        (np.full((1, *SHAPE), 1j), "is not an .npy of numbers"),
        (np.full((1, *SHAPE), 1e300), "not a finite number"),
        (np.float32(1), "must hold numbers of shape"),
        (np.full((1, *SHAPE), True), "must hold numbers of shape"),
        (b"no array", "is not an .npz of numbers"),
    ],
    ids=lambda value: "",
)
def test_other_content_is_refused(tmp_path, content, message):
    file = tmp_path / "images.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    with pytest.raises(errors.DataError, match=message):
        calibration.read(str(file), SHAPE, RAW)


def test_several_arrays_need_a_name(tmp_path):
    np.savez(tmp_path / "two.npz", a=images(), b=images())
    with pytest.raises(errors.DataError, match=r"called 'images', .*; it has a, b"):
        calibration.read(str(tmp_path / "two.npz"), SHAPE, RAW)


def test_of_many_inputs_some_are_taken_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "MAX_INPUTS", 4)
    values = np.arange(10, dtype=np.float32).reshape(10, 1)
    np.save(tmp_path / "a.npy", values)
    found = calibration.read(str(tmp_path / "a.npy"), (1,), RAW)
    np.testing.assert_array_equal(found[:, 0], [0, 2, 5, 7])


def test_what_is_no_data_is_said(tmp_path):
    for path in ("absent", "a\0b", str(tmp_path)):
        with pytest.raises(errors.UsageError) as raised:
            calibration.read(path, SHAPE, RAW)
        assert "\n" not in str(raised.value)
