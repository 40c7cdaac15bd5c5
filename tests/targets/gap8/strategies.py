"""Random graphs of what GAP8 runs, and of a little that it does not."""

import math

from hypothesis import strategies as st

from tests import graph_builder
from tfpipeline.ir import graph


@st.composite
def graphs(draw, max_layers=10):
    """Chains, branches, sums, nested concatenations, zeros and pools in any order."""
    side = draw(st.integers(4, 9))
    net = graph_builder.Builder(
        (side, draw(st.integers(4, 9)), draw(st.integers(1, 6)))
    )
    net.conv(draw(st.integers(1, 8)), draw(st.sampled_from([1, 3])))
    for _ in range(draw(st.integers(0, max_layers))):
        _add(draw, net)
    if draw(st.booleans()):
        net.mean(keep=draw(st.booleans()))
    if draw(st.booleans()):
        if draw(st.booleans()):
            net.flatten()
        net.dense(draw(st.integers(1, 20)), bias=draw(st.booleans()))
    ending = draw(st.sampled_from([*["none", "softmax", "sigmoid"] * 3, "relu6"]))
    if ending == "softmax":
        net.softmax()
    elif ending != "none":
        net.activation(ending)
    return net.build()


def _add(draw, net):
    shape = net.tensors[net.last].shape
    alike = [
        name
        for name, tensor in net.tensors.items()
        if name not in net.constants and tensor.shape[:-1] == shape[:-1]
    ]
    same = [name for name in alike if net.tensors[name].shape == shape]
    kind = draw(st.sampled_from(_KINDS))
    if kind == "conv":
        size = draw(st.sampled_from([1, 3, 5]))
        stride = draw(st.sampled_from([1, 1, 2]))
        options = {"relu": draw(st.booleans()), "bias": draw(st.booleans())}
        net.conv(draw(st.integers(1, 12)), size, stride=stride, **options)
    elif kind == "depthwise":
        net.depthwise(3, relu=draw(st.booleans()))
    elif kind == "pool" and min(shape[1:3]) >= 2:
        pool = draw(st.sampled_from([graph.MaxPool, graph.AveragePool]))
        padding = draw(st.sampled_from(["valid", "valid", "same"]))
        options = {"stride": draw(st.integers(1, 2)), "padding": padding}
        net.pool(2, kind=pool, **options)
    elif kind == "whole_pool":
        net.pool(min(shape[1:3]))
    elif kind == "pad":
        net.pad(((0, 0), *draw(st.sampled_from(_PADS)), (0, 0)))
        net.conv(2, padding="valid" if min(shape[1:3]) > 2 else "same")
    elif kind == "activation":
        net.activation(draw(st.sampled_from([*["relu"] * 7, "sigmoid"])))
    elif kind == "add":
        net.join(graph.Add, draw(st.sampled_from(same)))
    elif kind == "branch":
        net.last = draw(st.sampled_from(alike))
    elif kind == "concat" and math.prod(shape) < 5000:
        net.concat(*draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2)))
    elif kind == "fire":
        source = net.conv(draw(st.integers(1, 4)), 1)
        first = net.conv(draw(st.integers(1, 8)), 1, source=source)
        net.conv(draw(st.integers(1, 8)), 3, source=source)
        net.concat(first)


# Rows and columns; the generators know the first four.
_PADS = (
    *(((1, 1), (1, 1)), ((1, 1), (1, 1)), ((0, 2), (0, 2)), ((2, 0), (2, 0))),
    ((0, 1), (1, 1)),
)
_KINDS = (
    *("conv", "conv", "depthwise", "pool", "whole_pool", "pad", "activation"),
    *("add", "branch", "concat", "concat", "fire"),
)
