"""The plan in the file against the head that TFLite Micro records."""

import pathlib
import re

import numpy as np
import pytest
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import from_graph, offline_plan, packing, verify
from tests.cost import mlperf_tiny
from tests.export import tflite_graphs
from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, graph, tflite_file
from tfpipeline.targets.tflm import estimate as tflm

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden").glob("*_int*/*.tflite"))

SCRATCH = {
    "int8 transposed": cases.transposed(cases.INT8)["transposed"],
    "int16 transposed": cases.transposed(cases.INT16)["transposed"],
    "int16 mean": cases.unweighted(cases.INT16)["mean"],
    "int4 conv": cases.convolutions(cases.INT4)["conv strided"],
    "int4 dense": cases.convolutions(cases.INT4)["dense"],
    "int4 depthwise": cases.other_weighted(cases.INT4)["depthwise"],
}


def run(model, images, capfd):
    """The outputs and the recorded head in bytes."""
    found = runtime.Interpreter.from_bytes(
        model,
        arena_size=2**21,
        intrepreter_config=runtime.InterpreterConfig.kAllocationRecording,
    )
    outputs = []
    for image in images:
        found.set_input(image[np.newaxis], 0)
        found.invoke()
        outputs.append(found.get_output(0).copy())
    capfd.readouterr()
    found.print_allocations()
    printed = capfd.readouterr().err
    (head,) = re.findall(r"Arena allocation head (\d+) bytes", printed)
    return np.concatenate(outputs), int(head)


def assert_as_promised(model, capfd):
    """Checks both heads against the plan's; returns it."""
    g = from_tflite.read(model)
    plan = offline_plan.make(model)
    planned = offline_plan.with_plan(model)
    images = micro.random_images(g, 2)
    expected, greedy = run(model, images, capfd)
    assert len(np.unique(expected)) > 1, "a constant shows nothing"
    found, head = run(planned, images, capfd)
    np.testing.assert_array_equal(found, expected)
    assert greedy == plan.greedy_bytes
    assert head == min(plan.head_bytes, greedy)
    assert (planned is model) == (head == greedy)
    assert graph.equal(from_tflite.read(planned), g)
    return plan


def test_visual_wake_words(capfd):
    model = from_graph.to_bytes(tflite_graphs.visual_wake_words())
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    plan = assert_as_promised(model, capfd)
    assert plan.greedy_bytes == network.greedy_bytes == 73_728
    assert plan.head_bytes == network.bound_bytes == 55_296


@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_goldens(path, capfd):
    model = path.read_bytes()
    plan = assert_as_promised(model, capfd)
    # Of the graph, what is estimated before there is a file is the same.
    estimated = tflm.estimate_graph(from_tflite.read(model), estimate.Options()).memory
    assert estimated["arena_greedy_bytes"] == plan.greedy_bytes


@pytest.mark.parametrize("case", SCRATCH)
def test_scratch_memory_of_kernels(case, capfd):
    model = cases.models.one_operator(*SCRATCH[case])
    plan = assert_as_promised(model, capfd)
    g = from_tflite.read(model)
    activations = sum(
        g.tensors[name].num_elements * g.tensors[name].num_bits // 8
        for name in (*g.inputs, *g.outputs)
    )
    assert plan.greedy_bytes >= activations + 16


def test_random_networks(capfd):
    plans = [
        assert_as_promised(
            from_graph.to_bytes(tflite_graphs.random_network(seed)), capfd
        )
        for seed in range(12)
    ]
    # Both outcomes occur, or the test shows nothing.
    assert {plan.head_bytes < plan.greedy_bytes for plan in plans} == {True, False}


def test_the_metadata_and_what_is_kept():
    model = from_graph.to_bytes(
        tflite_graphs.visual_wake_words(), description="wake words"
    )
    planned = offline_plan.with_plan(model)
    assert offline_plan.with_plan(planned) == planned
    parsed = schema.ModelT.InitFromPackedBuf(planned)
    assert parsed.description == b"wake words"
    (entry,) = parsed.metadata
    assert entry.name == b"OfflineMemoryAllocation"
    data = bytes(parsed.buffers[entry.buffer].data)
    numbers = tuple(np.frombuffer(data, "<i4"))
    assert numbers[:3] == (1, 1, len(parsed.subgraphs[0].tensors))
    assert numbers[3:] == offline_plan.make(model).offsets
    assert planned.find(data) % 16 == 0
    converted = GOLDENS[0].read_bytes()
    assert offline_plan.with_plan(converted) == converted


def test_operators_of_unknown_scratch_memory_are_named():
    model = cases.models.one_operator(
        "CUMSUM", [cases.INT8.image(4)], cases.INT8.image(4)
    )
    with pytest.raises(errors.ExportError, match="operator 0 CUMSUM is not known"):
        offline_plan.with_plan(model)


# Four convolutions between wide and narrow tensors: 64 bytes by the greedy rule, 48 by
# ours.
SAVES = (ROOT / "tests/golden/offline_plan/saves_memory.tflite").read_bytes()


def test_a_planned_file_is_verified_by_operator_without_its_plan():
    planned = offline_plan.with_plan(SAVES)
    assert planned != SAVES
    assert tflite_file.parse(offline_plan.without_plan(planned)) is not None
    plain, with_plan = (verify.inspect(each, images=2) for each in (SAVES, planned))
    assert with_plan.operator_agreement == plain.operator_agreement
    assert with_plan.arena.recorded_head_bytes < plain.arena.recorded_head_bytes


def test_a_plan_whose_tensors_overlap_is_found_out():
    planned = offline_plan.with_plan(SAVES)
    parsed = schema.ModelT.InitFromPackedBuf(planned)
    [entry] = [e for e in parsed.metadata if e.name == offline_plan.METADATA.encode()]
    offsets = np.frombuffer(bytes(parsed.buffers[entry.buffer].data), "<i4").copy()
    offsets[3:][offsets[3:] > 0] = 0
    parsed.buffers[entry.buffer].data = offsets.view(np.uint8)
    parsed.buffers = packing.buffers(parsed)
    with pytest.raises(errors.VerificationError, match="tensors overlap"):
        verify.inspect(packing.pack(parsed), images=2)
