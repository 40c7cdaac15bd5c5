"""Random graphs of what GAP8 runs, for the tests of fusion, plan and cost."""

import math

from hypothesis import strategies as st

from tests import graph_builder
from tfpipeline.ir import graph


@st.composite
def graphs(draw, max_layers=10):
    """Chains, branches, sums, nested concatenations and pools in any order."""
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
        net.dense(draw(st.integers(1, 20)))
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
        net.conv(draw(st.integers(1, 12)), size, stride=stride)
    elif kind == "depthwise":
        net.depthwise(3, relu=draw(st.booleans()))
    elif kind == "pool" and min(shape[1:3]) >= 2:
        pool = draw(st.sampled_from([graph.MaxPool, graph.AveragePool]))
        net.pool(2, stride=draw(st.integers(1, 2)), kind=pool)
    elif kind == "activation":
        net.activation(draw(st.sampled_from(["relu", "sigmoid"])))
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


_KINDS = (
    *("conv", "conv", "depthwise", "pool", "activation"),
    *("add", "branch", "concat", "concat", "fire"),
)
