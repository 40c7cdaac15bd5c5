"""What the files say in words: the report and the command for the vendor's tool."""

import itertools

import numpy as np

from export.max78000 import network
from tfpipeline.ir import graph
from tfpipeline.metadata import words
from tfpipeline.targets.max78000 import arithmetic, data_memory
from tfpipeline.targets.max78000 import report as tool_report
from tfpipeline.targets.max78000 import spec as specs

# The version whose outputs were compared with ours.
TOOL = "ai8x-synthesis ab4f4c0"

_FILES = (
    ("network.yaml", "layers, processors and places in the data memory"),
    ("checkpoint.pth.tar", "integer weights, biases and shifts"),
    ("known_answer.npz", "the input and every layer's output, channels first"),
    ("report.txt", "operations, memory, cycles, and where everything lies"),
)

_README = """\
{title}
{underline}

{files}

In a checkout of {tool}, with FOLDER for this one:

  python ai8xize.py {options}

It writes C code and weights into synthesized/{name}. The output that its own
simulator finds for the sample is the last layer's in known_answer.npz, byte for byte.
"""


def command_options(found: network.Network, name: str, sample_file: str) -> list[str]:
    """Arguments of the vendor's `ai8xize.py`; FOLDER stands for the files' place."""
    options = [
        "--verbose",
        "--no-version-check",
        f"--device {found.lowered.spec.name.upper()}",
        "--config-file FOLDER/network.yaml",
        "--checkpoint-file FOLDER/checkpoint.pth.tar",
        f"--sample-input FOLDER/{sample_file}",
        "--test-dir synthesized",
        f"--prefix {name}",
        "--timer 0",
        "--compact-data",
    ]
    if found.lowered.layers[0].streaming:
        options.append("--fifo")
    if found.placed.data.overlaps:
        options.append("--overlap-data")
    if found.lowered.layers[-1].output_width == 32:
        options.append("--softmax")
    return options


def readme(found: network.Network, name: str, sample_file: str) -> str:
    """What the files are and the command that takes them."""
    title = f"{name} for the {found.lowered.spec.name.upper()}"
    rows, columns, channels = found.sample.shape
    shape = f"{channels} channels of {rows}x{columns}"
    listed = (*_FILES, (sample_file, f"the sample input, int64, {shape}"))
    width = max(len(file) for file, _ in listed)
    return _README.format(
        title=title,
        underline="-" * len(title),
        files="\n".join(f"{file:{width}}  {what}" for file, what in listed),
        tool=TOOL,
        options=" \\\n    ".join(command_options(found, name, sample_file)),
        name=name,
    ) + (_fast_fifo(found) + words.section(found.metadata))


def _fast_fifo(found: network.Network) -> str:
    """What else the tool takes of the same files, where it does."""
    first = found.lowered.layers[0]
    limit = specs.FAST_FIFO_CHANNELS[found.lowered.input_format]
    if not first.streaming or first.in_channels > limit:
        return ""
    return "\nWith --riscv --fast-fifo for --fifo the RISC-V core feeds its own FIFO.\n"


def report(found: network.Network) -> str:
    """Operations, memory and cycles as the tool prints them, and where things lie."""
    latency = []
    if found.lowered.spec.has_latency_model:
        latency = [tool_report.estimated_latency(found.cost)]
    parts = [
        tool_report.summary(found.cost),
        *latency,
        memory_map(found),
    ]
    if found.notes:
        parts.append("NOTES\n" + "".join(f"{note}\n" for note in found.notes))
    return "\n".join(parts)


def memory_map(found: network.Network) -> str:
    """Where each tensor and each layer's kernels and bias lie.

    Data are bytes of each memory instance, `gap` words left free between two; kernels
    are 72-bit words of each processor's weight memory, biases quadrants. `saturated` is
    the share of the sample's results at an end of int8.
    """
    data = found.placed.data
    rows = [("input", _region(data.input), "", "", "")]
    for index, (layer, region) in enumerate(
        zip(found.lowered.layers, data.outputs, strict=True)
    ):
        kernels, quadrant = (
            found.placed.kernels.ranges[index],
            found.placed.biases.quadrants[index],
        )
        end = kernels.first_word + kernels.words
        rows.append(
            (
                f"Layer {index}",
                _region(region),
                f"{kernels.first_word}-{end - 1}" if layer.convolves else "",
                "" if quadrant is None else str(quadrant),
                _saturated(found.outputs[index]),
            )
        )
    lines = [_row("", "data (processors, bytes)", "kernels", "bias", "saturated")]
    return "MEMORY MAP\n" + "".join([*lines, *itertools.starmap(_row, rows)])


def _region(region: data_memory.Region) -> str:
    gap = f" gap {region.write_gap}" if region.write_gap else ""
    place = f"{region.offset:#06x}-{region.end_byte - 1:#06x}"
    return f"{region.processors:#018x} {place}{gap}"


def _row(name: str, data: str, kernels: str, bias: str, saturated: str) -> str:
    return f"{name:9}{data:40}{kernels:>9}{bias:>6}{saturated:>11}".rstrip() + "\n"


def _saturated(values: graph.Array) -> str:
    if values.dtype != np.int8:
        return ""
    ends = (values == arithmetic.MIN_VALUE) | (values == arithmetic.MAX_VALUE)
    return f"{100 * ends.mean():.1f} %"
