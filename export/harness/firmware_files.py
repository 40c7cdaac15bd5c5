"""The files of `harness/` that all exports have in common.

`firmware/` has them as they are written: C99 of the protocol, of MLPerf Tiny's commands
and of the boards. What differs from network to network is `harness_data.h`, made here,
and `harness.c` or `harness.cc`, which each export makes of its own functions.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from export.c import literals
from tfpipeline.ir import fingerprint, graph
from tfpipeline.metadata import model_metadata
from tfpipeline.untrusted import content

FOLDER = "harness"
_FIRMWARE = pathlib.Path(__file__).parent / "firmware"
# Of names in the greeting: MAX_NAME of main.c.
_NAME_CHARACTERS = 40

_DATA = """\
/* What the network $name is: generated. */
#ifndef HARNESS_DATA_H
#define HARNESS_DATA_H

#define HARNESS_NAME $quoted
/* Of which export: c, or tflm. */
#define HARNESS_EXPORT "$export"
/* `tfpipeline run` tells by it whether this is the network that it compares with. */
#define HARNESS_DIGEST \\
    {$digest}
#define HARNESS_INPUTS $inputs
#define HARNESS_OUTPUTS $outputs
#define HARNESS_INPUT_BYTES $input_bytes
#define HARNESS_OUTPUT_BYTES $output_bytes
/* Whether an int8 input is a pixel of 0 to 255, less 128. */
#define HARNESS_READS_PIXELS $pixels

#endif
"""


@dataclasses.dataclass(frozen=True)
class Described:
    """A network as its firmware tells of it.

    Attributes:
        name: what people call it.
        export: "c" or "tflm".
        digest: as `ir.fingerprint` gives it.
        inputs: tensors with their scales, in the order of the network.
        outputs: likewise.
        reads_pixels: whether its input is a pixel of 0 to 255, less 128.
    """

    name: str
    export: str
    digest: bytes
    inputs: tuple[graph.Tensor, ...]
    outputs: tuple[graph.Tensor, ...]
    reads_pixels: bool


def described(
    g: graph.Graph, name: str, export: str, known: model_metadata.Metadata | None
) -> Described:
    """What a graph of integers is.

    Args:
        g: the graph.
        name: what people call it.
        export: "c" or "tflm".
        known: whether it reads pixels; without it an int8 input whose zero point is
            -128 does.
    """
    inputs = tuple(g.tensors[name] for name in g.inputs)
    quant = inputs[0].quant
    is_of_bytes = len(inputs) == 1 and inputs[0].dtype == "int8"
    says_pixels = quant is not None and quant.zero_point == (-128,)
    if known is not None:
        says_pixels = known.is_of_pixels
    return Described(
        name,
        export,
        fingerprint.of(g),
        inputs,
        tuple(g.tensors[name] for name in g.outputs),
        is_of_bytes and says_pixels,
    )


def contents(network: Described) -> dict[str, str]:
    """Text of each file by its place in the export, README and harness.c excepted."""
    files = {
        path.relative_to(_FIRMWARE).as_posix(): content.read_text(path)
        for path in sorted(_FIRMWARE.rglob("*"))
        if path.is_file()
    }
    files["harness_data.h"] = literals.filled(
        _DATA,
        name=literals.plain(network.name),
        quoted=literals.string(network.name[:_NAME_CHARACTERS]),
        export=network.export,
        digest=", ".join(f"0x{byte:02x}" for byte in network.digest),
        inputs=str(len(network.inputs)),
        outputs=str(len(network.outputs)),
        input_bytes=str(num_bytes(network.inputs)),
        output_bytes=str(num_bytes(network.outputs)),
        pixels=str(int(network.reads_pixels)),
    )
    return {f"{FOLDER}/{name}": text for name, text in files.items()}


def num_bytes(tensors: Sequence[graph.Tensor]) -> int:
    """Of all together, as they go over the line: tensor behind tensor."""
    return sum(each.num_elements * np.dtype(each.dtype).itemsize for each in tensors)


def tables(network: Described, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The definitions of `harness_inputs` and `harness_outputs`, in C and in C++.

    Args:
        network: whose.
        inputs: names of the arrays that hold them.
        outputs: likewise.
    """
    return "\n".join(
        f"const harness_tensor harness_{role}s[HARNESS_{role.upper()}S] = {{\n"
        + "".join(map(_row, names, tensors))
        + "};\n"
        for role, names, tensors in (
            ("input", inputs, network.inputs),
            ("output", outputs, network.outputs),
        )
    )


def _row(name: str, tensor: graph.Tensor) -> str:
    quant = tensor.quant
    scale = "1.0f" if quant is None else literals.real(quant.scale[0])
    zero = 0 if quant is None else quant.zero_point[0]
    dtype = np.dtype(tensor.dtype)
    signed = int(dtype.kind == "i")
    return (
        f"    {{{name}, {tensor.num_elements}, {dtype.itemsize}, {signed}, {scale}, "
        f"{zero}}},\n"
    )
