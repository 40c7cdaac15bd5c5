"""Digits become numbers up to a size."""

import pytest

from tfpipeline.untrusted import numbers


@pytest.mark.parametrize("text", ["0", "007", "9" * 18, b"12"])
def test_digits_are_a_number(text):
    assert numbers.whole(text) == int(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "\u0661", "x", "9" * 19])
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match="number"):
        numbers.whole(text)
