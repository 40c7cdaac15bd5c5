"""Programs of integers against what gap_quantization made of the same network."""

import numpy as np
import pytest

from tests import graph_builder
from tests.targets.gap8 import recorded_networks
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import program, quantize, simulate


def quantized(recorded):
    return quantize.quantize(
        recorded.graph,
        recorded.ranges,
        num_bits=recorded.num_bits,
        raw_input=recorded.described["raw_input"],
    )


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_integers_equal_the_tool(name):
    recorded = recorded_networks.Recorded(name)
    found = quantized(recorded)
    rows = dict(recorded.described["layers"])
    for layer in found.layers:
        row = rows.pop(layer.name, None)
        if isinstance(layer, program.Conv):
            form = layer.format
            assert (form.norm, form.bias_norm) == (row["norm"], row["norm"])
            assert (form.in_q, form.weight_q) == (row["in_frac"], row["w_frac"])
            assert (form.bias_q, form.out_q) == (row["b_frac"], row["out_frac"])
            weights = recorded.arrays[f"q/{layer.name}/weight"]
            np.testing.assert_array_equal(layer.weights, weights)
            bias = recorded.arrays[f"q/{layer.name}/bias"]
            np.testing.assert_array_equal(layer.bias, bias)
        elif isinstance(layer, program.Concat):
            assert list(layer.norms) == row["norm"]
            assert found.tensors[layer.output].q == row["out_frac"]
    assert not rows


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_activations_equal_the_tool(name):
    recorded = recorded_networks.Recorded(name)
    precision = (
        simulate.DOUBLE if recorded.described["double_precision"] else simulate.SINGLE
    )
    p = quantized(recorded)
    for found in (
        simulate.outputs(p, recorded.image, precision),
        simulate.outputs_readable(p, recorded.image, precision),
    ):
        for tensor in recorded_networks.OUTPUTS:
            # The tool's 8-bit average pool is its own, see `quantize`.
            if tensor != "gap" or p.num_bits == 16:
                expected = recorded.recorded(tensor)
                np.testing.assert_array_equal(found[tensor][0], expected, tensor)
        head = recorded.arrays["device/head.out"]
        np.testing.assert_array_equal(found["head"][0], head)


@pytest.mark.real_data
@pytest.mark.parametrize("name", recorded_networks.NAMES)
def test_images_become_the_tools_integers(name):
    recorded = recorded_networks.Recorded(name)
    image = recorded.arrays["input_u8"].astype(np.float32)[None, :, :, None]
    if not recorded.described["raw_input"]:
        image /= 256
    found = simulate.quantize_images(quantized(recorded), image)
    np.testing.assert_array_equal(found, recorded.image)


def _joined(*, shared=False, pooled=False):
    """A concatenation of a wide branch and a narrow one, which may be shared."""
    builder = graph_builder.Builder((6, 6, 1), name="joined")
    narrow = builder.conv(2, 1, relu=False)
    if pooled:
        builder.activation("relu")
        narrow = builder.pool(3, stride=1)
        builder.pool(1)
        narrow = builder.last
    wide = builder.conv(2, 3 if pooled else 1, source="input", padding="valid")
    concat = builder.concat(narrow)
    if shared:
        builder.conv(4, 1, source=narrow)
        builder.join(graph.Add, concat)
    g = builder.build()
    ranges = {name: 1.0 for name in quantize.measured(g)}
    return g, {**ranges, wide: 9.0}


@pytest.mark.parametrize("pooled", [False, True])
def test_a_narrow_branch_is_shifted_where_it_begins(pooled):
    g, ranges = _joined(pooled=pooled)
    p = quantize.quantize(g, ranges)
    layers = {layer.name: layer for layer in p.layers}
    narrow = layers["layer0"]
    # 4 integer bits of 9.0 are 4 more than those of 1.0.
    assert narrow.format.bias_q == narrow.format.out_q == 15 - 4
    assert narrow.format.norm == narrow.format.weight_q + narrow.format.in_q - 11
    (concat,) = (each for each in p.layers if isinstance(each, program.Concat))
    assert concat.norms == (0, 0)
    # One, at the format of its own clipped, and then rounded by 4 places.
    assert narrow.bias.tolist() == [2**11] * 2
    assert {p.tensors[name].q for name in concat.inputs} == {11}


