"""`--input_range`: names, numbers, and what pixels become."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.numerics import affine
from tfpipeline.post_training import input_range
from tfpipeline.precision import formats

PIXELS = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("signed", (PIXELS.astype(float) - 128) / 128),
        ("unit", PIXELS / 256),
        ("pixels", PIXELS.astype(float)),
        ("-1,0.9921875", (PIXELS.astype(float) - 128) / 128),
    ],
)
def test_pixels_become_these_and_integers_of_both_widths_hold_them(text, values):
    found = input_range.parse(text)
    np.testing.assert_array_equal(found.of_pixels(PIXELS), values)
    for recipe in ("wi8_ai8", "wi8_ai16"):
        form = formats.named(recipe)
        if form.activation_bits == 16 and not found.is_of_pixels:
            continue
        quant = affine.of_observed(*found.for_format(form), form.activation_bits)
        integers = affine.quantized(values, quant, form.activation_type)
        held = affine.dequantized(integers, quant)
        # -1 would be -32768, and is -32767.
        step = 2.0**-15 if form.activation_bits == 16 else 0.0
        np.testing.assert_allclose(held, values, rtol=0, atol=step)


@pytest.mark.parametrize(
    "text", ["", "1", "1,1", "2,1", "nan,1", "0,inf", "a,b", "0,1,2", "x" * 9999]
)
def test_what_is_no_range_is_one_short_line(text):
    with pytest.raises(errors.UsageError, match="it must be auto, signed") as raised:
        input_range.parse(text)
    assert len(str(raised.value)) < 400


def test_auto_is_the_range_of_the_data_and_of_zero():
    assert input_range.parse("auto") is None
    found = input_range.of_values(np.array([0.5, 2.0], np.float32))
    assert (found.low, found.high) == (0.0, 2.0)
    zeros = input_range.of_values(np.zeros(3, np.float32))
    assert (zeros.low, zeros.high) == (0.0, 1.0)
