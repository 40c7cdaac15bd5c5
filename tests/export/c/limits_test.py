"""What is refused, all of it at once and in words."""

import dataclasses

import numpy as np
import pytest

from export import literal_limits
from export.c import files, limits, network
from tests import graph_builder, recurrent
from tests.export.c import random_graphs
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import derived


def built(dtype, add, shape=(6, 6, 4)):
    """A graph of what `add` adds to a builder."""
    net = graph_builder.Builder(shape)
    add(net)
    return random_graphs.quantized(net.build(), np.random.default_rng(0), dtype)


def reasons_of(g):
    with pytest.raises(errors.ExportError) as caught:
        network.prepare(g, "net")
    assert limits.reasons(g)
    return str(caught.value)


def with_quant(g, name, **fields):
    tensor = g.tensors[name]
    quant = dataclasses.replace(tensor.quant, **fields)
    tensors = {**g.tensors, name: dataclasses.replace(tensor, quant=quant)}
    return dataclasses.replace(g, tensors=tensors)


def test_float_graphs_are_refused_and_nothing_is_written(tmp_path):
    net = graph_builder.Builder((6, 6, 4))
    net.conv(3)
    net.softmax()
    with pytest.raises(errors.ExportError) as caught:
        files.write(tmp_path / "folder", net.build(), "net")
    assert str(caught.value).count("float32 tensors") == 2
    assert list(tmp_path.iterdir()) == []


def test_all_reasons_come_at_once():
    def add(net):
        net.pool(2, stride=1, padding=((2, 2), (0, 0)))
        net.pool(3, stride=1, padding=((0, 0), (3, 0)))

    found = reasons_of(built("int8", add))
    assert "'layer0' is not written as C: padding (2, 2) of a window of 2" in found
    assert "'layer1' is not written as C: padding (3, 0) of a window of 3" in found


def test_long_rows_of_depthwise_kernels_are_refused_where_sums_have_64_bits():
    def reasons(dtype, taps, dilation=1):
        def add(net):
            net.depthwise((1, taps), dilation=(1, dilation), padding="valid")

        return limits.reasons(built(dtype, add, (1, 800, 1)))

    (reason,) = reasons("int16", 509)
    assert "509 taps of a row, skipped ones included; at most 508" in reason
    (reason,) = reasons("int16", 255, 3)
    assert "763 taps of a row" in reason
    assert not reasons("int16", 508) and not reasons("int8", 509)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_kernels_of_an_lstm_that_outgrow_int8_are_refused_once(dtype):
    g = from_tflite.read(recurrent.lstm(dtype))
    (layer,) = g.layers
    for name in (layer.input_weights[2], layer.recurrent_weights[3]):
        g = with_quant(g, name, zero_point=(9,))
    assert reasons_of(g).count("its weights without their zero point must fit") == 1


def test_large_biases_of_an_lstm_are_refused():
    g = from_tflite.read(recurrent.lstm("int16"))
    (layer,) = g.layers
    bias = np.full(6, 2**47 - 6 * 2**22, np.int64)
    constants = {**g.constants, layer.biases[1]: bias}
    wide = dataclasses.replace(g, constants=constants)
    assert "sums up to 140737488355328; they must stay below" in reasons_of(wide)
    constants[layer.biases[1]] = bias - 1
    assert not limits.reasons(dataclasses.replace(g, constants=constants))


def test_large_pools_are_refused():
    g = built("int8", lambda net: net.pool(257, stride=1), (257, 257, 1))
    assert "windows of (257, 257); at most 65535 pixels" in reasons_of(g)


def test_long_softmax_is_refused():
    assert "4097 classes" in reasons_of(
        built("int8", lambda net: net.softmax(), (4097,))
    )
    assert limits.reasons(built("int8", lambda net: net.softmax(), (4096,))) == []
    assert limits.reasons(built("int16", lambda net: net.softmax(), (4097,))) == []


def test_wide_sums_must_leave_room():
    g = built("int16", lambda net: net.conv(3, bias=False))
    assert limits.reasons(g) == []
    output = g.layers[0].output
    coarse = with_quant(g, output, scale=(g.tensors[output].quant.scale[0] / 2**30,))
    _, shift = max(
        derived.channel_factors(coarse, coarse.layers[0]), key=lambda f: f[1]
    )
    assert f"grow by 2**{shift}" in reasons_of(coarse)


def test_large_biases_are_refused():
    g = built("int16", lambda net: net.depthwise())
    (layer,) = g.layers
    constants = {**g.constants, layer.bias: np.full(4, 2**47, np.int64)}
    found = reasons_of(dataclasses.replace(g, constants=constants))
    assert f"they must stay below {2**47}" in found


def test_columns_are_as_long_as_sums_of_32_bits_allow():
    g = built("int8", lambda net: net.dense(1), (131_069,))
    assert "131069 weights of each channel; at most 131068" in reasons_of(g)
    assert limits.reasons(built("int8", lambda net: net.dense(1), (131_068,))) == []
    assert limits.reasons(built("int16", lambda net: net.dense(1), (131_069,))) == []


def test_weights_must_fit_without_their_zero_point():
    g = built("int8", lambda net: net.conv(3))
    (layer,) = g.layers
    assert "must fit int8" in reasons_of(
        with_quant(g, layer.weights, zero_point=(9,) * 3)
    )


@pytest.mark.parametrize(
    ("scale", "fits"), [(2.0, True), (8.0, False), (2.0**-30, False)]
)
def test_scales_of_tables(scale, fits):
    g = built("int16", lambda net: net.activation("tanh"))
    g = with_quant(g, "input", scale=(scale,))
    assert (limits.reasons(g) == []) == fits
    if not fits:
        wanted = "scale below 2.667" if scale > 1 else "at least 2**-29"
        assert wanted in reasons_of(g)


def test_many_axes_are_refused():
    shape = (3, 2, 3, 2, 3, 2)

    def added(net):
        other = net.mean(axes=(2, 4, 6), keep=True)
        net.join(graph.Add, other, source="input")

    def mirrored(net):
        net.mirror(((0, 0), *((1, 0),) * 6))

    for add, found in (
        (added, "6 axes of different treatment; at most 4"),
        (mirrored, "6 axes of different treatment; at most 5"),
    ):
        assert found in reasons_of(built("int8", add, shape))
    g = built("int8", lambda net: net.pool(1), (3, 3, 3))
    shape = (1, 2, 3, 2, 3, 2, 3)
    tensors = {
        "input": dataclasses.replace(g.tensors["input"], shape=shape),
        "mean": dataclasses.replace(
            g.tensors["input"], name="mean", shape=(1, 3, 3, 3)
        ),
    }
    mean = graph.Mean(name="mean", inputs=("input",), output="mean", axes=(1, 3, 5))
    g = graph.Graph("net", tensors, {}, (mean,), ("input",), ("mean",))
    assert "have two gaps" in reasons_of(g)


def test_more_weights_than_any_flash_are_refused_before_they_are_looked_at():
    def add(net):
        net.conv(8, 3)

    g = built("int8", add)
    name = g.layers[0].weights
    shape = (literal_limits.MAX_BYTES, *g.tensors[name].shape[1:])
    # One byte of memory: no weight of it is read.
    large = np.broadcast_to(np.int8(1), shape)
    g = dataclasses.replace(g, constants={**g.constants, name: large})
    (reason,) = limits.reasons(g)
    assert reason.startswith(f"{large.nbytes + g.constants[g.layers[0].bias].nbytes:,}")
    assert "at most 16,777,216" in reason
    assert literal_limits.reason(literal_limits.MAX_BYTES) is None
