"""Ends of other types than the layers, through everything that runs or writes them."""

import numpy as np
import pytest

from export.tflite import from_graph, verify
from export.tflm import bundle
from tests import converted_ends
from tests.export.c import compiler
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution
from tfpipeline.targets.stm32 import board_files
from tfpipeline.targets.stm32 import estimate as stm32
from tfpipeline.targets.tflm import flatbuffer

MODEL = converted_ends.model()
GRAPH = from_tflite.read(MODEL)
INPUTS = micro.random_inputs(GRAPH, 64)


@pytest.fixture(name="expected", scope="module")
def _expected():
    (output,) = micro.run(MODEL, INPUTS, 1)
    assert output.dtype == np.int32
    assert len(np.unique(output)) > 64
    return output


def test_simulated_bit_for_bit(expected):
    for readable in (False, True):
        (found,) = execution.run(GRAPH, INPUTS, readable=readable)
        np.testing.assert_array_equal(found, expected)


def test_written_again_it_is_the_same(expected):
    model = from_graph.to_bytes(GRAPH)
    assert from_tflite.read(model).layers == GRAPH.layers
    np.testing.assert_array_equal(micro.run(model, INPUTS, 1)[0], expected)


def test_verified_as_an_int8_network():
    found = verify.inspect(MODEL, types=["int8"], images=4)
    assert (found.input.dtype, found.output.dtype) == ("int16", "int32")


def test_bundle_has_its_types():
    made = bundle.prepare(MODEL, "converted")
    (case,) = made.cases
    assert [each.dtype for each in (*case.inputs, *case.outputs)] == ["int16", "int32"]


@compiler.needs_gcc
def test_c_is_bit_exact(tmp_path, expected):
    program = compiler.Program(tmp_path, {"net": GRAPH}, *compiler.SANITIZERS)
    np.testing.assert_array_equal(program.run("net", INPUTS)[0], expected)


def test_an_end_that_no_quantize_converts_is_refused():
    def widen(parsed):
        # The softmax's own result as the network's.
        parsed.subgraphs[0].outputs = [4]
        parsed.subgraphs[0].operators.pop()

    model = models.edited(MODEL, widen)
    assert flatbuffer.require_integer(model)
    with pytest.raises(errors.ExportError, match="'shares' must be int8 with one"):
        flatbuffer.require_integer(model, ["int8"])


def test_an_int16_network_is_none_of_int8_for_its_borders():
    source = models.Value((1, 4), "int16", 0.1)
    model = models.one_operator("QUANTIZE", [source], source)
    with pytest.raises(errors.ExportError, match="must be int8 or int32 with one"):
        flatbuffer.require_integer(model, ["int8"])


def test_its_time_is_that_of_int8_kernels():
    found = stm32.estimate_graph(
        GRAPH, estimate.Options(), board_files.load("stm32f746")
    )
    assert not any("with int16 activations" in note for note in found.notes)
