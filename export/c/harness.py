"""The folder `harness` of a network in C: what calls it, and what builds it."""

from export.c import literals, network, states
from export.harness import building, firmware_files
from export.tflite import from_graph, metadata_entry
from tfpipeline import errors
from tfpipeline.ir import fingerprint, from_tflite, graph

# The same network for `tfpipeline run --model=FOLDER`.
MODEL_FILE = f"{firmware_files.FOLDER}/model.tflite"

_NETWORK = """\
/* The network $name for the harness: generated. */
#include "harness.h"

#include "../$name.h"

$arrays
$tables
int harness_begin(void)
{
    return 0;
}

int harness_run(void)
{
$reset    ${name}_run($ends);
    return 0;
}
"""

_README = """\
# `$name` on a board, over a serial line

The firmware reads inputs and sends answers, to `tfpipeline run`: docs/boards.md of
tfpipeline goes from here to the first answer. It takes $memory bytes of memory beside
the network's arena, for an input and an output.

    make pc                  # standard input and output of this machine
    make mps2-an386          # QEMU's Cortex-M4; mps2-an385, mps2-an500, mps3-an547
    make nucleo VENDOR=~/st  # a NUCLEO-64 with an STM32F411RE

    tfpipeline run --model=.. --port=exec:build/pc

For a NUCLEO, `~/st` has checkouts of github.com/STMicroelectronics/stm32f4xx_hal_driver
(d232197), of github.com/STMicroelectronics/cmsis_device_f4 (cdbad76) and of
github.com/ARM-software/CMSIS_5 (51f8f89). Copy `build/nucleo.bin` to the drive that
appears with the board, and say `--port=/dev/ttyACM0`. Of another chip `CHIP`, `FLASH`,
`RAM` and `BOARD` tell; of STM32CubeF4 `HAL`, `DEVICE` and `CMSIS` name the folders.

$boards"""


def contents(found: network.Network) -> dict[str, str | bytes]:
    """All files of the folder by their place in the export."""
    network_name = literals.plain(found.g.name or found.name)
    described = firmware_files.described(found.g, network_name, "c", found.metadata)
    own: dict[str, str | bytes] = {
        f"{firmware_files.FOLDER}/{file}": text
        for file, text in {
            "harness.c": _network(found, described),
            **building.of_c(found.name),
            "README.md": _readme(found, described),
        }.items()
    }
    model = _model(found.g)
    if model is not None:
        own[MODEL_FILE] = metadata_entry.added(model, found.metadata, found.g.name)
    return {**firmware_files.contents(described), **own}


def _model(g: graph.Graph) -> bytes | None:
    """The network as a `.tflite`; None where none has the very same layers."""
    try:
        model = from_graph.to_bytes(g)
        is_same = fingerprint.of(from_tflite.read(model)) == fingerprint.of(g)
    except (errors.ExportError, errors.GraphError):
        return None
    return model if is_same else None


def _network(found: network.Network, described: firmware_files.Described) -> str:
    upper = found.name.upper()
    ends = {**found.inputs, **found.outputs}
    arrays = "".join(
        f"static {tensor.dtype}_t {end}[{upper}_{end.upper()}_SIZE];\n"
        for end, tensor in ends.items()
    )
    return literals.filled(
        _NETWORK,
        name=found.name,
        arrays=arrays,
        tables=firmware_files.tables(described, [*found.inputs], [*found.outputs]),
        reset=f"    {found.name}_reset();\n" if states.num_bytes(found.g) else "",
        ends=", ".join(ends),
    )


def _readme(found: network.Network, described: firmware_files.Described) -> str:
    memory = firmware_files.num_bytes((*described.inputs, *described.outputs))
    return literals.filled(
        _README,
        name=found.name,
        memory=f"{memory:,}",
        boards=building.about_boards("harness.c", f"`../{found.name}.c`"),
    )
