"""Boxes of pictures as rows of numbers, and back."""

import numpy as np

from tfpipeline.detection import objects


def test_pictures_of_different_numbers_of_boxes():
    boxes = np.array([[1, 2, 3, 4], [5, 6, 70, 80]], np.float32)
    ignored = np.array([False, True])
    none = np.zeros((0, 4), np.float32)
    joined = objects.joined(
        [objects.rows(boxes, ignored, 2.5), objects.rows(none, ignored[:0], 4.0)], 3
    )
    assert joined.shape == (2, 3, objects.COLUMNS)
    found, which, scale = objects.of_picture(joined[0])
    np.testing.assert_array_equal(found, boxes)
    np.testing.assert_array_equal(which, ignored)
    assert scale == 2.5
    found, which, scale = objects.of_picture(joined[1])
    assert (len(found), len(which), scale) == (0, 0, 4.0)
