"""Calls of the AutoTiler's generators, against those that NNTool wrote."""

import dataclasses
import json

import numpy as np
import pytest

from export.gap8 import autotiler_model, generator_calls, network
from tests.export.gap8 import programs
from tests.targets.gap8 import reference_files
from tfpipeline import errors
from tfpipeline.targets.gap8 import fixed_point, kernels, program

POOL = program.Window((2, 2), (2, 2))


def recorded():
    path = reference_files.FOLDER / "autotiler_calls_nntool41.json"
    if not path.is_file():
        pytest.skip(f"no {path}; set TFPIPELINE_SHARED")
    return json.loads(path.read_text(encoding="utf-8"))["pow2_16"]


def chain(formats):
    """NNTool's network with given formats, weights of zeros."""
    plain = {"padding": programs.PADDED, "relu": True, "pool": POOL}
    rows = (
        (program.Conv, "x", (8, 1, 3, 3), (8, 8, 8), plain),
        (program.Conv, "l0", (16, 8, 3, 3), (16, 4, 4), plain),
        (program.Linear, "l1", (10, 256), (10, 1, 1), {}),
    )
    tensors = {"x": program.Tensor("x", (1, 16, 16), formats[0].in_q)}
    layers = []
    for index, (kind, source, weights, shape, fields) in enumerate(rows):
        name = f"l{index}"
        tensors[name] = program.Tensor(name, shape, formats[index].out_q)
        layers.append(
            kind(
                name=name,
                inputs=(source,),
                output=name,
                weights=np.zeros(weights, np.int16),
                bias=np.zeros(weights[0], np.int16),
                format=formats[index],
                **fields,
            )
        )
    return program.Program(
        name="chain",
        num_bits=16,
        tensors=tensors,
        layers=tuple(layers),
        inputs=("x",),
        outputs=("l2",),
    )


@pytest.mark.real_data
def test_calls_equal_those_of_nntool():
    expected = recorded()
    rows = [
        dict(zip(expected["arg_names"][call[0]], call[1:], strict=True))
        for call in expected["calls"]
    ]
    # The recorded arguments are of layers calibrated apart: what a layer reads has
    # the format that the layer before writes, which is the one to keep.
    formats = []
    for row in rows:
        in_q = formats[-1].out_q if formats else row["In_Q"]
        assert in_q == row["In_Q"]
        formats.append(
            fixed_point.Format(in_q, row["Filter_Q"], row["Bias_Q"], row["Out_Q"])
        )
    found = generator_calls.make(chain(formats)).calls
    assert len(found) == len(rows)
    for call, row, listed in zip(found, rows, expected["calls"], strict=True):
        assert call.generator == listed[0]
        assert row.pop("Ctrl") == 0 and call.pad_type is None
        row.pop("Name")
        assert list(call.arguments.items()) == list(row.items())


@pytest.mark.real_data
def test_pool_has_the_recorded_arguments():
    net = programs.Builder((2, 8, 8))
    net.pool("average", (4, 4), (2, 2))
    [call] = generator_calls.make(net.build()).calls
    names = recorded()["arg_names"]["CNN_PoolReLU"]
    assert ["Name", "Ctrl", *call.arguments] == names
    assert call.arguments["PoolOper"] == "KOP_AVGPOOL"


def test_precision_and_depth_choose_the_kernel():
    net = programs.Builder((4, 8, 8))
    net.conv(4, groups=4)
    net.conv(3, (1, 1))
    p = net.build()
    for precision, names in (
        (kernels.SINGLE, ["KOP_CONV_DW", "KOP_CONV"]),
        (kernels.DOUBLE, ["KOP_CONV_DWDP", "KOP_CONV_DP"]),
    ):
        calls = generator_calls.make(p, precision).calls
        assert [call.arguments["ConvOper"] for call in calls] == names


def test_padding_in_front_keeps_the_default_and_behind_needs_a_control_block():
    before, behind = programs.Builder((1, 8, 8)), programs.Builder((1, 8, 8))
    before.conv(1, strides=(2, 2), padding=((1, 0), (1, 0)))
    behind.conv(1, strides=(2, 2), padding=((0, 1), (0, 1)))
    [first] = generator_calls.make(before.build()).calls
    [second] = generator_calls.make(behind.build()).calls
    assert (first.pad_type, second.pad_type) == (None, 3)
    assert first.arguments["ConvPad"] == second.arguments["ConvPad"] == 1
    text = autotiler_model.text(
        behind.build(), generator_calls.make(behind.build()), "net", 1
    )
    assert 'CNN_SetGenCtrl(&control, "PADTYPE", AT_OPT_VAL(3));' in text


def test_padding_that_is_never_read_is_none():
    net = programs.Builder((1, 7, 7))
    net.conv(1, strides=(2, 2), padding=((0, 1), (0, 1)))
    [call] = generator_calls.make(net.build()).calls
    assert (call.arguments["ConvPad"], call.pad_type) == (0, None)


def test_all_formats_in_the_way_are_said_at_once():
    net = programs.Builder((4, 4, 4))
    first = net.conv(4, (1, 1), "x")
    net.tensors[first] = program.Tensor(first, (4, 4, 4), 3)
    net.layers[0] = dataclass_with(net.layers[0], out_q=3)
    second = net.conv(4, (1, 1), "x", bias_norm=14)
    net.concat(first, second)
    with pytest.raises(errors.ExportError) as raised:
        generator_calls.make(net.build(), kernels.SINGLE)
    assert "its inputs are shifted by (0, 2)" in str(raised.value)
    assert "single precision: biases" in str(raised.value)
    with pytest.raises(errors.ExportError, match="single precision: biases"):
        generator_calls.make(programs.ALL["separate_bias16"], kernels.SINGLE)


