"""Any network in any of its forms, as a function of real inputs."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from export.c import host
from export.c import network as c_network
from export.gap8 import network as gap8_network
from export.given import Given
from export.max78000 import network as max78000_network
from export.tflite import after_training, float_runner
from tfpipeline import errors, run_folder
from tfpipeline.ir import from_tflite, graph, serialize
from tfpipeline.numerics import affine
from tfpipeline.post_training import float_network, gap8, host_scaling, input_range
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import program, program_file
from tfpipeline.targets.max78000 import policy
from tfpipeline.targets.tflm import interpreter, reference
from tfpipeline.tasks import head as head_lib
from tfpipeline.untrusted import content

Array = npt.NDArray[np.float32]
Run = Callable[[Array], graph.Array]

FLOAT, INT8, INT16X8, TFLM = "float", "int8", "int16x8", "tflm"
C, MAX78000, GAP8 = "c", "max78000", "gap8"
FORMS = {
    FLOAT: "the network before quantization",
    INT8: "our execution of the integers",
    INT16X8: "likewise, activations of 16 bits",
    TFLM: "TensorFlow Lite Micro's interpreter, of int8",
    C: "our own C of int8, by this machine's compiler",
    MAX78000: "the accelerator's integers",
    GAP8: "the chip's 16 bits",
}
_BATCH = 16
# At the end of a network these are the host's of a MAX78000.
_HOST_FUNCTIONS = ("softmax", "sigmoid", "tanh", "hard_swish")


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network of one input, and what its integers are made with.

    Attributes:
        given: what names it.
        calibration: float32 `[N, ...]`, for forms that are not stored; `None` without.
        low, high: range of the input.
    """

    given: Given
    calibration: Array | None = None
    low: float = -1.0
    high: float = 127 / 128

    def runner(self, form: str) -> Run:
        """Real inputs `[N, ...]` -> the output, real, `[N, ...]`.

        Of several outputs one row an input: each flattened, one behind the other.

        Raises:
            UsageError: the network cannot be had in this form; says what is missing.
            PipelineError: as the exporter of the form.
        """
        path = pathlib.Path(self.given.model)
        if form == C:
            host.require(host.COMPILER)
        if form == MAX78000 and (device := _devices_own(path)) is not None:
            return _of_device(device, self.given.loaded()[0])
        stored = self._stored(path, INT8 if form in (TFLM, C) else form)
        if stored is not None and form == GAP8:
            return _of_program(program_file.read(stored))
        if stored is not None:
            return _of_file(content.read(stored), form)
        return _MADE[form](self._float(form))

    def _stored(self, path: pathlib.Path, form: str) -> pathlib.Path | None:
        """The file of a form that is there; of a run, its export."""
        if path.suffix.lower() == ".tflite" and form in (INT8, INT16X8):
            g = from_tflite.read_file(path)
            expected = "int16" if form == INT16X8 else "int8"
            is_it = g.tensors[g.inputs[0]].dtype == expected
            return path if is_it else None
        if path.is_dir() and form in (INT8, INT16X8, GAP8):
            file = run_folder.RunFolder(path).export_file(form)
            return file if file.is_file() else None
        return None

    def _float(self, form: str) -> float_network.FloatNetwork:
        g, model, notes = self.given.loaded()
        if any(tensor.dtype != "float32" for tensor in g.tensors.values()):
            raise errors.UsageError(
                f"'{self.given.model}' has integers of another form: '{form}' needs "
                "the float network"
            )
        if self.calibration is None and form != FLOAT:
            raise errors.UsageError(
                f"'{self.given.model}' is a float network: '{form}' needs "
                "--calibration=DATA"
            )
        float_execution.require_float(g)
        inputs = self.calibration
        if inputs is None:  # Which the float network itself does not need.
            inputs = np.zeros((1, *g.tensors[g.inputs[0]].shape[1:]), np.float32)
        return float_network.FloatNetwork(
            g,
            inputs,
            input_range.InputRange(self.low, self.high),
            model,
            float_execution.batches if model is None else float_runner.batches,
            notes,
        )

    def input_shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self._graph.tensors[self._graph.inputs[0]].shape[1:]

    def form(self) -> str:
        """The form that the network itself is: the integers of a file, else float."""
        if pathlib.Path(self.given.model).suffix.lower() != ".tflite":
            return FLOAT
        integers = {"int8": INT8, "int16": INT16X8}
        return integers.get(self._graph.tensors[self._graph.inputs[0]].dtype, FLOAT)

    def head(self) -> head_lib.Head:
        """How the network ends."""
        return head_lib.of_graph(self._graph)

    @functools.cached_property
    def _graph(self) -> graph.Graph:
        path = pathlib.Path(self.given.model)
        stored = self._stored(path, INT8) or self._stored(path, INT16X8)
        if stored is not None:
            return from_tflite.read_file(stored)
        return self.given.loaded()[0]


def _row(names: Sequence[str], computed: Mapping[str, graph.Array]) -> graph.Array:
    """The outputs of a network as one array."""
    outputs = [computed[name] for name in names]
    if len(outputs) == 1:
        return outputs[0]
    rows = [each.reshape(len(each), -1) for each in outputs]
    return np.concatenate(rows, axis=1)


