"""Networks for the tests of fusion, plan and cost, as float graphs of ones."""

import json
import os
import pathlib

import pytest

from tests import graph_builder
from tfpipeline.ir import graph

GAP8 = (
    pathlib.Path(
        os.environ.get("TFPIPELINE_SHARED")
        or pathlib.Path(__file__).resolve().parents[4] / "shared"
    )
    / "reference"
    / "gap8"
)

# Squeezed channels, channels of each expansion, a maximum behind both.
_FIRES = (
    (16, 64, False),
    (16, 64, True),
    (32, 128, False),
    (32, 128, True),
    (48, 192, False),
    (48, 192, False),
    (64, 256, False),
    (64, 256, False),
)


def reference(name: str):
    """A file of the reference data; skips the test where it is absent."""
    path = GAP8 / name
    if not path.exists():
        pytest.skip(f"no {name}: set TFPIPELINE_SHARED to the reference data's folder")
    return json.loads(path.read_text(encoding="utf-8"))


def reid(*, pool_behind_concat: bool = False, input_shape=(128, 128, 1)):
    """The descriptor network of the GAP8 demo (FaceReID, layer_params.c).

    Args:
        pool_behind_concat: as SqueezeNet has it; else in each branch, as the demo.
        input_shape: of the image.
    """
    net = graph_builder.Builder(input_shape, "reid")
    net.conv(3, 1, relu=False)
    net.conv(64, 3, stride=2, padding="valid")
    net.pool(3, stride=2)
    for squeezed, expanded, pooled in _FIRES:
        fire(net, squeezed, expanded, pooled and not pool_behind_concat)
        if pooled and pool_behind_concat:
            net.pool(3, stride=2)
    net.mean()
    return net.build()


def fire(net, squeezed, expanded, pooled):
    """A fire module behind the last layer; `pooled` has a maximum in each branch."""
    source = net.conv(squeezed, 1)
    branches = []
    for size in (1, 3):
        net.conv(expanded, size, source=source)
        if pooled:
            net.pool(3, stride=2)
        branches.append(net.last)
    net.last = branches[0]
    net.concat(branches[1])


def residual():
    """A block with a skip connection."""
    net = graph_builder.Builder((16, 16, 8), "residual")
    skip = net.conv(8)
    net.conv(8)
    net.conv(8, relu=False)
    net.join(graph.Add, skip, clamp=graph.RELU)
    net.mean()
    net.dense(10)
    return net.build()


def dense_block():
    """Concatenations of concatenations, as in DenseNet."""
    net = graph_builder.Builder((8, 8, 4), "dense")
    whole = net.conv(4)
    for _ in range(3):
        part = net.conv(4, source=whole)
        net.last = whole
        whole = net.concat(part)
    net.conv(2)
    return net.build()
