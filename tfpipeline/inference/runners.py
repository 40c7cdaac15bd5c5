"""Any network in any of its forms, as a function of real inputs."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from export.c import compiled, host
from export.c import network as c_network
from export.gap8 import network as gap8_network
from export.given import Given
from export.max78000 import network as max78000_network
from export.tflite import after_training, float_runner, from_graph, output_runner
from tfpipeline import errors, run_folder
from tfpipeline.ir import from_tflite, graph, serialize
from tfpipeline.numerics import affine
from tfpipeline.post_training import (
    float_ends,
    float_network,
    gap8,
    host_scaling,
    input_range,
    tflite,
)
from tfpipeline.precision import formats
from tfpipeline.precision import options as options_lib
from tfpipeline.simulate import execution, float_execution
from tfpipeline.targets.gap8 import program, program_file
from tfpipeline.targets.max78000 import policy
from tfpipeline.targets.tflm import interpreter, reference
from tfpipeline.tasks import head as head_lib
from tfpipeline.untrusted import content

Array = npt.NDArray[np.float32]
Run = Callable[[Array], graph.Array]
# Of all outputs, in the order of the network's.
RunAll = Callable[[Array], tuple[graph.Array, ...]]

FLOAT, INT8, INT16X8, TFLM = "float", "int8", "int16x8", "tflm"
INT8_PER_TENSOR, INT8_EQUALIZED = "int8_per_tensor", "int8_equalized"
INT4 = "int4"
INT16, FIXED16 = "int16", "fixed16"
C, MAX78000, GAP8 = "c", "max78000", "gap8"
FORMS = {
    FLOAT: "the network before quantization",
    INT8: "our execution of the integers",
    INT8_PER_TENSOR: "likewise, one scale a kernel",
    INT8_EQUALIZED: "likewise, channels brought to like ranges first",
    INT4: "likewise, kernels of 4 bits",
    INT16X8: "likewise, activations of 16 bits",
    INT16: "likewise, kernels of 16 bits too, which nothing deploys",
    FIXED16: "likewise, every scale a power of two and one a kernel",
    TFLM: "TensorFlow Lite Micro's interpreter, of int8",
    C: "our own C of int8, by this machine's compiler",
    MAX78000: "the accelerator's integers",
    GAP8: "the chip's 16 bits",
}
_BATCH = 16
# Inputs that TFLite's kernels have to give our integers of, before they run the rest.
_COMPARED = 2


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """How TFLite's rules are applied.

    Attributes:
        name: of the number format.
        options: what is done beyond rounding.
        by: what computes them: TFLM, C, or our execution.
        is_of_one_core: whether it leaves other cores to others.
    """

    name: str
    options: options_lib.Options = options_lib.PLAIN
    by: str = ""
    is_of_one_core: bool = False


_RECIPES = {
    INT8: _Recipe("wi8_ai8", is_of_one_core=True),
    INT8_PER_TENSOR: _Recipe(
        "wi8_ai8", options_lib.Options(per_tensor=True), is_of_one_core=True
    ),
    INT8_EQUALIZED: _Recipe(
        "wi8_ai8", options_lib.Options(equalize=True), is_of_one_core=True
    ),
    INT4: _Recipe("wi4_ai8", is_of_one_core=True),
    INT16X8: _Recipe("wi8_ai16"),
    INT16: _Recipe("wi16_ai16"),
    FIXED16: _Recipe("wi16_ai16_fixed"),
    TFLM: _Recipe("wi8_ai8", by=TFLM),
    C: _Recipe("wi8_ai8", by=C),
}
# At the end of a network these are the host's of a MAX78000.
_HOST_FUNCTIONS = ("softmax", "sigmoid", "tanh", "hard_swish")


def is_of_one_core(form: str) -> bool:
    """Whether a form is worth several processes: it takes one core of each.

    Others take all cores by themselves, or prepare each call anew.
    """
    return form == FLOAT or (form in _RECIPES and _RECIPES[form].is_of_one_core)


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
        run = self.all_outputs(form)
        return lambda inputs: _row(run(inputs))

    def all_outputs(self, form: str, *, float_ends_only: bool = False) -> RunAll:
        """Real inputs `[N, ...]` -> every output, real, `[N, ...]`.

        Args:
            form: of FORMS.
            float_ends_only: of a float network, softmax and sigmoid at its outputs are
                computed in float behind the integers, as a host of a chip does.

        Raises:
            UsageError, PipelineError: as `runner`.
        """
        path = pathlib.Path(self.given.model)
        if form == C:
            host.require(host.COMPILER)
        if form == GAP8 and self.given.gap_quantized is not None:
            return _of_program(self.given.gap_quantized.program)
        if form == MAX78000 and (device := _devices_own(path)) is not None:
            return _of_device(device, self.given.loaded()[0])
        stored = self._stored(path, INT8 if form in (TFLM, C) else form)
        if stored is not None and form == GAP8:
            return _of_program(program_file.read(stored))
        if stored is not None:
            return _of_file(content.read(stored), form)
        network = self._float(form)
        # The accelerator's own way leaves them to the host by itself.
        if form in (FLOAT, MAX78000) or not float_ends_only:
            return _made(network, form)
        opened = float_ends.opened(network.graph)
        run = _made(dataclasses.replace(network, graph=opened.graph), form)
        return lambda inputs: opened.applied(run(inputs))

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
            input_range.between(self.low, self.high),
            model,
            float_execution.batches if model is None else float_runner.batches,
            notes,
        )

    def input_shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self._graph.tensors[self._graph.inputs[0]].shape[1:]

    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of every output of one input."""
        g = self._graph
        return tuple(g.tensors[name].shape[1:] for name in g.outputs)

    def form(self) -> str:
        """The form that the network itself is: the integers of a file, else float."""
        if self.given.gap_quantized is not None:
            return GAP8
        if pathlib.Path(self.given.model).suffix.lower() != ".tflite":
            return FLOAT
        integers = {"int8": INT8, "int16": INT16X8}
        return integers.get(self._graph.tensors[self._graph.inputs[0]].dtype, FLOAT)

    def head(self) -> head_lib.Head:
        """How the network ends."""
        return head_lib.of_graph(self._graph)

    def heads(self) -> tuple[head_lib.Head, ...]:
        """How each of its outputs ends."""
        return float_ends.opened(self._graph).heads

    @functools.cached_property
    def _graph(self) -> graph.Graph:
        path = pathlib.Path(self.given.model)
        stored = self._stored(path, INT8) or self._stored(path, INT16X8)
        if stored is not None:
            return from_tflite.read_file(stored)
        return self.given.loaded()[0]


