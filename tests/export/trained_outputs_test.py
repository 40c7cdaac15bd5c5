"""How far a file may be from the trained network, on stand-ins for both."""

import numpy as np
import pytest

from export.tflite import trained_outputs
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer

STEP = 0.25
INTEGERS = np.random.default_rng(0).integers(-100, 100, (40, 5)).astype(np.int8)


def program(dtype="int8"):
    source = cases.Value((1, 5), dtype, 0.5, 0)
    result = cases.Value((1, 5), dtype, STEP, 0)
    return flatbuffer.read(cases.models.one_operator("RELU", [source], result))


def of_softmax(scale):
    """A softmax whose input has steps of `scale`."""
    source = cases.Value((1, 5), "int8", scale, 0)
    options = cases.schema.SoftmaxOptionsT(beta=1.0)
    model = cases.models.one_operator(
        "SOFTMAX", [source], cases.INT8.probabilities(5), options
    )
    return flatbuffer.read(model)


def compared(steps, file=None, integers=INTEGERS):
    """With fake-quantized outputs that are `steps` away."""
    file = file or program()
    port = file.output
    real = (integers.astype(float) - port.zero_points[0]) * port.scales[0]
    return trained_outputs.compare(file, integers, real - steps * port.scales[0])


def at_one_place(size):
    steps = np.zeros(INTEGERS.shape)
    steps[7, 2] = size
    return steps


def test_both_figures_are_told():
    found = compared(at_one_place(-3.0))
    assert found.images == 40
    assert found.largest == pytest.approx(3.0)
    assert found.mean == pytest.approx(3 / 40)


@pytest.mark.parametrize("steps", [at_one_place(4.2), at_one_place(np.nan)])
def test_one_output_too_far_is_an_error(steps):
    compared(at_one_place(4.0))
    # Four steps, as float32 has them.
    compared(at_one_place(4.0 + 1e-5))
    with pytest.raises(errors.VerificationError, match=r"steps of 0\.25"):
        compared(steps)


def test_one_value_in_500_may_be_twice_as_far():
    many = np.tile(INTEGERS[:30], (10, 1))
    steps = np.zeros(many.shape)
    steps[[7, 100, 250], 2] = 7.9, -5.0, 8.0
    found = compared(steps, integers=many)
    assert (found.beyond, found.largest) == (3, pytest.approx(8.0))
    steps[290, 1] = 4.2
    with pytest.raises(errors.VerificationError, match="which 4 of 1500 exceed"):
        compared(steps, integers=many)
    steps[290, 1], steps[7, 2] = 0.0, 8.2
    with pytest.raises(errors.VerificationError, match=r"up to 8\.2 steps"):
        compared(steps, integers=many)


def test_an_output_that_is_off_for_every_image_is_an_error():
    steps = np.zeros(INTEGERS.shape)
    steps[:, 3] = 0.45
    compared(steps)
    steps[:, 3] = 0.55
    with pytest.raises(errors.VerificationError, match=r"one by 0\.55 in the mean"):
        compared(steps)


def test_a_mean_of_few_images_may_have_its_standard_errors():
    few = INTEGERS[:12]
    signs = np.where(np.arange(len(few)) % 3 == 0, -1.0, 1.0)[:, None]
    # A third the other way: 0.67 in the mean, by chance of twelve.
    steps = np.zeros(few.shape) + 2 * signs
    found = compared(steps, integers=few)
    assert found.mean == pytest.approx(2 / 3)
    assert found.mean_allowed > 2 / 3
    # The same share of many is none.
    many = np.tile(few, (30, 1))
    with pytest.raises(errors.VerificationError, match=r"less than 0\.50"):
        compared(np.tile(steps, (30, 1)), integers=many)


def test_steps_of_16_bits_are_finer():
    wide = INTEGERS.astype(np.int16)
    assert compared(at_one_place(30.0), program("int16"), wide).largest == 30.0
    with pytest.raises(errors.VerificationError):
        compared(at_one_place(33.0), program("int16"), wide)


def test_a_softmax_of_coarse_integers_may_jump():
    # A step of 0.25 of what it reads is up to 16 of the 256 it writes.
    assert compared(at_one_place(60.0), of_softmax(0.25)).largest_allowed == 64
    with pytest.raises(errors.VerificationError):
        compared(at_one_place(60.0), of_softmax(0.05))
    with pytest.raises(errors.VerificationError):
        compared(at_one_place(4.2), of_softmax(1 / 128))
