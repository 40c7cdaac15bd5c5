"""What holds for the lowering of every well-formed graph, legal or not."""

import hypothesis
from hypothesis import strategies as st

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.cost import operations
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import graph_cost, lowering, moves
from tfpipeline.targets.max78000 import spec as specs

_CLAMPS = (graph.NO_CLAMP, graph.RELU, graph.RELU6, graph.Clamp(-2.0, 3.0))


def _conv(draw, net):
    net.conv(
        draw(st.sampled_from([1, 3, 4, 8, 65])),
        draw(st.sampled_from([1, 2, 3, 5, (1, 3), (3, 1)])),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.sampled_from(["same", "valid"])),
        dilation=draw(st.sampled_from([1, 1, 2])),
        clamp=draw(st.sampled_from(_CLAMPS)),
        bias=draw(st.sampled_from([False, 0.0, 1.0])),
    )


def _depthwise(draw, net):
    net.depthwise(multiplier=draw(st.integers(1, 2)))


def _transpose(draw, net):
    net.transposed(
        4, cut=draw(st.sampled_from([(0, 0), (0, 1), (1, 0), (2, 1)])), relu=False
    )


def _pool(draw, net):
    net.pool(
        draw(st.sampled_from([1, 2, 3, (1, 2), (2, 1), 17])),
        stride=draw(st.sampled_from([None, 1, 2])),
        kind=draw(st.sampled_from([graph.MaxPool, graph.AveragePool])),
        padding=draw(st.sampled_from(["same", "valid"])),
    )


def _merge(draw, net):
    kind = draw(st.sampled_from([graph.Add, graph.Sub, graph.Mul]))
    shape = net.shape(net.last)
    alike = [
        name
        for name in net.tensors
        if name not in net.constants and net.shape(name) == shape
    ]
    net.join(kind, draw(st.sampled_from(alike)), clamp=draw(st.sampled_from(_CLAMPS)))


def _concat(draw, net):
    shape = net.shape(net.last)
    alike = [
        name
        for name in net.tensors
        if name not in net.constants and net.shape(name)[:-1] == shape[:-1]
    ]
    net.concat(draw(st.sampled_from(alike)))


def _activation(draw, net):
    function = draw(st.sampled_from(graph.ACTIVATION_FUNCTIONS))
    net.activation(function)


def _mean(draw, net):
    net.mean(axes=draw(st.sampled_from([(1, 2), (1,), (2,), (3,)])))


def _dense(draw, net):
    if draw(st.booleans()):
        net.flatten()
    net.dense(draw(st.integers(1, 12)))


def _other(draw, net):
    kind = draw(st.sampled_from(["pad", "softmax", "unit", "depth"]))
    if kind == "pad":
        net.pad(((0, 0), (0, 1), (1, 2), (0, 0)))
    elif kind == "softmax":
        net.softmax()
    elif kind == "unit":
        net.reshape(1, *net.shape(net.last)[1:])
    elif kind == "depth":
        net.space_to_depth(2)


_STEPS = (
    *(_conv, _conv, _depthwise, _transpose, _pool, _pool, _merge, _concat),
    *(_activation, _mean, _dense, _other),
)


@st.composite
def graphs(draw):
    """Graphs of up to eight layers in any order that has shapes."""
    net = graph_builder.Builder(
        draw(st.sampled_from([(12, 12, 3), (1, 16, 4), (16, 4), (9, 1, 70)]))
    )
    for step in draw(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=8)):
        windows = step in (_conv, _depthwise, _transpose, _pool)
        if windows and len(net.shape(net.last)) not in (3, 4):
            hypothesis.reject()
        try:
            step(draw, net)
        except (ValueError, IndexError):
            # No such layer behind this shape.
            hypothesis.reject()
    try:
        return net.build()
    except errors.GraphError:
        hypothesis.reject()


@hypothesis.given(graphs(), st.sampled_from(list(specs.SPECS.values())))
@hypothesis.settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_lowering_gives_layers_or_says_why_not(g, spec):
    found = graph_cost.estimate_graph(g, spec)
    steps = found.lowered.steps
    if not steps:
        moved = (graph.Reshape, graph.Requantize, graph.Concat)
        on_host = " ".join(found.lowered.notes)
        runs = [
            layer
            for layer in g.layers
            if not isinstance(layer, moved) and f"'{layer.name}'" not in on_host
        ]
        assert found.violations or not runs
        return
    for index, step in enumerate(steps):
        for part in (part for parts in step.operands for part in parts):
            assert lowering.INPUT <= part < index
    kept = {name for step in steps for name in step.graph_layers}
    macc = sum(
        operations.count(g, layer).macc
        for layer in g.layers
        if layer.name in kept and not isinstance(layer, graph.TransposeConv2D)
    )
    ours = sum(
        line.operations.macc
        for step, line in zip(steps, found.cost.layers, strict=True)
        # A move multiplies, and is of no layer of the graph.
        if step.layer.operator != "convtranspose2d" and step.kind != moves.KIND
    )
    assert ours == macc
