"""The folder of a compiled network: Vela's file, its table, and where layers went."""

import csv
import io

from export.ethosu import network
from tfpipeline.targets.ethosu import estimate, spec, vela

LAYERS_CSV = "layers.csv"
SUMMARY_CSV = "vela_summary.csv"

_README = """\
# {name} on {accelerator}

`{model}` is what Arm's Vela ({package} {version}) made of the network for
`{accelerator}`, `{system}`, `{mode}`. It is a `.tflite` whose custom operators
`ethos-u` hold the NPU's commands: TensorFlow Lite Micro runs it with
`resolver.AddEthosU()`, built with Arm's driver (`make ... CO_PROCESSOR=ethos_u`)
{others}

| | |
| --- | --- |
| cycles of an inference on the NPU | {cycles:,} |
| SRAM | {ram:,} bytes |
| flash | {flash:,} bytes |
| DRAM | {dram:,} bytes |

Activations lie in {arena}, constants in {constants}.
Cycles and memory are Vela's model. Numbers are those of the network in int8, which
TensorFlow Lite Micro's interpreter computes; nothing here could run the NPU.

* `{summary}`: Vela's own table.
* `{layers}`: operator by operator where it went, and why not onto the NPU.
"""


def contents(found: network.Network) -> dict[str, str | bytes]:
    """The files of a network by name."""
    return {
        model_name(found): found.compiled.model,
        SUMMARY_CSV: _summary(found),
        LAYERS_CSV: _layers(found),
        "README.md": _readme(found),
    }


def model_name(found: network.Network) -> str:
    """Of the compiled file, as Vela names it."""
    return f"{found.name}_vela.tflite"


def _summary(found: network.Network) -> str:
    columns = found.compiled.summary
    return f"{','.join(columns)}\n{','.join(columns.values())}\n"


def _layers(found: network.Network) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("layer", "operator", "where", "npu_cycles", "reason"))
    names = found.placed.layer_of(found.g)
    for each in found.placed.operators:
        operator = each.operator
        writer.writerow(
            (names[operator.index], operator.name, each.where, each.cycles, each.reason)
        )
    return stream.getvalue()


def _readme(found: network.Network) -> str:
    compiled, left = found.compiled, found.placed.on_cpu
    sizes = estimate.memory(compiled)
    kinds = sorted({each.operator.name for each in left})
    others = (
        f"and with the kernels of {', '.join(kinds)}, which the CPU runs."
        if kinds
        else "and needs no other operator."
    )
    return _README.format(
        name=found.name,
        accelerator=found.config.name,
        model=model_name(found),
        package=spec.PACKAGE,
        version=vela.installed_version(),
        system=found.config.system_config,
        mode=found.config.memory_mode,
        others=others,
        cycles=compiled.cycles,
        ram=sizes["ram_bytes"],
        flash=sizes["flash_bytes"],
        dram=sizes.get("dram_bytes", 0),
        arena=compiled.area("feature_map_storage_area"),
        constants=compiled.area("weights_storage_area"),
        summary=SUMMARY_CSV,
        layers=LAYERS_CSV,
    )
