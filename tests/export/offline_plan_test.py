"""The plan in the file against the head that TFLite Micro records."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import from_graph, offline_plan
from tests import graph_builder
from tests.cost import mlperf_tiny
from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph

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
    found, head = run(planned, images, capfd)
    np.testing.assert_array_equal(found, expected)
    assert greedy == plan.greedy_bytes
    assert head == min(plan.head_bytes, greedy)
    assert (planned is model) == (head == greedy)
    assert graph.equal(from_tflite.read(planned), g)
    return plan


def quantized(g, seed=0):
    """The float graph in int8: random kernels and biases, one scale for all."""
    random = np.random.default_rng(seed)
    tensors, constants = {}, {}
    weights = {each.weights for each in g.layers if isinstance(each, graph.Weighted)}
    activation = graph.QuantParams((0.03125,), (-3,), 8)
    for name, tensor in g.tensors.items():
        dtype, quant = "int8", activation
        if name in weights:
            quant = graph.QuantParams((0.0078125,), (0,), 8)
            constants[name] = random.integers(-127, 128, tensor.shape).astype(np.int8)
        elif name in g.constants:
            dtype, quant = "int32", None
            constants[name] = random.integers(-900, 900, tensor.shape).astype(np.int32)
        tensors[name] = dataclasses.replace(tensor, dtype=dtype, quant=quant)
    return dataclasses.replace(g, tensors=tensors, constants=constants)


def visual_wake_words():
    """MobileNet v1 of a quarter of the width on 96x96, as MLPerf Tiny has it."""
    builder = graph_builder.Builder((96, 96, 3))
    builder.conv(8, stride=2)
    for channels, stride in [
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        *[(128, 1)] * 5,
        (256, 2),
        (256, 1),
    ]:
        builder.depthwise(3, stride=stride)
        builder.conv(channels, 1)
    builder.pool(3, kind=graph.AveragePool)
    builder.dense(2)
    return quantized(builder.build())


def test_visual_wake_words(capfd):
    model = from_graph.to_bytes(visual_wake_words())
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    plan = assert_as_promised(model, capfd)
    assert plan.greedy_bytes == network.greedy_bytes == 73_728
    assert plan.head_bytes == network.bound_bytes == 55_296


@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_goldens(path, capfd):
    assert_as_promised(path.read_bytes(), capfd)


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


def random_network(seed):
    """Twenty layers, some of them concatenations of what lies further back."""
    random = np.random.default_rng(seed)
    builder = graph_builder.Builder((8, 8, 4))
    names = []
    for _ in range(20):
        choice = random.integers(4)
        planes = [n for n in names[-4:] if n != builder.last]
        if choice == 0 and planes:
            builder.concat(*random.choice(planes, 1))
        elif choice == 1:
            builder.depthwise(3)
        else:
            builder.conv(int(random.integers(1, 40)), 1)
        names.append(builder.last)
    builder.mean()
    return quantized(builder.build(), seed)


def test_random_networks(capfd):
    plans = [
        assert_as_promised(from_graph.to_bytes(random_network(seed)), capfd)
        for seed in range(12)
    ]
    # Both outcomes occur, or the test shows nothing.
    assert {plan.head_bytes < plan.greedy_bytes for plan in plans} == {True, False}


def test_the_metadata_and_what_is_kept():
    model = from_graph.to_bytes(visual_wake_words(), description="wake words")
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
        "SVDF", [cases.INT8.image(4)], cases.INT8.image(4)
    )
    with pytest.raises(errors.ExportError, match="operator 0 SVDF is not known"):
        offline_plan.with_plan(model)
