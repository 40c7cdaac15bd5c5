"""Weights and biases as files: blobs for the flash, arrays for the compiler.

A blob is little-endian, int16 or int8, in C's order of outputs, inputs, rows, columns,
and padded with zeros to whole words of 4 bytes: what GreenWaves' demo copies from the
flash to RAM, and what the AutoTiler's `ConstInfo` reads.
"""

from collections.abc import Iterator

from export.c import literals
from export.gap8 import file_names, generator_calls
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import program

_WORD = 4


def blobs(p: program.Program) -> Iterator[tuple[str, bytes]]:
    """Paths under the export's folder, and what is in each file."""
    stems = file_names.stems(p)
    for layer in p.layers:
        if isinstance(layer, program.Weighted):
            for what, values in (("weights", layer.weights), ("bias", layer.bias)):
                path = f"{file_names.FOLDER}/{stems[layer.name]}.{what}.bin"
                yield path, blob(values)


def blob(values: graph.Array) -> bytes:
    """Little-endian bytes of integers, with zeros up to a whole word."""
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return data + bytes(-len(data) % _WORD)


def header(p: program.Program, name: str) -> str:
    """The text of NAME_weights.h: the blobs' integers as arrays, without padding."""
    upper = f"{name.upper()}_WEIGHTS_H"
    arrays = []
    for index, layer in enumerate(p.layers):
        if not isinstance(layer, program.Weighted):
            continue
        label = f"{name}_{generator_calls.label(index, layer)}"
        shape = " x ".join(map(str, layer.weights.shape))
        arrays.append(literals.comment(f"{layer.name}: {shape}") + "\n")
        for what, values in (("weights", layer.weights), ("bias", layer.bias)):
            arrays.append(
                literals.array(
                    f"int{p.num_bits}_t", f"{label}_{what}", values.ravel().tolist()
                )
            )
    body = "\n".join(arrays)
    begin = f"#ifndef {upper}\n#define {upper}\n\n#include <stdint.h>\n"
    return f"{begin}\n{body}\n#endif\n"
