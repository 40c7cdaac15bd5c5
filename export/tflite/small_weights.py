"""An int8 `.tflite` with weights of fewer bits, compressed weights, or both, verified.

TFLite on a PC lacks operators for some of these files (a depthwise convolution of 4-bit
weights, TFLM_DECODE), so TensorFlow Lite Micro alone runs them: narrow weights must
give what our simulation gives, compressed ones what the file gives uncompressed.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from export.tflite import compression, from_graph, weight_widths
from tfpipeline import atomic_files, errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import execution
from tfpipeline.targets.tflm import arena, flatbuffer, interpreter, ports

MODEL_FILE = "model.tflite"
VERIFICATION_FILE = "verification.json"

# Random images whose outputs must be equal.
IMAGES = 16

FROM_FLOAT = "the weights of the float network"
FROM_INT8 = "dequantized int8 weights, whose rounding comes on top"


@dataclasses.dataclass(frozen=True)
class SmallWeights:
    """A file, what was done to it, and what that was verified by.

    Attributes:
        model: the `.tflite`.
        original_bytes: size of the file that it was made from.
        weight_bits: of the narrowed weights; `None` where they were left.
        narrowed: names of the layers whose weights have fewer bits.
        kept: name and reason of each layer whose weights keep 8 bits.
        weights_from: what was quantized to fewer bits.
        compressed: whether compression was tried.
        tables: of the compressed tensors.
        original_arena: of the file it was made from.
        arena: of the file.
        narrow: the network with narrowed weights; `None` where they were left.
    """

    model: bytes
    original_bytes: int
    weight_bits: int | None
    narrowed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    weights_from: str | None
    compressed: bool
    tables: tuple[compression.Table, ...]
    original_arena: arena.ArenaReport
    arena: arena.ArenaReport
    narrow: graph.Graph | None = None

    def to_dict(self) -> dict[str, Any]:
        """All but the file and the network as JSON values."""
        values = dataclasses.asdict(dataclasses.replace(self, narrow=None))
        del values["model"], values["narrow"]
        return {
            "model_bytes": len(self.model),
            "model_sha256": hashlib.sha256(self.model).hexdigest(),
            "verified_images": IMAGES,
            **values,
        }


def make(
    model: bytes,
    *,
    weight_bits: int | None = None,
    compress: bool = False,
    float_graph: graph.Graph | None = None,
    correct: Callable[[graph.Graph], graph.Graph] | None = None,
    name: str = "network",
) -> SmallWeights:
    """Narrows and compresses the weights of an int8 `.tflite`, and verifies the result.

    Args:
        model: a full-integer `.tflite`.
        weight_bits: 4, or with `compress` 2 to 7; `None` leaves the weights.
        compress: store weights of few values as indices into tables.
        float_graph: the float network, for weights that were not rounded before.
        correct: what becomes of the network with narrowed weights.
        name: of the network, for messages.

    Raises:
        GraphError: the file is damaged or not supported.
        ExportError: it is not int8, the width is not possible, or `float_graph` is of
            another network.
        VerificationError: the results are not the same to the last bit.
    """
    program = flatbuffer.require_integer(model)
    images = interpreter.random_inputs(program, IMAGES)
    result, narrowed = model, None
    if weight_bits is not None:
        narrowed = weight_widths.narrow(
            from_tflite.read(model, name=name),
            weight_bits,
            packed=not compress,
            float_graph=float_graph,
        )
        if correct is not None:
            narrowed = dataclasses.replace(narrowed, graph=correct(narrowed.graph))
        result = from_graph.to_bytes(narrowed.graph)
        _require_equal(
            f"weights of {weight_bits} bits: TensorFlow Lite Micro and the simulation",
            interpreter.run(result, images),
            execution.run(narrowed.graph, images),
        )
    tables: tuple[compression.Table, ...] = ()
    if compress:
        compressed = compression.compress(result)
        _require_equal(
            "compression: TensorFlow Lite Micro with the file and uncompressed",
            interpreter.run(compressed.model, images),
            interpreter.run(result, images),
        )
        result, tables = compressed.model, compressed.tables
    original_arena = arena.find_arena(model)
    return SmallWeights(
        model=result,
        original_bytes=len(model),
        weight_bits=weight_bits,
        narrowed=() if narrowed is None else narrowed.narrowed,
        kept=() if narrowed is None else narrowed.kept,
        weights_from=None
        if narrowed is None
        else FROM_INT8
        if float_graph is None
        else FROM_FLOAT,
        compressed=compress,
        tables=tables,
        original_arena=original_arena,
        arena=original_arena if result == model else arena.find_arena(result),
        narrow=None if narrowed is None else narrowed.graph,
    )


def contents(made: SmallWeights) -> dict[str, str | bytes]:
    """`model.tflite` and `verification.json`."""
    record = atomic_files.json_text(made.to_dict())
    return {MODEL_FILE: made.model, VERIFICATION_FILE: record}


def report(made: SmallWeights) -> list[str]:
    """What was done, in a few lines."""
    lines = []
    if made.weight_bits is not None:
        lines += [
            f"weights    {made.weight_bits} bits in {len(made.narrowed)} layers, "
            f"quantized from {made.weights_from}",
            *(f"kept       8 bits in '{name}': {why}" for name, why in made.kept),
        ]
    for table in made.tables:
        tables = "one table" if table.axis is None else "a table a channel"
        name = table.name.split(";")[0]
        lines.append(
            f"compressed {table.original_bytes:,} to {table.stored_bytes:,} bytes, "
            f"{table.index_bits} bits a value and {tables}: '{name}'"
        )
    if made.compressed and not made.tables:
        lines.append(
            "compressed nothing: no tensor has so few different values, one scale or "
            "one a channel, that the file gets smaller"
        )
    before, after = made.original_arena.arena_bytes, made.arena.arena_bytes
    return [
        *lines,
        f"model      {len(made.model):,} bytes, from {made.original_bytes:,}",
        f"arena      {after:,} bytes on this 64-bit machine, from {before:,}",
        f"verified   {IMAGES} random images equal to the last bit in TensorFlow Lite "
        "Micro",
    ]


def _require_equal(what: str, found: ports.Arrays, expected: ports.Arrays) -> None:
    pairs = list(zip(found, expected, strict=True))
    differing = sum(int(np.count_nonzero(one != other)) for one, other in pairs)
    if differing:
        size = sum(one.size for one, _ in pairs)
        raise errors.VerificationError(
            f"{what} differ in {differing} of {size} results"
        )