def _batches(inputs: Array) -> Iterator[Array]:
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]


def _of_floats(network: float_network.FloatNetwork) -> Run:
    g = network.graph

    def run(inputs: Array) -> graph.Array:
        return np.concatenate([_row(g.outputs, x) for x in network.run(g, inputs)])

    return run


def _of_file(data: bytes, form: str) -> Run:
    g = from_tflite.read(data)

    def ours(inputs: Array) -> graph.Array:
        parts = [after_training.reals(g, each) for each in _batches(inputs)]
        return np.concatenate([_row(g.outputs, part) for part in parts])

    def real(computed: Sequence[graph.Array]) -> graph.Array:
        found = {}
        for name, values in zip(g.outputs, computed, strict=True):
            quant = g.tensors[name].quant
            found[name] = values if quant is None else affine.dequantized(values, quant)
        return _row(g.outputs, found)

    def micro(inputs: Array) -> graph.Array:
        integers = reference.quantize_input(data, inputs)
        return real(interpreter.run(data, [integers]))

    def compiled(inputs: Array) -> graph.Array:
        integers = reference.quantize_input(data, inputs)
        with host.compiled(c_network.prepare(g, "network")) as built:
            return real(built.run([integers]))

    return {TFLM: micro, C: compiled}.get(form, ours)


def _of_tflite(network: float_network.FloatNetwork, form: str, recipe: str) -> Run:
    return _of_file(after_training.made(network, recipe), form)


def _devices_own(path: pathlib.Path) -> graph.Graph | None:
    """The integers of the MAX78000 that a run exported; None where there are none."""
    run = run_folder.RunFolder(path)
    if not path.is_dir() or not run.export_file(MAX78000).is_file():
        return None
    for folder in (run.graph, run.other_graph(MAX78000)):
        if (folder / serialize.FILE_NAME).is_file():
            g = serialize.read(folder)
            if g.tensors[g.inputs[0]].dtype == "int8" and _is_of_device(g):
                return g
    return None


def _is_of_device(g: graph.Graph) -> bool:
    """Whether the input has the device's scale, which no training changes."""
    quant = g.tensors[g.inputs[0]].quant
    return quant is not None and (quant.scale, quant.zero_point) == ((1 / 128,), (0,))


def _of_device(g: graph.Graph, real: graph.Graph) -> Run:
    prepared = max78000_network.prepare(g)
    return _with_hosts_function(
        lambda inputs: _row(g.outputs, max78000_network.reals(prepared, g, inputs)),
        g,
        real,
    )


def _of_max78000(network: float_network.FloatNetwork) -> Run:
    from tfpipeline.post_training import max78000

    quantized = max78000.quantized(network, policy.Policy())
    prepared = max78000_network.prepare(quantized.graph)

    def run(inputs: Array) -> graph.Array:
        loaded = quantized.loaded(inputs)
        computed = max78000_network.reals(prepared, quantized.graph, loaded)
        return _row(quantized.graph.outputs, computed)

    return _with_hosts_function(run, quantized.graph, network.graph)


def _with_hosts_function(run: Run, g: graph.Graph, real: graph.Graph) -> Run:
    """As a program for the chip ends: the host does what the chip cannot.

    Args:
        run: what the device computes.
        g: its graph.
        real: the float network.
    """
    head = head_lib.of_graph(real)
    if head.function == head_lib.of_graph(g).function or (
        head.function not in _HOST_FUNCTIONS
    ):
        return run
    return lambda inputs: head.applied(run(inputs))


def _of_gap8(network: float_network.FloatNetwork) -> Run:
    front = None
    if network.model is not None:
        from tfpipeline.post_training import gap8_network

        network, front = gap8_network.rewritten(network)
    scaled = host_scaling.left_to_host(network)
    _, p = gap8.quantized(scaled.network, 16)
    run = _of_program(p)
    if front is None or not front.notes:
        return lambda inputs: run(scaled.of(inputs))
    return lambda inputs: run(scaled.of(front.of(inputs)))


def _of_program(p: program.Program) -> Run:
    return lambda inputs: _row(p.outputs, gap8_network.reals(p, inputs))


_MADE: dict[str, Callable[[float_network.FloatNetwork], Run]] = {
    FLOAT: _of_floats,
    INT8: lambda network: _of_tflite(network, INT8, "wi8_ai8"),
    INT16X8: lambda network: _of_tflite(network, INT16X8, "wi8_ai16"),
    TFLM: lambda network: _of_tflite(network, TFLM, "wi8_ai8"),
    C: lambda network: _of_tflite(network, C, "wi8_ai8"),
    MAX78000: _of_max78000,
    GAP8: _of_gap8,
}


def known(name: str, allowed: tuple[str, ...] = tuple(FORMS)) -> str:
    """Checks the name of a form.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    if name not in allowed:
        raise errors.UsageError(f"there is no form '{name}': {', '.join(allowed)}")
    return name
