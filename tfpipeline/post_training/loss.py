"""What quantization after training costs, measured on the calibration inputs.

Of each output the ratio of signal to quantization noise (`precision.layer_error` says
what that is), of a vector the part of inputs whose largest value stays, and of the
layers between, those at which the ratio falls most: what a layer reads has lost less
than what it writes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph
from tfpipeline.precision import layer_error, ranges

Array = graph.Array

# 20 dB are a tenth: what is lost is a tenth of the signal's magnitude.
LEAST_DB = 20.0
# Percent of the inputs that get another class.
MOST_POINTS = 2.0

# Inputs that errors are measured on, evenly spaced; and multiply-accumulates of all of
# them at most, since integers run in NumPy.
MAX_INPUTS = 128
_MAX_MACS = 40 * 10**9
_WORST_LAYERS = 3
# What is above is as good as exact.
_EXACT_DB = 100.0


@dataclasses.dataclass(frozen=True, eq=False)
class Form:
    """A network in integers beside the float one that it is of.

    Attributes:
        name: of the form, for the user.
        reference: the float graph.
        inputs: float32 `[N, ...]`, as `reference` reads them.
        run: what runs `reference`.
        compute: inputs -> real values by tensors of `reference`, `[N, ...]`.
        outputs: tensors of `reference` that the integers give to the host.
        says_classes: whether the values of an output are known to be of classes, not
            of a descriptor, say; those of a softmax are in any case.
    """

    name: str
    reference: graph.Graph
    inputs: npt.NDArray[np.float32]
    run: ranges.Runner
    compute: Callable[[npt.NDArray[np.float32]], Mapping[str, Array]]
    outputs: tuple[str, ...]
    says_classes: bool = False


@dataclasses.dataclass(frozen=True)
class Output:
    """How far an output is from the float network's.

    Attributes:
        name: of the tensor.
        db: ratio of signal to noise.
        same_classes: part of the inputs with the same largest value, of an output
            `[1, 2 or more]`; `None` for others.
        is_of_classes: whether that is known to be the part with the same class.
    """

    name: str
    db: float
    same_classes: float | None
    is_of_classes: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether the user must be told."""
        same = self.same_classes if self.is_of_classes else None
        points = round(100 * (1 - (1.0 if same is None else same)), 6)
        # False for what is no number: an output of zeros, which lose nothing.
        return self.db < LEAST_DB or points > MOST_POINTS


@dataclasses.dataclass(frozen=True)
class Loss:
    """What a form costs.

    Attributes:
        form: its name.
        inputs: how many it was measured on.
        outputs: each of them.
        worst: layers at which the ratio falls most, and the ratio behind them.
    """

    form: str
    inputs: int
    outputs: tuple[Output, ...]
    worst: tuple[tuple[str, float], ...]

    @property
    def is_bad(self) -> bool:
        """Whether an output is below the limits."""
        return any(each.is_bad for each in self.outputs)

    @property
    def worst_output(self) -> Output:
        """That of the lowest ratio."""
        return min(self.outputs, key=lambda each: (math.isnan(each.db), each.db))

    def to_text(self) -> str:
        """One line: the worst output, and the layers."""
        output = self.worst_output
        of_all = f", worst of {len(self.outputs)} outputs" if self.outputs[1:] else ""
        told = [f"{output.db:.1f} dB{of_all}"]
        same = [x.same_classes for x in self.outputs if x.same_classes is not None]
        if same:
            told.append(f"same largest output for {100 * min(same):.1f} %")
        layers = ", ".join(f"'{name}' {db:.1f} dB" for name, db in self.worst)
        if layers:
            told.append(f"falls most at {layers}")
        return f"{'; '.join(told)} ({self.inputs} inputs)"

    def warning(self) -> str:
        """The line for a loss that the user must not overlook."""
        return (
            f"{self.form} loses more than {LEAST_DB:g} dB and {MOST_POINTS:g} points "
            f"allow: {self.to_text()}"
        )


def measure(form: Form, macs: int = 0) -> Loss:
    """Measures a form.

    Args:
        form: what is compared.
        macs: multiply-accumulates for one input, which limit how many are taken.
    """
    limit = min(MAX_INPUTS, max(1, _MAX_MACS // max(macs, 1)))
    count = min(len(form.inputs), limit)
    inputs = form.inputs[np.arange(count) * len(form.inputs) // count]
    sums: dict[str, tuple[float, float]] = {}
    classes: dict[str, int] = {}
    start = 0
    for real in form.run(form.reference, inputs):
        size = len(real[form.reference.inputs[0]])
        computed = form.compute(inputs[start : start + size])
        start += size
        for name in computed.keys() & real.keys():
            x = real[name].astype(np.float64)
            noise = x - computed[name].reshape(x.shape)
            before = sums.get(name, (0.0, 0.0))
            found = float((x**2).sum()), float((noise**2).sum())
            sums[name] = before[0] + found[0], before[1] + found[1]
        for name in form.outputs:
            if _is_vector(form.reference, name):
                one, other = (v[name].reshape(size, -1) for v in (real, computed))
                same = int((one.argmax(-1) == other.argmax(-1)).sum())
                classes[name] = classes.get(name, 0) + same
    ratios = {name: layer_error.decibels(*both) for name, both in sums.items()}
    outputs = tuple(
        Output(
            name,
            ratios[name],
            classes[name] / count if name in classes else None,
            form.says_classes or _is_softmax(form.reference, name),
        )
        for name in form.outputs
    )
    return Loss(form.name, count, outputs, _worst(form.reference, ratios))


def _is_vector(g: graph.Graph, name: str) -> bool:
    shape = g.tensors[name].shape
    return len(shape) == 2 and shape[0] == 1 and shape[1] > 1


def ends_with_softmax(g: graph.Graph) -> bool:
    """Whether all outputs of a graph are those of a softmax."""
    return all(_is_softmax(g, name) for name in g.outputs)


def _is_softmax(g: graph.Graph, name: str) -> bool:
    """Whether the values of a tensor are those of a softmax, or lead to one."""
    layers = {layer.output: layer for layer in g.layers}
    layer = layers.get(name)
    while isinstance(layer, graph.Reshape):
        layer = layers.get(layer.inputs[0])
    return isinstance(layer, graph.Softmax) or any(
        isinstance(each, graph.Softmax) and name in each.inputs for each in g.layers
    )


def _worst(
    g: graph.Graph, ratios: Mapping[str, float]
) -> tuple[tuple[str, float], ...]:
    """Layers at which the ratio falls most, each with the ratio of what it writes."""
    behind: dict[str, float] = {}
    falls = []
    for layer in g.layers:
        sources = [_known(behind, ratios, name) for name in layer.inputs]
        before = min((x for x in sources if not math.isnan(x)), default=_EXACT_DB)
        for name in graph.written_names(layer):
            behind[name] = ratios.get(name, before)
            fall = min(before, _EXACT_DB) - behind[name]
            if name in ratios and 0 < fall < math.inf:
                falls.append((fall, layer.name, behind[name]))
    falls.sort(key=lambda each: -each[0])
    return tuple((name, db) for _, name, db in falls[:_WORST_LAYERS])


def _known(
    behind: Mapping[str, float], ratios: Mapping[str, float], name: str
) -> float:
    return behind.get(name, ratios.get(name, math.nan))


def warnings(losses: Sequence[Loss]) -> list[str]:
    """The lines of those that lose too much."""
    return [each.warning() for each in losses if each.is_bad]
