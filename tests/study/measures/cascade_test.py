"""Grids of formats: parts that sum up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.study.measures import cascade

FORMATS = ("float", "int16", "int8")


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=20)
def test_the_parts_of_every_cell_sum_up(seed, samples):
    random = np.random.default_rng(seed)
    detected = {name: random.random(samples) < 0.8 for name in FORMATS}
    right = {
        (d, v): detected[d] & (random.random(samples) < 0.9)
        for d in FORMATS
        for v in FORMATS
    }
    cells = cascade.grid(right, detected)
    assert len(cells) == 9
    base = right["float", "float"].mean()
    for cell in cells.values():
        losses = cell.detection_loss + cell.crop_loss + cell.verifier_loss
        assert cell.rate == pytest.approx(base - losses + cell.interaction)
        assert cell.agreement.accuracy_b == cell.rate
    for name in FORMATS:
        assert cells["float", name].detection_loss == 0
        assert cells[name, "float"].interaction == 0
        assert cells["float", name].interaction == 0


def test_the_link_that_breaks_is_named():
    base = np.array([True] * 8 + [False] * 2)
    # The detector of 8 bits misses one face, and crops another one badly.
    row = base.copy()
    row[[0, 1]] = False
    column = base.copy()
    column[[1, 2, 3]] = False
    both = row & column
    detected = {"float": np.ones(10, bool), "int8": np.arange(10) != 0}
    right = {
        ("float", "float"): base,
        ("int8", "float"): row,
        ("float", "int8"): column,
        ("int8", "int8"): both,
    }
    cell = cascade.grid(right, detected)["int8", "int8"]
    assert (cell.detection_loss, cell.crop_loss) == (0.1, 0.1)
    assert (cell.verifier_loss, cell.interaction) == (0.3, 0.1)
    assert cell.record()["agreement"]["flips"] == 4


def test_a_missing_combination_is_named():
    some = np.ones(2, bool)
    with pytest.raises(errors.DataError, match=r"int8 \+ float"):
        cascade.grid({("float", "float"): some}, {"float": some, "int8": some})
