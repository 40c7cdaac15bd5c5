"""Networks of several inputs and outputs through everything that runs or writes one."""

import subprocess

import numpy as np
import pytest

from export.c import files, network
from export.tflite import from_graph, normal_form, verify
from export.tflm import bundle, sources
from tests import several_ends
from tests.export.c import compiler
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import interpreter, simulation

MODEL = several_ends.model()
GRAPH = from_tflite.read(MODEL)
INPUTS = micro.random_inputs(GRAPH, 8)


@pytest.fixture(name="expected", scope="module")
def _expected():
    outputs = micro.run(MODEL, INPUTS, 2)
    assert [each.shape for each in outputs] == [(8, 10), (8, 5)]
    assert all(len(np.unique(each, axis=0)) > 1 for each in outputs)
    return outputs


def assert_all_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_simulated_bit_for_bit(expected):
    assert_all_equal(execution.run(GRAPH, INPUTS), expected)
    assert_all_equal(execution.run(GRAPH, INPUTS, readable=True), expected)


def test_in_child_processes(expected):
    assert_all_equal(interpreter.run(MODEL, INPUTS), expected)
    assert_all_equal(simulation.run(MODEL, INPUTS), expected)


def test_what_takes_one_of_each_says_so():
    with pytest.raises(errors.UsageError, match="has 2 inputs; found 1"):
        execution.predict(GRAPH, INPUTS[0])
    with pytest.raises(errors.UsageError, match="has 2 inputs; found 1"):
        interpreter.predict(MODEL, INPUTS[0])
    with pytest.raises(errors.UsageError, match="as many images for each input"):
        interpreter.run(MODEL, [INPUTS[0], INPUTS[1][:3]])


def test_verified_with_all_of_its_ends():
    found = verify.inspect(MODEL, images=4)
    assert [role for role, _ in found.ends] == ["input", "input", "output", "output"]
    assert [port.name for _, port in found.ends] == ["first", "second", "joined", "sum"]
    assert found.arena.is_smallest


@compiler.needs_gcc
def test_c_is_bit_exact(tmp_path, expected):
    program = compiler.Program(tmp_path, {"net": GRAPH}, *compiler.SANITIZERS)
    assert_all_equal(program.run("net", INPUTS), expected)
    assert_all_equal(program.run("net", INPUTS, in_place=True), expected)
    header = " ".join((tmp_path / "net0" / "net0.h").read_text().split())
    assert "net0_run( const int8_t *input1, const int8_t *input2, int8_t *o" in header


@compiler.needs_gcc
@pytest.mark.parametrize("wrong", [None, 0, 1])
def test_known_answers_in_c_are_those_of_all_outputs(tmp_path, expected, wrong):
    found = files.write(tmp_path / "net", GRAPH, "net", INPUTS)
    answers = [each.copy() for each in expected]
    if wrong is not None:
        answers[wrong][-1, -1] ^= 1
        text = network.test(found, INPUTS, answers)
        (tmp_path / "net" / "net_test.c").write_text(text)
    folder = tmp_path / "net"
    program = compiler.compile_program(folder.glob("*.c"), folder / "program", "-O0")
    code = subprocess.run([program], timeout=60).returncode
    assert code == (0 if wrong is None else 1)


def test_bundle_has_answers_of_all_outputs():
    made = bundle.prepare(MODEL, "several")
    (case,) = made.cases
    assert_all_equal(case.outputs, micro.run(MODEL, case.inputs, 2))
    texts = sources.model_golden(made) | {"io": sources.model_io(made)}
    assert "const Input1Type* input1;" in texts["model_golden.h"]
    assert (
        '{"random", kInput0Of0, kInput1Of0, kOutput0Of0, kOutput1Of0}'
        in (texts["model_golden.cc"])
    )
    assert "constexpr int kNumOutputs = 2;" in texts["io"]
    with pytest.raises(errors.UsageError, match="one input; this one has 2"):
        bundle.prepare(MODEL, "several", sample="some.npy")


def _with_another_subgraph(change=None):
    def add(parsed):
        other = models.schema.ModelT.InitFromPackedBuf(MODEL).subgraphs[0]
        for tensor in other.tensors:
            tensor.buffer = 0
        parsed.subgraphs.append(other)
        if change is not None:
            change(parsed)

    return models.edited(MODEL, add)


def test_the_first_of_several_subgraphs_is_exported(expected):
    found = normal_form.normal(_with_another_subgraph())
    assert found.notes == (
        "1 of 2 subgraphs are left out: the first is what TensorFlow Lite Micro runs",
    )
    assert_all_equal(micro.run(found.model, INPUTS, 2), expected)
    assert len(models.schema.ModelT.InitFromPackedBuf(found.model).subgraphs) == 1


def test_operators_that_run_another_subgraph_are_refused():
    def call(parsed):
        code = parsed.operatorCodes[parsed.subgraphs[0].operators[-1].opcodeIndex]
        code.builtinCode = models.schema.BuiltinOperator.WHILE
        code.deprecatedBuiltinCode = code.builtinCode
        parsed.subgraphs[0].operators[-1].builtinOptions = None
        parsed.subgraphs[0].operators[-1].builtinOptionsType = 0

    with pytest.raises(errors.GraphError, match=r"WHILE runs another .* 2 subgraphs"):
        normal_form.normal(_with_another_subgraph(call))


def test_written_again_it_is_the_same():
    again = from_tflite.read(from_graph.to_bytes(GRAPH))
    assert (again.inputs, again.outputs) == (GRAPH.inputs, GRAPH.outputs)
