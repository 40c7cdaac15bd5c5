"""A graph made ready for the MAX78000: integers, places, and what they compute."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    assemble,
    cost,
    lowering,
    placement,
    policy,
    program,
    quantize,
    simulate,
)

# Of the stand-in for an image that nobody gave.
_SEED = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """All that the files say.

    Attributes:
        lowered: the layers.
        placed: where their data lie.
        program: the layers with their integers.
        cost: operations, memory and cycles.
        sample: int8 `[rows, columns, channels]`, as the host loads it.
        outputs: every layer's for the sample, `[rows, columns, channels]`.
        notes: for the user, one line each.
    """

    lowered: lowering.Lowered
    placed: placement.Placement
    program: program.Program
    cost: cost.Cost
    sample: npt.NDArray[np.int8]
    outputs: tuple[graph.Array, ...]
    notes: tuple[str, ...]


def prepare(
    g: graph.Graph,
    sample: npt.NDArray[np.int8] | None = None,
    *,
    weights: policy.Policy | None = None,
) -> Network:
    """Quantizes where needed, lowers, places and simulates a network.

    Args:
        g: float, or of the MAX78000's integers.
        sample: int8 `[rows, columns, channels]` of the graph's input; of the folded
            image where the graph begins by folding it. Random without one.
        weights: bits of the weights of a float graph.

    Raises:
        ExportError: a graph of other integers, or a sample of another shape.
        QuantizationError: a layer that has no such integers.
        TargetError: what the device cannot run and where it is too small, all of it.
    """
    notes = []
    if _is_float(g):
        g = quantize.quantize(g, weights)
        notes.append(
            "quantized after training: activations beyond -1..127/128 saturate"
        )
    else:
        _require_integers(g)
    is_wide = any(g.tensors[name].dtype == "int32" for name in g.outputs)
    lowered = lowering.lower(g, wide_output=is_wide)
    placed = _placed(lowered)
    assembled = assemble.assemble(lowered, g)
    if sample is None:
        sample = _random(assembled.input_shape)
        notes.append("the sample is random, since none was given")
    if sample.shape != assembled.input_shape or sample.dtype != np.int8:
        raise errors.ExportError(
            f"the sample must be int8 {assembled.input_shape} (rows, columns, "
            f"channels); found {sample.dtype} {sample.shape}"
        )
    outputs = simulate.outputs(assembled, sample[np.newaxis])
    return Network(
        lowered=lowered,
        placed=placed,
        program=assembled,
        cost=cost.estimate(lowered.layers, lowered.spec),
        sample=sample,
        outputs=tuple(each[0] for each in outputs),
        notes=(*notes, *lowered.notes),
    )


def _placed(lowered: lowering.Lowered) -> placement.Placement:
    """The places, or all that is wrong at once."""
    lines = [str(violation) for violation in lowered.violations]
    if lowered.steps and not lowered.violations:
        placed = placement.plan(lowered)
        if not placed.shortages:
            return placed
        lines += [
            each.message(lowered.subject(each.index)) for each in placed.shortages
        ]
    lines = lines or [f"'{lowered.name}' has no layers for the device"]
    raise errors.TargetError(
        f"'{lowered.name}' cannot run on {lowered.spec.name}: " + "; ".join(lines)
    )


def _is_float(g: graph.Graph) -> bool:
    return all(g.tensors[name].dtype == "float32" for name in (*g.inputs, *g.outputs))


def _require_integers(g: graph.Graph) -> None:
    other = [name for name in g.inputs if g.tensors[name].quant != quantize.ACTIVATIONS]
    if other:
        tensor = g.tensors[other[0]]
        raise errors.ExportError(
            f"'{g.name}' has integers of another scheme: '{tensor.name}' is "
            f"{tensor.dtype} with {_scale(tensor)}, and the MAX78000 needs int8 in "
            "steps of 1/128 about zero. Export the float network of the same run, or "
            "train with the MAX78000 scheme"
        )


def _scale(tensor: graph.Tensor) -> str:
    if tensor.quant is None:
        return "no scale"
    return f"scale {tensor.quant.scale[0]:g}, zero point {tensor.quant.zero_point[0]}"


def _random(shape: tuple[int, int, int]) -> npt.NDArray[np.int8]:
    values = np.random.default_rng(_SEED).integers(-128, 128, math.prod(shape))
    return values.astype(np.int8).reshape(shape)