def grouped():
    net = programs.Builder((4, 6, 6))
    net.conv(4, groups=2)
    return net.build()


def two_results():
    net = programs.Builder((4, 6, 6))
    first, second = net.conv(4), net.conv(2)
    p = net.build()
    return dataclasses.replace(p, outputs=(first, second))


def test_each_of_several_results_is_written_by_a_call_of_its_own():
    p = two_results()
    found = network.from_program(p)
    calls = found.calls
    # The second layer reads the first result, which is copied out.
    assert [call.generator for call in calls.calls][-1] == "CNN_Copy"
    assert calls.outputs == (calls.calls[-1].output, p.outputs[1])
    assert p.outputs[0] in calls.locals
    model = autotiler_model.text(p, calls, "net", 1000)
    assert model.count('"Output_1"') == 2
    assert model.count('"Output_2"') == 2


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (programs.ALL["mixed16"], r"layer 'l0': padding .*\[GAP8-PAD-01\]"),
        (grouped(), r"layer 'l0': groups .* found 2 groups \[GAP8-CONV-04\]"),
    ],
    ids=["padding", "groups"],
)
def test_a_program_that_breaks_a_constraint_is_refused(p, message):
    with pytest.raises(errors.TargetError, match=message):
        network.from_program(p)


def test_sums_of_unequal_formats_have_limits():
    net = programs.Builder((2, 4, 4), q=16)
    first, second = net.conv(2, (1, 1)), net.conv(2, (1, 1))
    net.add(first, second)
    assert len(generator_calls.make(net.build()).calls) == 3
    net.add("t2", second, extra=1)
    with pytest.raises(
        errors.ExportError,
        match=r"fraction bits \[16, 16, 15\].*: multiply the weights .* by 2, and div",
    ):
        generator_calls.make(net.build())


def dataclass_with(layer, out_q):
    """The layer with another format of its output."""
    form = fixed_point.Format(layer.format.in_q, layer.format.weight_q, out_q, out_q)
    fields = {name: getattr(layer, name) for name in ("name", "inputs", "output")}
    return program.Conv(
        **fields,
        weights=layer.weights,
        bias=layer.bias,
        format=form,
        groups=layer.groups,
    )


def test_parts_of_a_concatenation_are_stacked_and_not_declared():
    p = programs.ALL["fire16"]
    calls = generator_calls.make(p)
    assert calls.stacks == {"t4": ("t2", "t3")}
    assert calls.locals == ("t0", "t1", "t4")
    text = autotiler_model.text(p, calls, "fire", 1000)
    names = autotiler_model.symbol_names(p, calls)
    stacked = f'AddStackedTensors("{names["t4"]}", 2, "{names["t2"]}", "{names["t3"]}")'
    assert stacked in text
    assert text.count("AddNode(") == len(calls.calls) == 5
    assert text.count("ConstInfo(") == 8


@pytest.mark.parametrize("num_bits", [16, 8])
@pytest.mark.parametrize("precision", kernels.PRECISIONS)
def test_a_relu_of_8_bits_is_never_a_kernel_of_its_own(num_bits, precision):
    """That of SDK 4.1 takes its upper bound for an address."""
    net = programs.Builder((2, 4, 4), num_bits)
    first, second = net.conv(2, (1, 1), relu=True), net.conv(2, (1, 1))
    net.add(first, second, relu=True, extra=1)
    conv, _, _, relu = generator_calls.make(net.build(), precision).calls
    is_alone = num_bits == 16
    expected = "KOP_NONE" if is_alone else "KOP_MAXPOOL"
    assert relu.arguments["PoolOper"] == expected
    if precision == kernels.DOUBLE:
        expected = "KOP_NONE"
    assert conv.arguments["PoolOper"] == expected
    assert conv.arguments["ReLUOper"] == "KOP_RELU"


def test_what_cannot_be_stacked_is_copied():
    """The input, a part twice, a whole in another whole, a whole that is the result."""
    net = programs.Builder((2, 4, 4))
    part = net.conv(3, (1, 1), norm=16)
    inner = net.concat("x", part, part)
    net.concat(inner, part)
    p = net.build()
    calls = generator_calls.make(p)
    copies = [call for call in calls.calls if call.generator == "CNN_Copy"]
    assert [call.inputs for call in copies] == [
        ("x",),
        (part,),
        (inner,),
        (part,),
        ("t2",),
    ]
    assert copies[0].arguments == {"Sz": 32, "FeatureSize": 2}
    assert calls.stacks[inner] == (copies[0].output, part, copies[1].output)
    assert calls.outputs == (copies[-1].output,)
    parts = [name for names in calls.stacks.values() for name in names]
    assert len(set(parts)) == len(parts) == 5
    assert calls.locals == (inner, "t2")


@pytest.mark.parametrize(
    ("extra", "generators"),
    [
        (0, ["CNN_MatAddRelu"]),
        (1, ["CNN_MatAddDynAdjust", "CNN_PoolReLU"]),
    ],
)
def test_sums_of_unequal_formats_have_a_kernel_and_a_note(extra, generators):
    net = programs.Builder((2, 4, 4))
    first, second = net.conv(2, (1, 1)), net.conv(2, (1, 1))
    net.add(first, second, relu=True, extra=extra)
    calls = generator_calls.make(net.build())
    assert [call.generator for call in calls.calls[2:]] == generators
    assert len(calls.notes) == extra
    assert calls.calls[-1].output == "t2"
