"""Folders of pictures and masks, and what is wrong in them."""

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.configs import images
from tfpipeline.data import request as requests
from tfpipeline.data import specs
from tfpipeline.data.own import mask_folders

COUNT = 10


def write(root, *, scale=1, palette=False):
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(COUNT):
        mask = np.zeros((12, 16), np.uint8)
        mask[:6, :8] = 1 + number % 2
        mask[6:, 8:] = 255
        pixels = np.repeat(mask[..., None] // 4 + 10 * number, 3, axis=2)
        Image.fromarray(pixels).save(root / "images" / f"{number}.jpg", quality=95)
        picture = Image.fromarray(mask * scale)
        if palette:
            picture = picture.convert("P")
            picture.putdata(mask.reshape(-1).tolist())
        picture.save(root / "masks" / f"{number}.png")


def read(root, **fields):
    asked = requests.Request(reading=images.Reading(**fields), validation_fraction=0.25)
    return mask_folders.read(specs.find(str(root)), asked)


@pytest.mark.parametrize("palette", [False, True])
def test_masks_are_class_numbers(tmp_path, palette):
    write(tmp_path, palette=palette)
    found = read(tmp_path)
    assert (len(found.train), len(found.validation), len(found.test)) == (6, 2, 2)
    assert found.class_names == ("0", "1", "2")
    assert found.train.inputs.shape == (6, 12, 16, 3)
    assert found.train.targets.dtype == np.uint8
    assert set(np.unique(found.train.targets)) == {0, 1, 2, 255}
    half = read(tmp_path, image_size="6,8")
    assert half.train.targets.shape == (6, 6, 8)
    assert set(np.unique(half.train.targets)) == {0, 1, 2, 255}


def test_names_of_classes(tmp_path):
    write(tmp_path)
    (tmp_path / "classes.txt").write_text("ground\nball\nbox\nnever\n")
    assert read(tmp_path).class_names == ("ground", "ball", "box", "never")
    (tmp_path / "classes.txt").write_text("ground\nball\n")
    with pytest.raises(errors.DataError, match="the masks have class 2"):
        read(tmp_path)


def test_black_and_white_are_two_classes(tmp_path):
    write(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) // 255 * 255).save(path)
    found = read(tmp_path)
    assert found.class_names == ("0", "1")
    assert set(np.unique(found.train.targets)) == {0, 1}


def _no_mask(root):
    (root / "masks" / "3.png").unlink()


def _colors(root):
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(root / "masks" / "3.png")


def _other_size(root):
    Image.fromarray(np.zeros((12, 15), np.uint8)).save(root / "masks" / "3.png")


def _damaged(root):
    (root / "masks" / "3.png").write_bytes(b"\x89PNG")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_no_mask, "3.jpg has no mask .*3.png"),
        (_colors, "3.png has the mode RGB"),
        (_other_size, "3.png has 15x12 pixels, its picture"),
        (_damaged, "3.png is not a picture, or damaged"),
    ],
)
def test_bad_data_is_one_line(tmp_path, spoil, says):
    write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(errors.DataError, match=says) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + 3 * len(str(tmp_path))
