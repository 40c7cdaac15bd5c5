"""The table of docs/targets/c.md: instructions of generated C on emulated cores.

python -m tests.export.c.instructions [CORE ...]

Weights are trained where a file has them, else random: only pools and results beyond
their bounds take instructions by value. What CMSIS-NN took in the same emulator is read
from the reference data (TFPIPELINE_SHARED), where that is present.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np

from export.c import emulation, files
from export.c.cores import catalog as cores
from tests.export.c import random_graphs
from tests.targets.stm32 import cost_test
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite
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
    "cmsisnet": ("experiments/cifar10/cmsisnet/model.tflite", None),
    "nascifarnet": ("experiments/cifar10/nascifarnet/model.tflite", None),
    "facenet_v2": ("int8", None),
}
COLUMNS = (
    *("network", "core", "instructions", "a MAC"),
    *("CMSIS-NN", "a MAC", "STM32 model", "its cycles", "arena", "stack"),
)


def graph_of(name, source):
    """The network, quantized."""
    if source.endswith(".tflite"):
        return from_tflite.read((ROOT / source).read_bytes())
    g = catalog.load(name.split(",")[0])
    return random_graphs.quantized(g, np.random.default_rng(0), source)


def recorded(core, name):
    """Instructions that CMSIS-NN's kernels took; None where nobody counted."""
    path = cost_test.STM32 / "qemu_cortexm.json"
    if name is None or not path.exists():
        return None
    counted = json.loads(path.read_text(encoding="utf-8"))["cmsis_nn_s8_layers"]
    of_core = counted.get(f"{core.replace('cortex-', '')}|{name}")
    return None if of_core is None else of_core["total_instructions"]


def row(name, source, reference, core, folder):
    """One line of the table."""
    g = graph_of(name, source)
    found = files.write(folder / "net", g, "net")
    ran = emulation.run(folder / "net", found, core)
    if ran.exit_code:
        raise SystemExit(f"{name} on {core} ends with {ran.exit_code}")
    count, total = macs.graph_count(g).macs, sum(ran.instructions)
    other, model = recorded(core, reference), emulation.predicted(found, core)
    cells = [name, core, f"{total:,}", f"{total / count:.2f}"]
    cells += ["", ""] if other is None else [f"{other:,}", f"{other / count:.2f}"]
    if model is None or source == "int16":
        cells += ["", ""]
    else:
        cycles = sum(model) * spec.CORES[core].cycles_per_instruction
        cells += [f"{sum(model):,.0f}", f"{cycles:,.0f}"]
    cells += [f"{found.plan.peak_bytes:,}", f"{ran.stack_bytes}"]
    return f"| {' | '.join(cells)} |"


def main():
    """Prints the table."""
    chosen = tuple(sys.argv[1:]) or tuple(cores.CORES)
    emulation.require(chosen)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, reference) in NETWORKS.items():
            for core in chosen:
                print(row(name, source, reference, core, pathlib.Path(folder)))


if __name__ == "__main__":
    main()
