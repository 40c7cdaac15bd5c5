"""The tables of docs/targets/c.md: instructions of generated C on emulated cores.

python -m tests.export.c.instructions [CORE ...]

Weights are trained where a file has them, else random: only pools and results beyond
their bounds take instructions by value. What CMSIS-NN took in the same emulator is read
from the reference data (TFPIPELINE_SHARED), where that is present.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from export.c import emulation, files
from export.c.cores import catalog as cores
from tests.export.c import mlperf_tiny, random_graphs
from tests.targets.stm32 import cost_test
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.networks import catalog
from tfpipeline.targets.stm32 import spec

ROOT = pathlib.Path(__file__).parents[3]
# Network -> the file with its trained weights, or the type of its activations, and the
# name of the reference data for CMSIS-NN's int8 kernels.
NETWORKS = {
    "cmsis_cifar10": ("int8", "cifar10_m7"),
    "cmsis_cifar10, 16x8": ("int16", None),
    "resnet8": ("int8", "tfl_pretrainedResnet_quant"),
    "resnet8, 16x8": ("int16", None),
    "keyword spotting": ("int8", "tfl_kws_ref_model"),
    "keyword spotting, 16x8": ("int16", None),
    "visual wake words": ("int8", "tfl_vww_96_int8"),
    "anomaly detection": ("int8", "tfl_ad01_int8"),
    "streaming wake word": ("int8", "tfl_str_ww_ref_model"),
    "cmsisnet": ("experiments/cifar10/cmsisnet/model.tflite", None),
    "nascifarnet": ("experiments/cifar10/nascifarnet/model.tflite", None),
    "facenet_v2": ("int8", None),
}
COLUMNS = (
    *("network", "core", "instructions", "a MAC"),
    *("CMSIS-NN", "a MAC", "STM32 model", "its cycles"),
    *("code", "constants", "arena", "stack"),
)
# Kinds of layers with weights, and what the reference data calls them.
KINDS = {
    "convolution": "CONV",
    "1x1": "CONV 1x1",
    "depthwise": "DW",
    "dense": "FC",
}


def graph_of(name, source):
    """The network, quantized."""
    if source.endswith(".tflite"):
        return from_tflite.read((ROOT / source).read_bytes())
    plain = name.split(",")[0]
    build = mlperf_tiny.NETWORKS.get(plain, lambda: catalog.load(plain))
    return random_graphs.quantized(build(), np.random.default_rng(0), source)


def recorded(core, name):
    """What CMSIS-NN's kernels took; None where nobody counted."""
    path = cost_test.STM32 / "qemu_cortexm.json"
    if name is None or not path.exists():
        return None
    counted = json.loads(path.read_text(encoding="utf-8"))["cmsis_nn_s8_layers"]
    return counted.get(f"{core.replace('cortex-', '')}|{name}")


def kind_of(layer, g):
    """The column of a layer with weights; None for others."""
    if isinstance(layer, graph.DepthwiseConv2D):
        return "depthwise"
    if isinstance(layer, graph.Dense):
        return "dense"
    if isinstance(layer, (graph.Conv1D, graph.Conv2D)):
        is_point = set(g.tensors[layer.weights].shape[1:-1]) == {1}
        return "1x1" if is_point else "convolution"
    return None


def by_kind(ran, g):
    """Instructions a MAC of each kind of layer with weights."""
    counts, totals = collections.Counter(), collections.Counter()
    for layer, number in zip(g.layers, ran.instructions, strict=True):
        kind = kind_of(layer, g)
        counts[kind] += macs.layer_count(g, layer).macs
        totals[kind] += number
    return {kind: totals[kind] / counts[kind] for kind in KINDS if counts[kind]}


def recorded_by_kind(found):
    """The same of CMSIS-NN."""
    counts, totals = collections.Counter(), collections.Counter()
    for layer in found["layers"] if found else ():
        kind = layer["type"]
        kind += " 1x1" if kind == "CONV" and layer["k"] == [1, 1] else ""
        counts[kind] += layer["macs"]
        totals[kind] += layer["instructions"]
    return {
        kind: totals[name] / counts[name]
        for kind, name in KINDS.items()
        if counts[name]
    }


def sizes(folder, core):
    """Bytes of code and of constants of the network alone, -O2."""
    compiled = folder / "net.o"
    family = cores.family(core)
    flags = (*family.options.split(), *cores.CORES[core].options.split())
    command = (family.compiler, "-std=c99", "-O2", *flags, "-c", str(folder / "net.c"))
    subprocess.run((*command, "-o", str(compiled)), check=True)
    told = subprocess.run(
        (family.compiler.replace("-gcc", "-size"), "-A", str(compiled)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = collections.Counter()
    for section, size in re.findall(r"^\.s?(text|rodata)\S*\s+(\d+)", told, re.M):
        found[section] += int(size)
    return found["text"], found["rodata"]


def rows(name, source, reference, core, folder):
    """One line of each table."""
    g = graph_of(name, source)
    found = files.write(folder / "net", g, "net")
    ran = emulation.run(folder / "net", found, core)
    if ran.exit_code:
        raise SystemExit(f"{name} on {core} ends with {ran.exit_code}")
    count, total = macs.graph_count(g).macs, sum(ran.instructions)
    other, model = recorded(core, reference), emulation.predicted(found, core)
    cells = [name, core, f"{total:,}", f"{total / count:.2f}"]
    if other is None:
        cells += ["", ""]
    else:
        counted = other["total_instructions"]
        cells += [f"{counted:,}", f"{counted / count:.2f}"]
    if model is None or source == "int16":
        cells += ["", ""]
    else:
        cycles = sum(model) * spec.CORES[core].cycles_per_instruction
        cells += [f"{sum(model):,.0f}", f"{cycles:,.0f}"]
    cells += [f"{size:,}" for size in sizes(folder / "net", core)]
    cells += [f"{found.plan.peak_bytes:,}", f"{ran.stack_bytes}"]
    kinds, others = by_kind(ran, g), recorded_by_kind(other)
    of_kinds = [name, core]
    for kind in KINDS:
        of_kinds += [
            f"{each[kind]:.2f}" if kind in each else "" for each in (kinds, others)
        ]
    return [f"| {' | '.join(line)} |" for line in (cells, of_kinds)]


def main():
    """Prints the tables."""
    chosen = tuple(sys.argv[1:]) or tuple(cores.CORES)
    emulation.require(chosen)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    kinds = [each for kind in KINDS for each in (kind, "CMSIS-NN")]
    second = [f"\n| network | core | {' | '.join(kinds)} |", f"|{' --- |' * 10}"]
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, reference) in NETWORKS.items():
            for core in chosen:
                whole, of_kinds = rows(
                    name, source, reference, core, pathlib.Path(folder)
                )
                print(whole, flush=True)
                second.append(of_kinds)
    print("\n".join(second))


if __name__ == "__main__":
    main()
