"""A network made ready for the GAP8's files: integers, calls, plan, known answers."""

import dataclasses

import numpy as np

from export.c import literals
from export.gap8 import generator_calls
from export.tflite import from_graph
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.metadata import model_metadata
from tfpipeline.targets.gap8 import (
    calibrate,
    constraints,
    fixed_point,
    kernels,
    l2_plan,
    lowering,
    program,
    program_steps,
    quantize,
    simulate,
    violation,
)

Array = graph.Array

# Inputs whose answers are recorded, and the seed of stand-ins for images.
KNOWN_ANSWERS = 2
_SEED = 1


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """All that the files say.

    Attributes:
        name: of files and functions in C.
        program: the integers.
        precision: of the convolutions in the AutoTiler's model.
        calls: of the AutoTiler's generators.
        samples: integers `[N, channels, rows, columns]` of the known answers.
        plan: of L2; `None` where the data do not fit.
        tflite: the float network, for NNTool, where there is one to be had.
        images: float32 `[N, rows, columns, channels]` of the calibration.
        notes: for the user, one line each.
        metadata: how the network is fed and what it says, where somebody said so.
    """

    name: str
    program: program.Program
    precision: str
    calls: generator_calls.Calls
    samples: Array
    plan: l2_plan.Plan | None = None
    tflite: bytes | None = None
    images: Array | None = None
    notes: tuple[str, ...] = ()
    metadata: model_metadata.Metadata | None = None


def from_float(
    g: graph.Graph,
    images: Array,
    *,
    num_bits: int = 16,
    precision: str = kernels.DOUBLE,
    raw_input: bool = False,
) -> Network:
    """Quantizes a float network after training.

    Args:
        g: float, batch normalizations folded.
        images: float32 `[N, rows, columns, channels]`, whose magnitudes decide the
            formats; the first are the known answers' inputs too.
        num_bits: 16 or 8.
        precision: of the convolutions in the AutoTiler's model.
        raw_input: for a network of a camera's pixels, which are taken as they are.

    Raises:
        TargetError: the chip cannot run the network.
        QuantizationError: formats that cannot be.
        ExportError: what the AutoTiler cannot be told.
    """
    lowering.require_runnable(g, num_bits)
    ranges = calibrate.calibrate(g, images)
    p = quantize.quantize(g, ranges, num_bits=num_bits, raw_input=raw_input)
    return from_program(p, precision=precision, g=g, images=images)


def from_program(
    p: program.Program,
    *,
    precision: str = kernels.DOUBLE,
    g: graph.Graph | None = None,
    images: Array | None = None,
) -> Network:
    """Takes integers as they are.

    Args:
        p: the integers.
        precision: of the convolutions in the AutoTiler's model.
        g: the float network that they are of, for NNTool.
        images: float32 images for it.

    Raises:
        TargetError: the chip cannot run the program.
        ExportError: what the AutoTiler cannot be told.
        UsageError: images of another shape, or an unknown precision.
    """
    if precision not in kernels.PRECISIONS:
        raise errors.UsageError(
            f"the precision must be {' or '.join(kernels.PRECISIONS)}; found "
            f"'{precision}'"
        )
    plan = l2_plan.plan(program_steps.network(p), bits=p.num_bits)
    constraints.require_runnable(violation.Case(graph=None, plan=plan))
    calls = generator_calls.make(p, precision)
    notes = [*p.notes, *calls.notes]
    notes += [*map(str, plan.tilings), *map(str, plan.shortages)]
    tflite = None
    if g is not None and images is not None:
        try:
            tflite = from_graph.to_bytes(g)
        except errors.ExportError as error:
            notes.append(f"nothing for NNTool: {error}")
    if images is None:
        samples = _random(p)
        notes.append("the known answers are of random input, since no image was given")
    else:
        samples = simulate.quantize_images(p, images[:KNOWN_ANSWERS])
    return Network(
        name=literals.identifier(p.name),
        program=p,
        precision=precision,
        calls=calls,
        samples=samples,
        plan=None if plan.shortages else plan,
        tflite=tflite,
        images=images,
        notes=tuple(notes),
    )


def reals(p: program.Program, inputs: Array) -> dict[str, Array]:
    """What the chip computes of real inputs, as real numbers by tensors of a program.

    Args:
        p: the integers.
        inputs: float32 `[N, ...]` of the network's input.

    Returns:
        By tensor float64 `[N, rows, columns, channels]`.
    """
    integers = simulate.outputs(p, simulate.quantize_images(p, inputs))
    return {
        name: values.transpose(0, 2, 3, 1) * 2.0 ** -p.tensors[name].q
        for name, values in integers.items()
    }


def _random(p: program.Program) -> Array:
    """Integers of the whole range."""
    low, high = fixed_point.value_range(p.num_bits)
    width = fixed_point.WIDTHS[p.num_bits]
    random = np.random.default_rng(_SEED)
    shape = (KNOWN_ANSWERS, *p.input.shape)
    return random.integers(low, high, shape, width, endpoint=True)
