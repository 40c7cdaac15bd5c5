"""What a graph costs on a board: the target's part of `tfpipeline.estimate`."""

import functools
from collections.abc import Mapping, Sequence

from tfpipeline import errors
from tfpipeline.cost import (
    activations,
    arena_planner,
    estimate,
    greedy_planner,
    kernel_scratch,
    liveness,
    memory_plan,
    occupancy,
    target,
    weights,
)
from tfpipeline.ir import graph
from tfpipeline.targets.stm32 import board_files, cost, lowering, scratch, spec

# The only board of the 2018 paper; its cycles hold for this core and memory.
_Q7_BOARD = "stm32f746"

# What the survey of all targets has: the four of before boards were files. Others are
# asked for by name.
_SURVEYED = ("stm32f746", "stm32l4r5", "stm32h7a3", "stm32u575")

_NOTES = (
    "RAM is the arena of activations and kernel scratch by TFLite Micro's own plan; "
    "flash is weights and biases. Program code, the interpreter's tables (about 8 B an "
    "output channel and 24 B a tensor) and stack come on top.",
)


def estimate_graph(
    g: graph.Graph, options: estimate.Options, board: spec.Board
) -> estimate.Estimate:
    """Estimates a well-formed graph on `board`.

    Raises:
        UsageError: nothing in the network computes.
    """
    layers = lowering.lower(g)
    clock_hz = options.clock_hz or board.clock_hz
    found = [cost.estimate_s8(layers, board, clock_hz=clock_hz)]
    notes = [
        *_NOTES,
        _known(board),
        *lowering.stand_ins(g),
        *_width_notes(g, options),
    ]
    buffers = activations.find_buffers(
        g,
        bits=options.activation_bits,
        scratch=functools.partial(scratch.of_layer, bits=options.activation_bits),
    )
    plan = greedy_planner.plan_greedily(buffers)
    memory = _memory(g, board, options, plan)
    if board.name == _Q7_BOARD:
        try:
            found.append(cost.estimate_q7(layers, clock_hz=clock_hz))
            memory |= _q7_memory(layers)
        except errors.UsageError as error:
            notes.append(str(error))
    return estimate.Estimate(
        target=board.name,
        layers=tuple(
            estimate.graph_layer(
                g, layer, {each.profile: each.cycles[index] for each in found}
            )
            for index, layer in enumerate(g.layers)
        ),
        latency={
            each.profile: estimate.Latency(
                cycles=sum(each.cycles),
                seconds=each.seconds,
                relative_error=each.relative_error,
                joules=_joules(each, board),
                evidence=_evidence(each, board),
            )
            for each in found
        },
        memory=memory,
        violations=_violations(g, options, memory, board, buffers),
        notes=tuple(notes),
        maps=(
            occupancy.of_arena(
                plan,
                [layer.name for layer in g.layers],
                title="RAM, the arena with the scratch memory of CMSIS-NN",
                available_bytes=board.ram_bytes,
            ),
        ),
    )


def _joules(latency: cost.Latency, board: spec.Board) -> float | None:
    # Boards were measured with today's kernels only.
    is_own = latency.profile == board.kernels
    return cost.energy_joules(latency, board) if is_own else None


def _evidence(latency: cost.Latency, board: spec.Board) -> str:
    # The paper's profile is fitted to the paper's measurement.
    return board.evidence if latency.profile == board.kernels else spec.MEASURED


def _known(board: spec.Board) -> str:
    """How far the model was from what is published of the board."""
    against = ", ".join(dict.fromkeys(each.software for each in board.compared))
    if board.is_measured:
        return (
            f"{board.name} is measured: the model is off by {board.error_text} on the "
            f"published figures of {against}"
        )
    if board.compared:
        return (
            f"{board.name} is unmeasured with the kernels that the model is of; it is "
            f"off by {board.error_text} on the published figures of {against}"
        )
    return f"{board.name} is unmeasured: no published figures are known"


def _memory(
    g: graph.Graph,
    board: spec.Board,
    options: estimate.Options,
    plan: memory_plan.Plan,
) -> dict[str, int]:
    bits = options.activation_bits
    kept = activations.state_bytes(g, bits)
    weight_bytes, bias_bytes = weights.graph_bytes(g, activation_bits=bits)
    return {
        "weight_bytes": weight_bytes,
        "bias_bytes": bias_bytes,
        "flash_bytes": weight_bytes + bias_bytes,
        "flash_available_bytes": board.flash_bytes,
        "ram_bytes": plan.peak_bytes + kept,
        "ram_bound_bytes": liveness.lower_bound_bytes(plan.buffers) + kept,
        "ram_available_bytes": board.ram_bytes,
    }


