"""The 33 MobileNets that GreenWaves published for GAP8, from their architectures.

V1: Howard et al., arXiv 1704.04861, table 1. V2: Sandler et al., arXiv 1801.04381,
table 2, channels rounded to multiples of 8 as in the published code. V3-Large
minimalistic: Howard et al., arXiv 1905.02244, table 1, without squeeze-and-excite, with
3x3 kernels and ReLU. `python -m tests.targets.gap8.mobilenets` prints the table of
docs/targets/gap8.md.
"""

from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import cost, fusion, l2_plan, spec

# Bytes of L2 that the README gave the networks.
L2_BYTES = 350_000

# The table of gap_sdk's mobilenet README (8 bits, 1.2 V, cluster 175 MHz, fabric
# controller 250 MHz, 350 kB of L2): version, side, width, millions of MACs, frames a
# second, mJ a frame. The README swaps the MACs of V2 at 128 and 96; they are put right.
PUBLISHED = (
    ("V1", 224, 1.0, 569, 2.1, 49.7),
    ("V1", 192, 1.0, 418, 3.1, 35.2),
    ("V1", 160, 1.0, 291, 4.4, 25.1),
    ("V1", 128, 1.0, 186, 7.2, 15.2),
    ("V1", 224, 0.75, 317, 4.0, 27.6),
    ("V1", 192, 0.75, 233, 5.3, 20.9),
    ("V1", 160, 0.75, 162, 8.5, 13.3),
    ("V1", 128, 0.75, 104, 12.9, 8.5),
    ("V1", 224, 0.5, 150, 8.2, 13.6),
    ("V1", 192, 0.5, 110, 11.5, 9.6),
    ("V1", 160, 0.5, 77, 16.1, 6.8),
    ("V1", 128, 0.5, 49, 23.8, 4.4),
    ("V1", 224, 0.25, 41, 25.2, 4.4),
    ("V1", 192, 0.25, 34, 34.1, 3.2),
    ("V1", 160, 0.25, 21, 47.4, 2.3),
    ("V1", 128, 0.25, 14, 66.3, 1.5),
    ("V2", 224, 1.4, 582, 1.4, 67.4),
    ("V2", 224, 1.0, 300, 3.4, 32.2),
    ("V2", 192, 1.0, 221, 4.7, 23.7),
    ("V2", 160, 1.0, 154, 6.9, 16.1),
    ("V2", 128, 1.0, 99, 10.3, 10.4),
    ("V2", 96, 1.0, 56, 16.3, 6.3),
    ("V2", 224, 0.75, 209, 4.6, 23.8),
    ("V2", 192, 0.75, 153, 6.1, 17.9),
    ("V2", 160, 0.75, 107, 9.3, 12.0),
    ("V2", 128, 0.75, 69, 12.9, 8.2),
    ("V2", 96, 0.75, 39, 21.5, 4.7),
    ("V2", 224, 0.5, 97, 8.9, 12.6),
    ("V2", 192, 0.5, 71, 11.7, 9.2),
    ("V2", 160, 0.5, 50, 15.5, 6.8),
    ("V2", 128, 0.5, 32, 22.5, 4.5),
    ("V2", 96, 0.5, 18, 32.8, 2.9),
    ("V3", 224, 1.0, 209, 4.2, 23.7),
)

_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5,
    (1024, 2), (1024, 1),
)  # fmt: skip
# Expansion, channels, repetitions, stride.
_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
    (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
# Expanded channels, channels, stride.
_V3 = (
    (16, 16, 1), (64, 24, 2), (72, 24, 1), (72, 40, 2), (120, 40, 1), (120, 40, 1),
    (240, 80, 2), (200, 80, 1), (184, 80, 1), (184, 80, 1), (480, 112, 1),
    (672, 112, 1), (672, 160, 2), (960, 160, 1), (960, 160, 1),
)  # fmt: skip


def build(version, side, width):
    """One of `PUBLISHED` as a float graph with 1000 classes."""
    net = graph_builder.Builder((side, side, 3), f"{version}_{side}_{width}")
    {"V1": _v1, "V2": _v2, "V3": _v3}[version](net, width)
    net.dense(1000)
    return net.build()


def _v1(net, width):
    net.conv(int(32 * width), stride=2)
    for channels, stride in _V1:
        net.depthwise(stride=stride)
        net.conv(int(channels * width), 1)
    net.mean()


def _v2(net, width):
    net.conv(_rounded(32 * width), stride=2)
    for expansion, channels, count, first_stride in _V2:
        for index in range(count):
            expanded = expansion * net.tensors[net.last].shape[-1]
            stride = 1 if index else first_stride
            _inverted(net, expanded, _rounded(channels * width), stride)
    net.conv(_rounded(1280 * max(width, 1.0)), 1)
    net.mean()


def _v3(net, width):
    net.conv(16, stride=2)
    for expanded, channels, stride in _V3:
        _inverted(net, expanded, channels, stride)
    net.conv(960, 1)
    net.mean()
    net.dense(1280)


def _inverted(net, expanded, channels, stride):
    source = net.last
    inputs = net.tensors[source].shape[-1]
    if expanded != inputs:
        net.conv(expanded, 1)
    net.depthwise(stride=stride)
    net.conv(channels, 1, relu=False)
    if stride == 1 and inputs == channels:
        net.join(graph.Add, source)


def _rounded(channels):
    """To a multiple of 8, at least 8, and not more than a tenth less."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def seconds(version, side, width):
    """Our estimate of one of `PUBLISHED`, loads overlapped."""
    net = fusion.fuse(build(version, side, width))
    plan = l2_plan.plan(net, bits=8, rule=l2_plan.ASYNC, capacity=L2_BYTES)
    return cost.estimate(plan, spec.clocks()).seconds(cost.ASYNC)


def table():
    """Published and estimated milliseconds of each network, as Markdown."""
    lines = [
        "| network | MMAC | published, ms | estimated, ms | error |",
        "|---" * 5 + "|",
    ]
    for version, side, width, millions, fps, _ in PUBLISHED:
        found = seconds(version, side, width)
        lines.append(
            f"| {version} {side} {width} | {millions} | {1e3 / fps:.1f} | "
            f"{1e3 * found:.1f} | {100 * (found * fps - 1):+.0f} % |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
