"""Descriptors in the GAP8's integers against those in float."""

import numpy as np
import pytest

from tests import graph_builder
from tests.targets.gap8 import float_networks
from tfpipeline import descriptor_forms, errors
from tfpipeline.ir import graph
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import fixed_point


@pytest.fixture(scope="module")
def network() -> graph.Graph:
    """A 1x1 convolution of gray, a fire, a mean: the descriptor network in small."""
    builder = graph_builder.Builder((17, 17, 1), name="small")
    builder.conv(3, 1, relu=False)
    builder.conv(8, 3, stride=2, padding="valid")
    builder.pool(3, stride=2)
    squeezed = builder.conv(4, 1)
    first = builder.conv(5, 1)
    builder.conv(6, 3, source=squeezed)
    builder.concat(first)
    builder.mean()
    return float_networks.with_values(builder.build())


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """More than one chunk of them."""
    count = descriptor_forms._CHUNK + 3
    return np.random.default_rng(0).integers(0, 256, (count, 17, 17, 1), np.uint8)


def _float(network, photographs):
    inputs = (photographs.astype(np.float32) - 128) / 128
    (output,) = network.outputs
    parts = [values[output] for values in float_execution.batches(network, inputs)]
    return np.concatenate(parts).reshape(len(photographs), -1)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize(
    ("name", "tolerance"),
    # Of the largest value: 2**-15 and 2**-7 once for each of seven layers, doubled for
    # roundings of weights.
    [
        ("gap8", 14 / 2**15),
        ("gap8_single", 14 / 2**15),
        ("gap8_8bit", 14 / 2**7),
        ("gap8_8bit_single", 14 / 2**7),
    ],
)
def test_integers_are_near_the_float_descriptor(network, photographs, name, tolerance):
    form = descriptor_forms.GAP8[name]
    # On all of them: others can exceed the ranges and saturate.
    p = descriptor_forms.gap8_program(form, network, photographs)
    found = descriptor_forms.gap8_describer(form, p)(photographs)
    expected = _float(network, photographs)
    assert found.dtype == fixed_point.WIDTHS[form.num_bits]
    assert found.shape == expected.shape
    values = found / 2.0 ** p.tensors[p.outputs[0]].q
    error = np.abs(values - expected).max() / np.abs(expected).max()
    # Not zero, as if nothing had been quantized.
    assert 0 < error < tolerance


def test_16_bits_take_the_camera_s_pixels(network, photographs):
    form = descriptor_forms.GAP8["gap8"]
    p = descriptor_forms.gap8_program(form, network, photographs[:8])
    assert p.input.q == 0


def test_forms_are_named_after_number_formats_and_stored_as_ever():
    assert {name: form.stored for name, form in descriptor_forms.GAP8.items()} == {
        "gap8": "gap8_16",
        "gap8_qat": "gap8_16_qat",
        "gap8_8bit": "gap8_8",
        "gap8_8bit_qat": "gap8_8_qat",
        "gap8_single": "gap8_16_single",
        "gap8_8bit_single": "gap8_8_single",
    }
    for name in descriptor_forms.NAMES:
        assert descriptor_forms.named(name) == name
        assert descriptor_forms.named(descriptor_forms.stored_name(name)) == name
    with pytest.raises(errors.UsageError, match=r"float, gap8, .*found 'gap9'"):
        descriptor_forms.named("gap9")