def _row(outputs: Sequence[graph.Array]) -> graph.Array:
    """The outputs of a network as one array."""
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate([each.reshape(len(each), -1) for each in outputs], axis=1)


def _batches(inputs: Array) -> Iterator[Array]:
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]


def _made(network: float_network.FloatNetwork, form: str) -> RunAll:
    if form in _RECIPES:
        return _of_tflite(network, _RECIPES[form])
    return _MADE[form](network)


def _of_floats(network: float_network.FloatNetwork) -> RunAll:
    g = network.graph

    def ours(inputs: Array) -> tuple[graph.Array, ...]:
        batches = [
            [values[name] for name in g.outputs] for values in network.run(g, inputs)
        ]
        return tuple(np.concatenate(each) for each in zip(*batches, strict=True))

    if network.model is None or not execution.keeps_batch(g):
        return ours
    try:
        quick = output_runner.runner(from_graph.to_bytes(g), integers=False)
    except errors.ExportError:
        return ours
    return quick or ours


def _of_file(data: bytes, by: str) -> RunAll:
    g = from_tflite.read(data)

    def micro(inputs: Array) -> tuple[graph.Array, ...]:
        integers = reference.quantize_input(data, inputs)
        return _reals(g, interpreter.run(data, [integers]))

    def in_c(inputs: Array) -> tuple[graph.Array, ...]:
        integers = reference.quantize_input(data, inputs)
        with host.compiled(c_network.prepare(g, "network")) as built:
            return _reals(g, built.run([integers]))

    return {TFLM: micro, C: in_c}.get(by) or _of_integers(g, data)


def _of_tflite(network: float_network.FloatNetwork, recipe: _Recipe) -> RunAll:
    form = formats.named(recipe.name)
    if not form.is_deployable:
        _, g = tflite.quantized(network, form, recipe.options)
        return _of_integers(g)
    data = after_training.made(network, recipe.name, recipe.options)
    return _of_file(data, recipe.by)


