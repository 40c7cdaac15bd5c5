"""Small int8 networks for Vela, and the mark of tests that need it."""

import dataclasses
import functools
import importlib.util
import pathlib

import numpy as np
import pytest

from export.tflite import from_graph
from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.precision import formats, quantize, ranges
from tfpipeline.targets.ethosu import placement, spec

NEEDS_VELA = pytest.mark.skipif(
    importlib.util.find_spec("ethosu") is None,
    reason=f"Vela is not installed: {spec.INSTALL}",
)
GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
U55 = spec.CONFIGS["ethos-u55-128"]


def refused_stride() -> graph.Graph:
    """A float network whose depthwise convolution steps further than the U55 can."""
    builder = graph_builder.Builder((16, 16, 4), "far")
    builder.conv(8)
    builder.depthwise(stride=4)
    builder.conv(6)
    builder.mean()
    builder.dense(5)
    g = builder.build()
    random = np.random.default_rng(0)
    return dataclasses.replace(
        g,
        constants={
            name: random.normal(0, 0.2, values.shape).astype(np.float32)
            for name, values in g.constants.items()
        },
    )


def int8(g: graph.Graph) -> graph.Graph:
    """A float network in integers, by random inputs."""
    shape = g.tensors[g.inputs[0]].shape[1:]
    inputs = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32)
    return quantize.quantize(g, ranges.observe(g, inputs), formats.named("wi8_ai8"))


@functools.cache
def refused_file() -> bytes:
    """`refused_stride` as an int8 `.tflite`."""
    return from_graph.to_bytes(int8(refused_stride()))


@functools.cache
def placed(name: str) -> placement.Placement:
    """A golden file, or "refused", compiled for the U55 once."""
    if name == "refused":
        return placement.place(refused_file(), U55)
    return placement.place((GOLDEN / f"{name}.tflite").read_bytes(), U55)
