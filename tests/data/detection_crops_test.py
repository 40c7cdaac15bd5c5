"""Crops of pictures with boxes: each object where the picture shows it."""

import io

import numpy as np
import pytest
from PIL import Image

from tfpipeline.data import boxed_pictures, detection_crops
from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.detection import branches

BRANCHES = (branches.Branch(4, 1.5, 8, 16), branches.Branch(8, 3.5, 16, 32))
SHAPE = (48, 64, 3)


def picture(boxes, *, size=(120, 200), ignored=(), form="PNG"):
    """Dark, with a bright square at each box."""
    pixels = np.full((*size, 3), 30, np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 230
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    count = len(boxes)
    which = np.zeros(count, np.bool_)
    which[list(ignored)] = True
    return boxed_pictures.Picture(
        "drawn",
        stream.getvalue(),
        "",
        *size,
        np.array(boxes, np.float32).reshape(-1, 4),
        which,
    )


def crops(pictures, count=60, flips=True):
    sampler = detection_crops.sampler(pictures, SHAPE, BRANCHES, flips=flips)
    return [sampler.draw(np.random.default_rng([1, i])) for i in range(count)]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_boxes_are_where_the_objects_are(form):
    for crop in crops([picture([(60, 20, 100, 60)], form=form)]):
        bright = crop.image[..., 0] > 130
        x1, y1, x2, y2 = np.clip(crop.boxes[0], 0, [64, 48, 64, 48])
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        # A pixel of the edge, and what a JPEG of a fraction of the size blurs.
        np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=2.5)


def test_an_object_gets_a_size_of_a_branch_and_stands_in_the_middle():
    sides, branch_of = [], []
    for crop in crops([picture([(60, 20, 100, 60)])], 200, flips=False):
        side = boxes_lib.longer_sides(crop.boxes)[0]
        sides.append(side)
        branch_of.append(side > 16)
        center = (crop.boxes[0, :2] + crop.boxes[0, 2:]) / 2
        assert (np.abs(center - [32, 24]) <= 4.6).all()
    assert min(sides) >= 8
    assert max(sides) <= 48
    # Both branches are chosen as often as each other.
    assert 0.35 < np.mean(branch_of) < 0.65


def test_small_objects_are_not_enlarged_far():
    found = crops([picture([(60, 20, 67, 26)])], 40)
    assert max(boxes_lib.longer_sides(crop.boxes)[0] for crop in found) <= 16


def test_a_tenth_has_no_object_where_there_are_such_pictures():
    found = crops([picture([(60, 20, 100, 60)]), picture([])], 300)
    empty = sum(len(crop.boxes) == 0 for crop in found)
    assert 12 <= empty <= 55


def test_ignored_objects_are_kept_and_never_chosen():
    two = picture([(60, 20, 100, 60), (110, 20, 150, 60)], ignored=[1])
    for crop in crops([two], 30):
        counted = crop.boxes[~crop.ignored]
        assert len(counted) == 1


def test_a_crop_depends_on_its_seed_alone():
    sampler = detection_crops.sampler(
        [picture([(60, 20, 100, 60)])], SHAPE, BRANCHES, flips=True
    )
    first, again, other = (
        sampler.draw(np.random.default_rng([7, seed])) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.boxes, other.boxes)


def test_mirrored_boxes():
    image = np.zeros((4, 10, 1), np.uint8)
    image[1:3, 2:5] = 1
    crop = detection_crops.Crop(image, np.array([[2.0, 1, 5, 3]]), np.array([False]))
    turned = detection_crops.mirrored(crop)
    np.testing.assert_array_equal(turned.boxes, [[5, 1, 8, 3]])
    assert turned.image[1:3, 5:8].all()
    assert turned.image.sum() == 6
