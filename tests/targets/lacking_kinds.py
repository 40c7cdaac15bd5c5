"""Kinds that neither the MAX78000 nor the GAP8 has, each put into a network."""

from tfpipeline.ir import graph

# Kind -> adds one to a `graph_builder.Builder` of planes `[8, 8, 4]`.
ADDED = {
    "LeakyRelu": lambda n: n.like(graph.LeakyRelu, alpha=0.1),
    "PRelu": lambda n: n.prelu(),
    "Maximum": lambda n: n.join(graph.Maximum, "input"),
    "Minimum": lambda n: n.join(graph.Minimum, "input"),
    "ReduceMax": lambda n: n.reduce(axes=(3,)),
    "PadV2": lambda n: n.pad_value(((0, 0), (1, 0), (0, 0), (0, 0))),
    "MirrorPad": lambda n: n.mirror(((0, 0), (1, 0), (0, 0), (0, 0))),
    "Transpose": lambda n: n.transpose(0, 2, 1, 3),
    "Slice": lambda n: n.slice((0, 1, 0, 0), (1, 1, 8, 4)),
    "StridedSlice": lambda n: n.slice((0, 1, 0, 0), (1, 1, 8, 4), (1,) * 4),
    "ResizeNearestNeighbor": lambda n: n.resize(16, 16),
    "ResizeBilinear": lambda n: n.resize(16, 16, graph.ResizeBilinear),
}