def _q7_memory(layers: Sequence[cost.Layer]) -> dict[str, int]:
    memory = cost.footprint_q7(layers)
    return {
        "q7_2018_activation_bytes": memory.activation_bytes,
        "q7_2018_im2col_bytes": memory.im2col_bytes,
        "q7_2018_total_bytes": memory.total_bytes,
    }


def _planned_bytes(
    g: graph.Graph, options: estimate.Options, buffers: Sequence[liveness.Buffer]
) -> int:
    """The arena with our plan in the file, whose scratch is the reference kernels'.

    CMSIS-NN's own is fitted around the tensors when the network starts.
    """
    bits = options.activation_bits
    made_for = activations.find_buffers(
        g, bits=bits, scratch=functools.partial(kernel_scratch.reference, bits=bits)
    )
    plan = arena_planner.plan_arena(made_for)
    tensors = {
        buffer.name: offset
        for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
        if buffer.name in g.tensors
    }
    return greedy_planner.head_bytes(buffers, tensors)


def _violations(
    g: graph.Graph,
    options: estimate.Options,
    memory: Mapping[str, int],
    board: spec.Board,
    buffers: Sequence[liveness.Buffer],
) -> tuple[str, ...]:
    found = []
    for what, name, fix in (
        ("flash", "weights and biases", "fewer channels, or memory outside the chip"),
        ("ram", "activations", "a smaller input, earlier pooling or fewer channels"),
    ):
        needed = memory[f"{what}_bytes"]
        available = memory[f"{what}_available_bytes"]
        if what == "ram" and memory["ram_bound_bytes"] <= available < needed:
            planned = _planned_bytes(g, options, buffers)
            if planned <= available:
                fix = (
                    f"the same network with our plan of the arena, {planned:,} bytes: "
                    f"export with --offline_plan; else {fix}"
                )
        largest = max(board.ram, key=lambda region: region.num_bytes)
        if what == "ram" and largest.num_bytes < needed <= available:
            found.append(
                f"RAM: activations need {needed:,} bytes in one piece; the largest "
                f"region of {board.name}, '{largest.name}', has "
                f"{largest.num_bytes:,}, {needed - largest.num_bytes:,} too few. What "
                f"would fit: {fix}"
            )
        if needed > available:
            found.append(
                f"{what.upper() if what == 'ram' else what}: {name} need {needed:,} "
                f"bytes; {board.name} has {available:,}, {needed - available:,} too "
                f"few. What would fit: {fix}"
            )
    return tuple(found)


def _width_notes(g: graph.Graph, options: estimate.Options) -> tuple[str, ...]:
    """What the latency leaves out of account: it is fitted to 8-bit kernels."""
    notes = []
    # Integers of 16 bits that only a softmax or QUANTIZE writes are no such kernel.
    kinds = (graph.Softmax, graph.Requantize)
    types = {
        g.tensors[layer.output].dtype for layer in g.layers if type(layer) not in kinds
    }
    if "int16" in types or options.activation_bits == 16:
        notes.append(
            "latency is that of int8; with int16 activations CMSIS-NN's convolutions "
            "took 1.43 times the instructions on a Cortex-M7 (int64 biases)"
        )
    if options.weight_bits not in (None, 8):
        notes.append(
            f"weights are counted in 8 bits: CMSIS-NN's kernels have no "
            f"{options.weight_bits}-bit weights in this estimate"
        )
    return tuple(notes)


def _of_board(
    name: str, g: graph.Graph, options: estimate.Options
) -> estimate.Estimate:
    return estimate_graph(g, options, board_files.load(name))


def of_file(path: str) -> target.Target:
    """The board that a user's file describes.

    Raises:
        PipelineError: as `board_files.read`.
    """
    board = board_files.read(path)
    return target.Target(
        name=board.name,
        integers=target.TFLITE,
        estimate=functools.partial(estimate_graph, board=board),
    )


TARGETS = tuple(
    target.Target(
        name=name,
        integers=target.TFLITE,
        estimate=functools.partial(_of_board, name),
        is_surveyed=name in _SURVEYED,
    )
    for name in dict.fromkeys((*_SURVEYED, *board_files.names()))
)
