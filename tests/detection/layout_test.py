"""A detector's maps in one row of numbers, and back."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection import branches, layout

MAPS = layout.Layout(
    32,
    48,
    (branches.Branch(4, 1.5, 8, 16), branches.Branch(8, 3.5, 16, 32)),
    ((8, 12), (4, 6)),
)


def test_parts_are_logits_and_boxes_of_each_branch():
    assert MAPS.part_sizes == (192, 384, 48, 96)
    values = np.arange(MAPS.num_values)
    first, second = MAPS.maps(values)
    np.testing.assert_array_equal(first.logits.reshape(-1), values[:192])
    np.testing.assert_array_equal(first.boxes.reshape(-1), values[192:576])
    np.testing.assert_array_equal(second.boxes.reshape(-1), values[-96:])
    assert second.logits.shape == (4, 6, 2)


def test_json_and_back():
    assert layout.from_dict(MAPS.to_dict()) == MAPS


@pytest.mark.parametrize(
    "change",
    [{"input": [3]}, {"branches": []}, {"branches": [{"stride": 4}]}, {"branches": 1}],
)
def test_what_is_no_layout(change):
    with pytest.raises(errors.DataError, match="does not describe"):
        layout.from_dict({**MAPS.to_dict(), **change})
