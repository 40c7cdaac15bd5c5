"""TFLite's reference against TFLite Micro, operator by operator."""

import dataclasses
import pathlib

import numpy as np
import pytest

from export.tflm import limits
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.ir import tflite_file
from tfpipeline.targets.tflm import agreement, detach, flatbuffer, interpreter

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int8"
IMAGES = np.random.default_rng(3).integers(-128, 128, (300, 8, 8, 3), np.int8)


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.tflite").read_bytes()


@pytest.mark.parametrize("name", ["plain_qat", "depthwise_ptq", "residual_qat"])
def test_only_fully_connected_differs(name):
    rows = agreement.compare_operators(golden(name), [IMAGES])
    program = flatbuffer.read(golden(name))

    assert [row.name for row in rows] == [o.name for o in program.operators]
    for row, operator in zip(rows, program.operators, strict=True):
        shape = program.tensors[operator.outputs[0]].shape
        assert row.elements == len(IMAGES) * np.prod(shape)
    assert {row.name for row in rows if row.differing} == {"FULLY_CONNECTED"}
    assert max(row.max_lsb for row in rows) == 1


def test_without_its_tolerance_fully_connected_is_refused(monkeypatch):
    monkeypatch.setattr(agreement, "TOLERANCE_LSB", {})
    with pytest.raises(
        errors.VerificationError,
        match=r"FULLY_CONNECTED .* differ by 1 LSB in \d+ of 3000 results; allowed 0",
    ):
        agreement.compare_operators(golden("depthwise_qat"), [IMAGES])


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("concat_qat", 0), ("depthwise_qat", 1), ("plain_qat", None)],
)
def test_end_to_end_tolerance_follows_the_network(name, tolerance):
    micro = np.zeros((4, 10), np.int8)
    off = micro.copy()
    off[2, 3] = 1
    result = agreement.compare_outputs(golden(name), [micro], [micro])
    assert result == agreement.EndToEnd(4, 0, 0, 4, tolerance)
    if tolerance == 0:
        with pytest.raises(errors.VerificationError, match="1 LSB on 1 of 4 images"):
            agreement.compare_outputs(golden(name), [off], [micro])
    else:
        result = agreement.compare_outputs(golden(name), [off], [micro])
        assert result == agreement.EndToEnd(4, 1, 1, 3, tolerance)


def test_one_step_is_the_limit_for_a_last_fully_connected():
    micro = np.zeros((4, 10), np.int8)
    with pytest.raises(errors.VerificationError, match="2 LSB on 4 of 4 images"):
        agreement.compare_outputs(golden("depthwise_qat"), [micro + 2], [micro])


def test_detached_operators_read_only_inputs():
    detached, forced, produced = detach.detach(golden("residual_qat"))
    original = flatbuffer.read(golden("residual_qat"))

    assert forced[0] == original.inputs[0]
    assert produced == tuple(o.outputs[0] for o in original.operators)
    # The addition reads two results; every result but the last is read by something.
    assert forced[1:] == produced[:-1]
    cut = flatbuffer.read(detached)
    assert len(cut.inputs) == len(forced)
    assert len(cut.outputs) == len(produced)


def test_an_output_that_has_ones_more_is_the_same():
    micro = np.arange(40, dtype=np.int8).reshape(4, 10)
    model = golden("concat_qat")
    result = agreement.compare_outputs(model, [micro[:, np.newaxis]], [micro])
    assert (result.differing_images, result.same_class) == (0, 4)
    with pytest.raises(errors.VerificationError, match=r"\(9,\), TFLite Micro \(10,\)"):
        agreement.compare_outputs(model, [micro[:, :9]], [micro])


@pytest.mark.parametrize("name", ["LEAKY_RELU", "PRELU"])
def test_slopes_may_differ_by_one_step(name):
    case = {
        "LEAKY_RELU": cases.sloped(cases.INT8)["leaky relu falling"],
        "PRELU": cases.sloped(cases.INT8)["prelu"],
    }[name]
    model = cases.models.one_operator(*case)
    inputs = interpreter.random_inputs(flatbuffer.read(model), 8)
    (row,) = agreement.compare_operators(model, inputs)
    assert (row.max_lsb, row.tolerance_lsb) == (1, 1)


@pytest.mark.parametrize(
    ("name", "scale"), [("RELU", 0.00688), ("ABS", 0.00688), ("MUL", 0.007)]
)
def test_scales_of_float32_may_differ_by_one_step(name, scale):
    inputs = [cases.Value((1, 2**16), "int16", 0.01)]
    options = None
    if name == "MUL":
        factor = cases.Value((1, 1), "int16", 0.02, data=np.array([[37]], np.int16))
        inputs.append(factor)
        options = cases.schema.MulOptionsT()
    result = cases.Value((1, 2**16), "int16", scale)
    model = cases.models.one_operator(name, inputs, result, options)
    every = np.arange(-(2**15), 2**15, dtype=np.int16).reshape(1, -1)
    (row,) = agreement.compare_operators(model, [every])
    assert 0 < row.differing < 2**10
    assert (row.max_lsb, row.tolerance_lsb) == (1, 1)


def test_positions_are_a_network_s_result():
    case = cases.int8_only(cases.INT8)["position of the largest"]
    model = cases.models.one_operator(*case)
    program = flatbuffer.require_integer(model)
    assert flatbuffer.positions(program) == {*program.outputs}
    micro = interpreter.run(model, interpreter.random_inputs(program, 8))
    assert micro[0].dtype == np.int32
    found = agreement.compare_outputs(model, micro, micro)
    assert (found.images, found.max_lsb, found.tolerance_lsb) == (8, 0, 0)


def test_integers_of_32_bits_that_are_no_position_are_refused():
    source = cases.Value((1, 4), "int32", 0.001)
    shape = cases.models.integers([1, 2, 2])
    result = dataclasses.replace(source, shape=(1, 2, 2))
    model = cases.models.one_operator("RESHAPE", [source, shape], result)
    with pytest.raises(errors.ExportError, match="must be int8 or int16 with one"):
        flatbuffer.require_integer(model)


def test_wide_positions_are_refused_in_one_line():
    name, inputs, result, _ = cases.int8_only(cases.INT8)["position of the largest"]
    result = dataclasses.replace(result, dtype="int64")
    options = cases.schema.ArgMaxOptionsT(outputType=cases.schema.TensorType.INT64)
    model = cases.models.one_operator(name, inputs, result, options)
    with pytest.raises(errors.ExportError, match="must be int32") as caught:
        flatbuffer.require_integer(model)
    assert limits.reasons(tflite_file.parse(model)) == [str(caught.value)]
