"""The table of docs/targets/c.md: arenas of networks in patches.

python -m tests.export.c.patched_arenas [--emulate]

Weights are random, which sizes do not depend on. With --emulate the network runs on an
emulated Cortex-M4, in patches and without, and meets its known answers there.
"""

import pathlib
import sys
import tempfile

import numpy as np

from export.c import emulation, files, network, patch_search, storage
from tests import graph_builder
from tests.export.c import instructions, mlperf_tiny, random_graphs
from tfpipeline import errors, marked_folder
from tfpipeline.cost import (
    activations,
    greedy_planner,
    kernel_scratch,
    liveness,
    macs,
)
from tfpipeline.ir import graph
from tfpipeline.networks import catalog

CORE = "cortex-m4"
COLUMNS = (
    *("network", "TFLM's plan", "bound", "ours", "--patches", "layers", "patches"),
    *("arena", "bound", "MACs", "code", "constants", "instructions"),
)


def mobilenet_v2(side):
    """MobileNetV2 of 0.35 of the channels, residual blocks and all, without its end."""
    net = graph_builder.Builder((side, side, 3))
    net.conv(16, 3, stride=2, padding="same")
    net.depthwise(3, padding="same")
    net.conv(8, 1, relu=False)
    for channels, blocks, stride in (
        *((8, 2, 2), (16, 3, 2), (24, 4, 2), (32, 3, 1), (56, 3, 2), (112, 1, 1)),
    ):
        for block in range(blocks):
            source, before = net.last, net.shape()[-1]
            net.conv(6 * before, 1)
            step = 1 if block else stride
            net.depthwise(3, stride=step, padding="same")
            net.conv(channels, 1, relu=False)
            if block:
                net.join(graph.Add, source)
    net.conv(1280, 1)
    net.mean()
    net.dense(2)
    return net.build()


NETWORKS = {
    "visual wake words, 96x96": mlperf_tiny.visual_wake_words,
    "the same, 160x160": lambda: mlperf_tiny.visual_wake_words(160),
    "MobileNetV1 0.5, 160x160": lambda: mlperf_tiny.visual_wake_words(160, 2),
    "MobileNetV2 0.35, 160x160": lambda: mobilenet_v2(160),
    "resnet8, 32x32": lambda: catalog.load("resnet8"),
}
CHOICES = (4, 8, None)


def graph_of(build):
    return random_graphs.quantized(build(), np.random.default_rng(0), "int8")


def measured(found, folder, is_emulated):
    """Bytes of code and of constants, and instructions on the emulated core."""
    marked_folder.write(folder, files.contents(found))
    sizes = instructions.sizes(folder, CORE)
    if not is_emulated:
        return (*sizes, None)
    ran = emulation.run(folder, found, CORE)
    if ran.exit_code:
        raise SystemExit(f"{found.g.name} ends with {ran.exit_code}")
    return (*sizes, sum(ran.instructions))


def in_patches(plain, number):
    """The network in patches; None where they do not pay."""
    try:
        return patch_search.smallest(plain, number)
    except errors.ExportError:
        return None


def rows(name, build, folder, is_emulated):
    """A line for each number of patches."""
    g = graph_of(build)
    plain = network.prepare(g, "net")
    micro = activations.find_buffers(g, scratch=kernel_scratch.reference)
    bound = liveness.lower_bound_bytes(activations.find_buffers(g))
    start = [greedy_planner.plan_greedily(micro).peak_bytes, bound]
    start = [name, *map("{:,}".format, (*start, plain.plan.peak_bytes))]
    before = measured(plain, folder, is_emulated)
    for number in CHOICES:
        found = in_patches(plain, number)
        choice = "auto" if number is None else str(number)
        if found is None:
            yield [*start, choice, *["no gain"], *[""] * 7]
            continue
        patched = found.patched
        counts = [macs.graph_count(each.computed).macs for each in (plain, found)]
        code, constants, count = measured(found, folder, is_emulated)
        yield [
            *start,
            choice,
            str(patched.num_layers),
            str(patched.num_patches),
            f"{found.plan.peak_bytes:,}",
            f"{storage.bound_bytes(patched):,}",
            f"{counts[1] / counts[0] - 1:+.1%}",
            f"{code - before[0]:+,}",
            f"{constants - before[1]:+,}",
            f"{count / before[2] - 1:+.1%}" if count else "",
        ]


def main():
    """Prints the table."""
    is_emulated = "--emulate" in sys.argv[1:]
    if is_emulated:
        emulation.require((CORE,))
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, build in NETWORKS.items():
            place = pathlib.Path(folder, "net")
            for row in rows(name, build, place, is_emulated):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
