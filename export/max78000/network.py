"""A graph made ready for the MAX78000: integers, places, and what they compute."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.metadata import model_metadata
from tfpipeline.numerics import lost_weights as lost_integers
from tfpipeline.targets.max78000 import (
    assemble,
    constant_scalings,
    cost,
    geometry,
    lost_weights,
    lowering,
    placement,
    policy,
    program,
    quantize,
    simulate,
)
from tfpipeline.targets.max78000 import spec as specs

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
        sample: int8 `[rows, columns, channels]`, as the host loads it, folded.
        outputs: every layer's for the sample, `[rows, columns, channels]`.
        notes: for the user, one line each.
        metadata: how the network is fed and what it says, where somebody said so.
    """

    lowered: lowering.Lowered
    placed: placement.Placement
    program: program.Program
    cost: cost.Cost
    sample: npt.NDArray[np.int8]
    outputs: tuple[graph.Array, ...]
    notes: tuple[str, ...]
    metadata: model_metadata.Metadata | None = None


def prepare(
    g: graph.Graph,
    sample: npt.NDArray[np.int8] | None = None,
    *,
    weights: policy.Policy | None = None,
    spec: specs.Spec = specs.MAX78000,
) -> Network:
    """Quantizes where needed, lowers, places and simulates a network.

    Args:
        g: float, or of the MAX78000's integers.
        sample: int8 of the graph's input, without its batch. Random without one.
        weights: bits of the weights of a float graph.
        spec: the device.

    Raises:
        UsageError: bits for weights that are integers already.
        ExportError: a graph of other integers, or a sample of another shape.
        QuantizationError: a layer that has no such integers.
        TargetError: what the device cannot run and where it is too small, all of it.
    """
    notes: list[str] = []
    g, left_out = constant_scalings.without_the_devices_own(g)
    notes += left_out
    if _is_float(g):
        weights = weights or policy.Policy()
        # The device's own reasons come before those of the quantization, and all.
        place(lowering.lower(g, spec, weight_bits=_bits(g, weights)))
        notes += lost_weights.notes(g, weights)
        g = quantize.quantize(g, weights)
        notes.append(
            "quantized after training: activations beyond -1..127/128 saturate"
        )
    else:
        _require_integers(g)
        if weights is not None:
            raise errors.UsageError(
                f"'{g.name}' is quantized already: leave out --weight_bits"
            )
        notes += lost_integers.notes(g)
    is_wide = any(g.tensors[name].dtype == "int32" for name in g.outputs)
    lowered = lowering.lower(g, spec, wide_output=is_wide)
    placed = place(lowered)
    assembled = assemble.assemble(lowered, g)
    shape = g.tensors[g.inputs[0]].shape[1:]
    if sample is None:
        sample = _random(shape)
        notes.append("the sample is random, since none was given")
    if sample.shape != shape or sample.dtype != np.int8:
        raise errors.ExportError(
            f"the sample must be int8 {shape}; found {sample.dtype} {sample.shape}"
        )
    sample = _folded(g, sample).reshape(assembled.input_shape)
    outputs = simulate.outputs(assembled, sample[np.newaxis])
    return Network(
        lowered=lowered,
        placed=placed,
        program=assembled,
        cost=cost.estimate(lowered.layers, lowered.spec),
        sample=sample,
        outputs=tuple(each[0] for each in outputs),
        notes=(*notes, *lowered.notes, *_load_notes(lowered, placed)),
    )


def _load_notes(
    lowered: lowering.Lowered, placed: placement.Placement
) -> tuple[str, ...]:
    """What the tool's own `load_input` gets wrong (ai8x-synthesis ab4f4c0, load.py)."""
    offset = placed.data.input.offset
    channels = lowered.layers[0].in_channels
    passes = geometry.passes(channels, lowered.spec)
    if not offset or passes == 1 or lowered.layers[0].streaming:
        return ()
    share = geometry.processors_of_pass(channels, lowered.spec)
    return (
        f"load_input() of the generated code puts channels {share} and up "
        f"{offset:#x} bytes too low in each memory, so that the test on the board "
        "fails: load the input by code of your own",
    )


def reals(
    prepared: Network, g: graph.Graph, inputs: graph.Array
) -> dict[str, graph.Array]:
    """What the device computes of real inputs, as real numbers by tensors of a graph.

    Args:
        prepared: of `g`.
        g: the graph of integers.
        inputs: float32 `[N, ...]` of the graph's input, in [-1, 127/128].
    """
    integers = quantize.quantize_activations(inputs)
    loaded = np.stack([_folded(g, each) for each in integers])
    loaded = loaded.reshape(len(integers), *prepared.program.input_shape)
    found = {}
    steps = prepared.lowered.steps
    computed = simulate.outputs(prepared.program, loaded)
    for step, values in zip(steps, computed, strict=True):
        tensor = g.tensors.get(step.output)
        if tensor is None or tensor.quant is None:
            continue
        if values[0].size == tensor.num_elements:
            found[step.output] = values * tensor.quant.scale[0]
    return found


def place(lowered: lowering.Lowered) -> placement.Placement:
    """The places of a network's data.

    Raises:
        TargetError: what the device cannot run and where it is too small, all of it.
    """
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
        errors.told(f"'{lowered.name[:60]}' cannot run on {lowered.spec.name}: ", lines)
    )


def _is_float(g: graph.Graph) -> bool:
    return all(tensor.dtype == "float32" for tensor in g.tensors.values())


def _bits(g: graph.Graph, weights: policy.Policy) -> dict[str, int]:
    names = [layer.name for layer in g.layers if isinstance(layer, graph.Weighted)]
    return {name: weights.bits(name) for name in names}


def _require_integers(g: graph.Graph) -> None:
    for name in graph.tensor_names(g):
        tensor = g.tensors[name]
        fits = tensor.dtype == "int32" or tensor.quant == quantize.ACTIVATIONS
        if name in g.constants:
            fits = tensor.quant is None or len(tensor.quant.scale) == 1
        if not fits:
            raise errors.ExportError(
                f"'{g.name}' has integers of another scheme: '{name}' is "
                f"{tensor.dtype} with {_scale(tensor)}, and the MAX78000 needs int8 in "
                "steps of 1/128 about zero, and one power of two a kernel. Export the "
                "float network of the same run, or train with the MAX78000 scheme"
            )


def _scale(tensor: graph.Tensor) -> str:
    if tensor.quant is None:
        return "no scale"
    if len(tensor.quant.scale) > 1:
        return f"{len(tensor.quant.scale)} scales"
    return f"scale {tensor.quant.scale[0]:g}, zero point {tensor.quant.zero_point[0]}"


def _folded(g: graph.Graph, image: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """What the host loads: blocks of pixels as channels, where the graph begins so."""
    first = g.layers[0]
    if not isinstance(first, graph.SpaceToDepth):
        return image
    size = first.block_size
    rows, columns, channels = image.shape
    blocks = image.reshape(rows // size, size, columns // size, size, channels)
    turned = blocks.transpose(0, 2, 1, 3, 4)
    return turned.reshape(rows // size, columns // size, size * size * channels)


def _random(shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    values = np.random.default_rng(_SEED).integers(-128, 128, math.prod(shape))
    return values.astype(np.int8).reshape(shape)