def _of_integers(g: graph.Graph, data: bytes | None = None) -> RunAll:
    """Our execution; what computes the same faster where there is something.

    That is TFLite's own kernels of int8, whose roundings are not always ours, or our C
    where there is a compiler. Whether they do is asked of the first inputs of the first
    call: these run in both.

    Args:
        g: the integers.
        data: their `.tflite`; None of those that nothing deploys.
    """

    def ours(inputs: Array) -> tuple[graph.Array, ...]:
        parts = [after_training.reals(g, each) for each in _batches(inputs)]
        return tuple(
            np.concatenate([part[name] for part in parts]) for name in g.outputs
        )

    if data is None or not execution.keeps_batch(g):
        return ours
    chosen: list[RunAll] = []

    def run(inputs: Array) -> tuple[graph.Array, ...]:
        if not chosen:
            some = inputs[:_COMPARED]
            expected = ours(some)
            same = (
                each
                for each in _quicker(g, data)
                if output_runner.equal(expected, each(some))
            )
            chosen.append(next(same, ours))
        return chosen[0](inputs)

    return run


def _quicker(g: graph.Graph, data: bytes) -> Iterator[RunAll]:
    """What may compute the integers faster than our execution, the quickest first."""
    # With 16 bits TFLite has its reference kernels only.
    if g.tensors[g.inputs[0]].dtype == "int8":
        run = output_runner.runner(data, integers=True)
        if run is not None:
            yield functools.partial(_through_integers, g, run)
    run = compiled.runner(g)
    if run is not None:
        yield functools.partial(_through_integers, g, run)


def _through_integers(
    g: graph.Graph, run: output_runner.Run, inputs: Array
) -> tuple[graph.Array, ...]:
    return _reals(g, run(_integers(g, inputs)))


def _integers(g: graph.Graph, inputs: Array) -> graph.Array:
    source = g.tensors[g.inputs[0]]
    assert source.quant is not None
    return affine.quantized_float32(
        inputs, source.quant.scale[0], source.quant.zero_point[0], source.dtype
    )


def _reals(g: graph.Graph, outputs: Sequence[graph.Array]) -> tuple[graph.Array, ...]:
    """What integers of the outputs stand for; positions are what they are."""
    quants = [g.tensors[name].quant for name in g.outputs]
    return tuple(
        values if quant is None else affine.dequantized(values, quant)
        for values, quant in zip(outputs, quants, strict=True)
    )


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


def _of_device(g: graph.Graph, real: graph.Graph) -> RunAll:
    prepared = max78000_network.prepare(g)

    def run(inputs: Array) -> tuple[graph.Array, ...]:
        computed = max78000_network.reals(prepared, g, inputs)
        return tuple(computed[name] for name in g.outputs)

    return _with_hosts_function(run, g, real)


def _of_max78000(network: float_network.FloatNetwork) -> RunAll:
    from tfpipeline.post_training import max78000

    quantized = max78000.quantized(network, policy.Policy())
    prepared = max78000_network.prepare(quantized.graph)

    def run(inputs: Array) -> tuple[graph.Array, ...]:
        loaded = quantized.loaded(inputs)
        computed = max78000_network.reals(prepared, quantized.graph, loaded)
        return tuple(computed[name] for name in quantized.graph.outputs)

    return _with_hosts_function(run, quantized.graph, network.graph)


def _with_hosts_function(run: RunAll, g: graph.Graph, real: graph.Graph) -> RunAll:
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
    return lambda inputs: tuple(map(head.applied, run(inputs)))


def _of_gap8(network: float_network.FloatNetwork) -> RunAll:
    front = host_scaling.Scaling()
    if network.model is not None:
        from tfpipeline.post_training import gap8_network as layers_of_gap8

        network, front = layers_of_gap8.rewritten(network)
    network, scaling = host_scaling.left_to_host(network)
    _, p = gap8.quantized(network, 16)
    run = _of_program(p)
    return lambda inputs: run(scaling.of(front.of(inputs)))


def _of_program(p: program.Program) -> RunAll:
    def run(inputs: Array) -> tuple[graph.Array, ...]:
        values = gap8_network.reals(p, inputs)
        return tuple(values[name] for name in p.outputs)

    return run


_MADE: dict[str, Callable[[float_network.FloatNetwork], RunAll]] = {
    FLOAT: _of_floats,
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
