"""What splits hold, and what tells two data sets apart."""

import hashlib

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import splits

_POSITIONS = np.arange(3)


def _dataset(inputs, targets, class_names=("a", "b")):
    split = splits.Split(inputs, targets)
    return splits.Dataset(
        "own", class_names, split, split, split, _POSITIONS, _POSITIONS
    )


def _classes():
    return np.array([0, 1, 1], np.int32)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros((3, 2)), _classes(), r"inputs must .* Received: float64 \[3, 2\]"),
        (np.zeros(3, np.float32), _classes(), r"inputs must .* float32 \[3\]"),
        (np.zeros((2, 2), np.uint8), _classes(), r"targets must be int32 \[2\]"),
        (np.zeros((3, 2), np.uint8), np.zeros(3), r"targets .* Received: float64"),
        (np.zeros((3, 2), np.uint8), np.zeros(3, np.float32), r"float32 \[3\]"),
        (np.zeros((3, 2), np.uint8), np.zeros((3, 1), np.int32), r"int32 \[3, 1\]"),
    ],
)
def test_other_types_and_shapes_are_refused(inputs, targets, message):
    with pytest.raises(errors.DataError, match=message):
        splits.Split(inputs, targets)


def test_windows_with_numbers_for_targets():
    inputs = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    dataset = _dataset(inputs, inputs[:, 0], ())
    assert dataset.input_shape == (4, 2)
    assert dataset.num_classes == 2
    assert not dataset.train.has_classes
    assert not dataset.train.has_pictures
    taken = dataset.train.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.inputs, inputs[[2, 0]])
    np.testing.assert_array_equal(taken.targets, inputs[[2, 0], 0])


def test_the_fingerprint_of_pictures_is_that_of_their_bytes():
    images = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)
    part = images.tobytes() + _classes().tobytes()
    expected = hashlib.sha256(3 * part).hexdigest()
    assert _dataset(images, _classes()).fingerprint() == expected


def test_the_fingerprint_of_other_data_knows_types_and_shapes():
    values = np.arange(24, dtype=np.float32)
    prints = {
        _dataset(inputs, _classes()).fingerprint()
        for inputs in (
            values.reshape(3, 8),
            values.reshape(3, 4, 2),
            values.view(np.uint8).reshape(3, 32),
        )
    }
    assert len(prints) == 3
