"""Pictures of faces, good and bad."""

import io

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.identification import pictures
from tfpipeline.pictures import luma


def _save(path, pixels, kind="PNG", **options):
    Image.fromarray(pixels).save(path, kind, **options)
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)


def test_color_becomes_luma(tmp_path, pixels):
    found = pictures.read(_save(tmp_path / "a.png", pixels), 16)
    np.testing.assert_array_equal(found, luma.gray(pixels))


def test_gray_stays_as_it_is(tmp_path, pixels):
    found = pictures.read(_save(tmp_path / "a.png", pixels[..., 0]), 16)
    np.testing.assert_array_equal(found[..., 0], pixels[..., 0])


def test_jpeg_is_read_and_turned_upright(tmp_path):
    ramp = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[None], 16, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is the right side of the picture
    path = _save(tmp_path / "a.jpg", ramp, "JPEG", exif=exif, quality=95)
    found = pictures.read(path, 16)[..., 0].astype(int)
    assert (np.diff(found.mean(axis=1)) > 5).all()
    assert np.ptp(found, axis=1).max() < 10


def test_another_size_is_resized(tmp_path):
    image = np.zeros((32, 32), np.uint8)
    image[:, 16:] = 200
    found = pictures.read(_save(tmp_path / "a.png", image), 8)
    assert found.shape == (8, 8, 1)
    assert found[:, :3].max() == 0 and found[:, 5:].min() == 200


@pytest.mark.parametrize("size", [(16, 20), (20, 16)])
def test_what_is_not_square_is_refused(tmp_path, size):
    path = _save(tmp_path / "a.png", np.zeros(size, np.uint8))
    with pytest.raises(errors.DataError, match=f"found {size[0]}x{size[1]}: crop"):
        pictures.read(path, 16)


def test_damage_is_one_clear_error(tmp_path, pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path = tmp_path / "a.png"
    for data in (b"", b"hello", stream.getvalue()[:-30]):
        path.write_bytes(data)
        with pytest.raises(errors.DataError, match="is not a PNG or JPEG picture"):
            pictures.read(path, 16)


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(errors.StorageError, match="cannot read"):
            pictures.read(path, 16)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    path = _save(tmp_path / "a.png", np.zeros((3000, 3000), np.uint8))
    with pytest.raises(errors.DataError, match="may have up to"):
        pictures.read(path, 16)