def test_a_branch_with_other_readers_keeps_its_format():
    g, ranges = _joined(shared=True)
    p = quantize.quantize(g, ranges)
    (concat,) = (each for each in p.layers if isinstance(each, program.Concat))
    assert sorted(concat.norms) == [0, 4]
    assert p.layers[0].format.out_q == 15


def test_missing_and_useless_ranges_are_all_named():
    g, ranges = _joined()
    names = list(ranges)
    ranges[names[0]] = 0.0
    del ranges[names[1]]
    with pytest.raises(errors.QuantizationError) as caught:
        quantize.quantize(g, ranges)
    assert f"the range of the tensor '{names[0]}': the largest" in str(caught.value)
    assert f"no range of the tensor '{names[1]}'" in str(caught.value)


def test_outputs_too_small_for_their_weights_are_refused():
    g, ranges = _joined()
    name = g.layers[0].output
    with pytest.raises(errors.QuantizationError, match="layer 'layer0': the output's"):
        quantize.quantize(g, {**ranges, name: 2.0**-17})


def test_widths_and_raw_inputs_that_do_not_fit_are_refused():
    g, ranges = _joined()
    with pytest.raises(errors.QuantizationError, match="num_bits must be 16 or 8"):
        quantize.quantize(g, ranges, num_bits=4)
    with pytest.raises(errors.QuantizationError, match="needs 16 bits"):
        quantize.quantize(g, ranges, num_bits=8, raw_input=True)


@pytest.mark.parametrize(
    ("size", "gain"), [(2, 1.0), (3, 252 / 256), (7, 245 / 256), (16, 1.0)]
)
def test_average_pools_are_the_chips(size, gain):
    builder = graph_builder.Builder((size, size, 1))
    builder.mean()
    p = quantize.quantize(builder.build(), {"input": 1.0}, num_bits=8)
    assert p.layers[0].gain == gain


def test_average_pools_too_large_for_eight_bits_are_refused():
    builder = graph_builder.Builder((17, 17, 1))
    builder.mean()
    with pytest.raises(errors.TargetError, match=r"17x17 in 8 bits \[GAP8-POOL-04\]"):
        quantize.quantize(builder.build(), {"input": 1.0}, num_bits=8)


def _sum_of_small():
    """relu(conv) + conv of the input, and a convolution that reads the sum."""
    builder = graph_builder.Builder((4, 4, 2), name="small_sum")
    first = builder.conv(2, 1, relu=False)
    builder.activation("relu")
    rectified = builder.last
    second = builder.conv(2, 1, source="input", relu=False)
    builder.join(graph.Add, rectified)
    total = builder.last
    builder.conv(3, 1)
    g = builder.build()
    ranges = {name: 1.0 for name in quantize.measured(g)}
    return g, ranges, first, second, total


@pytest.mark.parametrize("num_bits", [16, 8])
def test_sums_of_unequal_small_values_have_no_more_fraction_than_the_width(num_bits):
    g, ranges, first, second, total = _sum_of_small()
    small = {first: 2.0**-2, second: 2.0**-4, total: 2.0**-2}
    p = quantize.quantize(g, {**ranges, **small}, num_bits=num_bits)
    (add,) = (layer for layer in p.layers if isinstance(layer, program.Add))
    q = [p.tensors[name].q for name in (*add.inputs, add.output)]
    assert q == [num_bits - 1] * 3
    assert add.norms == (0, 0)
    # One large operand leaves the others where they may be.
    p = quantize.quantize(g, {**ranges, **small, first: 4.0}, num_bits=num_bits)
    (add,) = (layer for layer in p.layers if isinstance(layer, program.Add))
    q = {p.tensors[name].q for name in (*add.inputs, add.output)}
    assert q == {num_bits - 1, num_bits - 3}


def test_sums_of_equal_small_formats_keep_them():
    g, ranges, *names = _sum_of_small()
    p = quantize.quantize(g, {**ranges, **dict.fromkeys(names, 2.0**-3)})
    (add,) = (layer for layer in p.layers if isinstance(layer, program.Add))
    assert {p.tensors[name].q for name in (*add.inputs, add.output)} == {18}
