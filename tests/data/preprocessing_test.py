"""The mapping of stored inputs to real ones, and the range that integers cover."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import preprocessing
from tfpipeline.data.preprocessing import RAW, SIGNED, UNSIGNED
from tfpipeline.numerics import affine

BYTES = np.arange(256, dtype=np.uint8)


def _floats(*values):
    return np.array([values], np.float32)


def test_pixels_are_the_quotients_that_they_always_were():
    pixels = BYTES.astype(np.float32)
    np.testing.assert_array_equal(SIGNED.real(BYTES), (pixels - 128) / 128)
    np.testing.assert_array_equal(UNSIGNED.real(BYTES), pixels / 256)
    np.testing.assert_array_equal(RAW.real(BYTES), pixels)


@pytest.mark.parametrize("text", ["auto", "pixels", "0,1", "-1,1", "-3,1", "-2.5,0"])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_int8_input_of_bytes_is_the_byte_less_128(text, normalize):
    read_as = preprocessing.of(text, normalize, BYTES[None])
    real = read_as.real(BYTES)
    assert (real.min(), real.max()) == (read_as.low, read_as.high)
    # As the converter derives them: from the ends, with a whole zero point.
    scale = (read_as.high - read_as.low) / 255
    zero_point = round(-128 - read_as.low / scale)
    integers = affine.quantized_float32(real, scale, zero_point, np.dtype(np.int8))
    np.testing.assert_array_equal(integers, BYTES.astype(np.int16) - 128)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (-0.3, 7.0)])
def test_declared_ends_move_by_half_a_step_at_most(low, high):
    read_as = preprocessing.of(f"{low},{high}", True, BYTES[None])
    # Half a step, and float32 of numbers below 8.
    most = (high - low) / 255 / 2 + 2.0**-20
    assert abs(read_as.low - low) <= most
    assert abs(read_as.high - high) <= most


@pytest.mark.parametrize(
    ("values", "text", "ends"),
    [
        ((-0.5, 3.0), "auto", (-0.5, 3.0)),
        ((2.0, 3.0), "auto", (0.0, 3.0)),
        ((-2.0, -1.0), "auto", (-2.0, 0.0)),
        ((0.0, 0.0), "auto", (0.0, 1.0)),
        ((-0.5, 3.0), "-4,4", (-4.0, 4.0)),
        ((0.0, 255.0), "pixels", (0.0, 255.0)),
    ],
)
def test_floats_stay_and_have_their_own_range_or_what_is_declared(values, text, ends):
    inputs = _floats(*values)
    read_as = preprocessing.of(text, False, inputs)
    assert (read_as.low, read_as.high) == ends
    assert read_as.real(inputs) is inputs


def test_floats_outside_of_what_is_declared_are_refused():
    with pytest.raises(errors.UsageError, match=r"lie in \[-0.5, 3\]: declare a wider"):
        preprocessing.of("-1,1", True, _floats(-0.5, 3.0))


@pytest.mark.parametrize(
    "text", ["", "1", "1,0", "0,0", "a,b", "0,inf", "nan,1", "1,2,3"]
)
def test_a_text_that_is_no_range_is_refused(text):
    with pytest.raises(errors.UsageError, match="is no input range: give auto"):
        preprocessing.require_text(text)


@pytest.mark.parametrize(
    ("text", "normalize", "expected"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("-1,0.9921875", False, True),
        ("-1,1", True, False),
        ("pixels", True, False),
    ],
)
def test_what_flags_tell_of_the_signed_range(text, normalize, expected):
    assert preprocessing.is_signed(text, normalize) is expected


def test_is_written_and_read_back():
    assert preprocessing.from_dict(SIGNED.to_dict()) == SIGNED
    for broken in ({}, {"zero": 1}, {**SIGNED.to_dict(), "scale": "x"}, None):
        with pytest.raises(errors.DataError):
            preprocessing.from_dict(broken)
