"""Pictures of every mode come out as a viewer shows them."""

import os

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.data.own import pictures

_RGB = pictures.Look((8, 6), 3)
_GRAY = pictures.Look((8, 6), 1)


def _saved(path, image, **options):
    image.save(path, **options)
    return str(path)


def _one(path, look):
    return pictures.read_one(str(path), look)


def test_modes_of_one_color(tmp_path):
    image = Image.new("RGB", (6, 8), (10, 200, 30))
    gray = np.asarray(image.convert("L"))[0, 0]
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    for same in (image, image.convert("RGBA"), palette):
        path = _saved(tmp_path / "a.png", same)
        np.testing.assert_array_equal(_one(path, _RGB)[3, 2], (10, 200, 30))
        assert _one(path, _GRAY).shape == (8, 6, 1)
        assert _one(path, _GRAY)[0, 0, 0] == gray
    path = _saved(tmp_path / "a.png", Image.new("1", (6, 8), 1))
    np.testing.assert_array_equal(_one(path, _RGB), np.full((8, 6, 3), 255, np.uint8))


def test_transparent_pixels_let_white_through(tmp_path):
    path = _saved(tmp_path / "a.png", Image.new("RGBA", (6, 8), (10, 20, 30, 0)))
    assert (_one(path, _RGB) == 255).all()


def test_16_bits_become_the_upper_8(tmp_path):
    values = np.arange(48, dtype=np.uint16).reshape(8, 6) * 1365
    path = _saved(tmp_path / "a.png", Image.fromarray(values))
    np.testing.assert_array_equal(_one(path, _GRAY)[..., 0], values >> 8)


def test_exif_turns_the_picture_and_its_size(tmp_path):
    pixels = np.zeros((6, 8), np.uint8)
    pixels[0, :] = 255
    exif = Image.Exif()
    # Rotated by 90 degrees: the first row is the right edge.
    exif[0x0112] = 6
    path = _saved(tmp_path / "a.jpg", Image.fromarray(pixels), exif=exif, quality=100)
    assert pictures.look([path]) == _GRAY
    found = _one(path, _GRAY)[..., 0]
    # JPEG is not exact.
    assert (found[:, 5] > 200).all()
    assert (found[:, :4] < 60).all()


def test_an_animation_is_its_first_picture(tmp_path):
    first, second = (Image.new("L", (6, 8), value) for value in (40, 90))
    path = _saved(tmp_path / "a.gif", first, save_all=True, append_images=[second])
    assert (_one(path, _GRAY) == 40).all()


def test_resizing_is_that_of_pillow(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    path = _saved(tmp_path / "a.png", Image.fromarray(pixels))
    resized = Image.fromarray(pixels).resize((6, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(_one(path, _RGB), np.asarray(resized))


def test_gray_pictures_alone_have_one_channel(tmp_path):
    gray = _saved(tmp_path / "a.png", Image.new("L", (6, 8)))
    color = _saved(tmp_path / "b.png", Image.new("RGB", (6, 8)))
    assert pictures.look([gray, gray]).channels == 1
    assert pictures.look([gray, color]).channels == 3
    assert pictures.look([color], grayscale=True).channels == 1


def test_sizes_that_differ_are_told_with_both_files(tmp_path):
    first = _saved(tmp_path / "a.png", Image.new("L", (6, 8)))
    other = _saved(tmp_path / "b.png", Image.new("L", (7, 8)))
    with pytest.raises(errors.DataError, match=r"a\.png is 8x6.*b\.png 8x7; give --im"):
        pictures.look([first, other])
    assert pictures.look([first, other], (4, 5)).size == (4, 5)


def test_damaged_pictures_are_told_by_name(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = _saved(tmp_path / "a.png", Image.fromarray(pixels))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.DataError, match=r"a\.png is not a picture, or damaged"):
        list(pictures.read([path], _RGB))
    (tmp_path / "a.png").write_bytes(b"GIF89a no picture")
    with pytest.raises(errors.DataError, match=r"a\.png is not a picture, or damaged"):
        pictures.look([path])


def test_real_numbers_are_refused(tmp_path):
    path = _saved(tmp_path / "a.tif", Image.fromarray(np.zeros((8, 6), np.float32)))
    with pytest.raises(errors.DataError, match=r"a\.tif .*pixels are real numbers"):
        list(pictures.read([path], _GRAY))


def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for read in (pictures.look, lambda paths: list(pictures.read(paths, _RGB))):
        with pytest.raises(errors.StorageError, match=r"a\.png is no plain file"):
            read([str(tmp_path / "a.png")])
