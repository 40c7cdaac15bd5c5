"""The greedy plan against the real TFLite Micro interpreter.

The interpreter records how much of its arena the plan takes: the head. It equals the
peak of our greedy plan when the buffers are what TFLM plans with: every activation,
rounded up to 16 bytes, in the file's order, and the scratch memory that kernels ask
for. Of the operators here only MEAN asks for any.
"""

import pathlib
import re

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.cost import mlperf_tiny
from tfpipeline.cost import arena_planner, greedy_planner, liveness
from tfpipeline.targets.tflm import arena, flatbuffer, interpreter, pool

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden" / "tflite_int8").glob("*.tflite"))
CMSISNET = ROOT / "experiments" / "cifar10" / "cmsisnet" / "model.tflite"


def _scratch_bytes(program, operator) -> tuple[int, ...]:
    """What the kernel requests: tensorflow/lite/micro/kernels/reduce_common.cc.

    MEAN of int8: an int32 accumulator an output, and two lists of int32, of the input's
    dimensions and of the axes.
    """
    if operator.name != "MEAN":
        return ()
    operands = [program.tensors[i] for i in (*operator.inputs, *operator.outputs)]
    image, axes, output = operands
    return (4 * output.num_bytes, 4 * len(image.shape), axes.num_bytes)


def _buffers(model: bytes) -> tuple[liveness.Buffer, ...]:
    program = flatbuffer.read(model)
    activations = {t.index: t for t in program.tensors if not t.is_constant}
    steps = [
        liveness.Step(
            operator.name,
            tuple(str(i) for i in operator.inputs if i in activations),
            tuple(str(i) for i in operator.outputs),
            _scratch_bytes(program, operator),
        )
        for operator in program.operators
    ]
    sizes = {str(i): tensor.num_bytes for i, tensor in activations.items()}
    inputs, outputs = map(str, program.inputs), map(str, program.outputs)
    return liveness.find_buffers(sizes, steps, list(inputs), list(outputs))


def recorded_heads(models: list[bytes]) -> list[int]:
    """The head in bytes that the interpreter records for each network."""
    jobs = []
    for model in models:
        program = flatbuffer.read(model)
        options = {
            "arena_bytes": interpreter.generous_arena_bytes(program),
            "report": True,
        }
        # No inputs: the report is of the allocation.
        jobs.append(pool.Job("tflm_predict", model, {}, options))
    heads = []
    for reply in pool.run(jobs, timeout_seconds=60):
        assert reply.failure is None, reply.failure
        heads += re.findall(r"Arena allocation head (\d+) bytes", reply.stderr)
    return [int(head) for head in heads]


def _greedy_peak(model: bytes) -> int:
    return greedy_planner.plan_greedily(_buffers(model)).peak_bytes


def test_head_of_the_golden_networks():
    models = [path.read_bytes() for path in (*GOLDEN, CMSISNET)]
    assert recorded_heads(models) == [_greedy_peak(model) for model in models]


def test_head_that_the_arena_search_reports():
    model = GOLDEN[0].read_bytes()
    assert arena.find_arena(model).recorded_head_bytes == _greedy_peak(model)


class _Writer:
    """A `.tflite` file of copies, slices and concatenations of int8 vectors."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        for builtin in ("SLICE", "CONCATENATION"):
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, builtin)
            code.deprecatedBuiltinCode = code.builtinCode
            code.version = 1
            self.model.operatorCodes.append(code)
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def vector(self, size: int) -> int:
        tensor = schema.TensorT()
        tensor.shape = [1, size]
        tensor.type = schema.TensorType.INT8
        tensor.name = f"t{len(self.graph.tensors)}"
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
        return self._add(tensor)

    def slice(self, source: int, target: int) -> None:
        size = self.graph.tensors[target].shape
        constants = [self._constant([0, 0]), self._constant(size)]
        self._operator(0, [source, *constants], target, "SliceOptions")

    def concatenate(self, sources: list[int], target: int) -> None:
        self._operator(1, sources, target, "ConcatenationOptions").axis = 1

    def finish(self, image: int, output: int) -> bytes:
        self.graph.inputs, self.graph.outputs = [image], [output]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), flatbuffer.FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _constant(self, values: list[int]) -> int:
        tensor, buffer = schema.TensorT(), schema.BufferT()
        buffer.data = np.array(values, "<i4").view(np.uint8)
        self.model.buffers.append(buffer)
        tensor.shape, tensor.type = [len(values)], schema.TensorType.INT32
        tensor.name = f"t{len(self.graph.tensors)}"
        tensor.buffer = len(self.model.buffers) - 1
        return self._add(tensor)

    def _add(self, tensor) -> int:
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _operator(self, code: int, inputs: list[int], output: int, options: str):
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = code, inputs
        operator.outputs = [output]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        operator.builtinOptions = getattr(schema, f"{options}T")()
        self.graph.operators.append(operator)
        return operator.builtinOptions


def _chain(sizes: list[int], *, reverse: bool) -> bytes:
    """Layers of the given sizes; `reverse` numbers the tensors from the last."""
    writer = _Writer()
    order = list(range(len(sizes)))
    tensors = dict.fromkeys(order, 0)
    for index in reversed(order) if reverse else order:
        tensors[index] = writer.vector(sizes[index])
    for index in order[1:]:
        source, target = tensors[index - 1], tensors[index]
        if sizes[index] <= sizes[index - 1]:
            writer.slice(source, target)
        else:
            assert sizes[index] == 2 * sizes[index - 1]
            writer.concatenate([source, source], target)
    return writer.finish(tensors[0], tensors[order[-1]])


def _random_network(seed: int) -> bytes:
    """Twelve operators on any of the last four tensors."""
    random = np.random.default_rng(seed)
    writer = _Writer()
    sizes = {writer.vector(200): 200}
    for _ in range(12):
        recent = list(sizes)[-4:]
        sources = [int(i) for i in random.choice(recent, 2)]
        if random.random() < 0.5:
            size = int(random.integers(1, sizes[sources[0]] + 1))
            target = writer.vector(size)
            writer.slice(sources[0], target)
        else:
            size = sizes[sources[0]] + sizes[sources[1]]
            target = writer.vector(size)
            writer.concatenate(sources, target)
        sizes[target] = size
    return writer.finish(0, target)


@pytest.mark.parametrize("reverse, head", [(False, 73_728), (True, 64_512)])
def test_head_of_the_sizes_of_visual_wake_words(reverse, head):
    # The order of the file's tensors decides between buffers of one size.
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    sizes = [buffer.bytes for buffer in network.buffers()]
    model = _chain(sizes, reverse=reverse)
    assert recorded_heads([model]) == [_greedy_peak(model)] == [head]
    ours = arena_planner.plan_arena(_buffers(model))
    assert ours.peak_bytes == network.bound_bytes


def test_head_of_random_networks():
    models = [_random_network(seed) for seed in range(4)]
    peaks = [_greedy_peak(model) for model in models]
    assert recorded_heads(models) == peaks
    assert len(set(peaks)) > 1
