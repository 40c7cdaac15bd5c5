"""The order of layers, and with it all places, does not depend on names."""

import dataclasses
import random

import pytest

from tests import graph_builder
from tests.export.max78000 import vendor_networks
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.max78000 import layer_order, lowering, placement


def _renamed(g, seed):
    """The graph with other names, and its layers in another order that runs."""
    rng = random.Random(seed)
    names = sorted({*g.tensors, *(layer.name for layer in g.layers)})
    others = [f"{rng.random():.12f}/{index}" for index in range(len(names))]
    new = dict(zip(names, others, strict=True))
    layers = []
    for layer in g.layers:
        changes = {
            field.name: getattr(layer, field.name)
            for field in dataclasses.fields(layer)
            if field.name in ("name", "inputs", "output", "weights", "bias")
        }
        changes = {
            key: tuple(new[each] for each in value)
            if isinstance(value, tuple)
            else new.get(value)
            for key, value in changes.items()
        }
        layers.append(dataclasses.replace(layer, **changes))
    return graph.Graph(
        g.name,
        {new[name]: tensor for name, tensor in g.tensors.items()},
        {new[name]: values for name, values in g.constants.items()},
        _shuffled(layers, [new[name] for name in (*g.inputs, *g.constants)], rng),
        tuple(new[name] for name in g.inputs),
        tuple(new[name] for name in g.outputs),
    )


def _shuffled(layers, known, rng):
    waiting, written, result = list(layers), {*known}, []
    while waiting:
        ready = [layer for layer in waiting if written.issuperset(layer.inputs)]
        layer = rng.choice(ready)
        waiting.remove(layer)
        written.add(layer.output)
        result.append(layer)
    return tuple(result)


@pytest.mark.parametrize("case", ["joined", "wide", "residual", "flattened", "pixels"])
def test_other_names_and_another_order_have_the_same_places(case):
    g = vendor_networks.CASES[case].graph()
    lowered = lowering.lower(g)
    expected = lowered.layers, placement.plan(lowered)
    for seed in range(3):
        other = lowering.lower(_renamed(g, seed))
        assert (other.layers, placement.plan(other)) == expected


@pytest.mark.slow
def test_automatic_names_of_keras_do_not_matter():
    """conv2d_10 comes before conv2d_9 where names are compared."""
    from tfpipeline.compat import keras
    from tfpipeline.readers import from_keras

    def read(first, second):
        image = keras.Input((12, 10, 3), name="image")
        convolutions = (
            keras.layers.Conv2D(8, size, padding="same", name=name)
            for size, name in ((3, first), (1, second))
        )
        x = keras.layers.Add(name="sum")([layer(image) for layer in convolutions])
        return from_keras.read(keras.Model(image, x))

    graphs = read("conv2d_9", "conv2d_10"), read("conv2d_1", "conv2d_2")
    first, second = ([layer.padding for layer in g.layers[:2]] for g in graphs)
    assert first == second[::-1] != second
    one, other = (lowering.lower(g) for g in graphs)
    assert one.layers == other.layers
    assert placement.plan(one) == placement.plan(other)


def test_convolutions_come_before_their_shortcut_and_heads_at_once():
    net = graph_builder.Builder((16, 16, 3), "block")
    start = net.conv(8, name="start")
    net.conv(8, 1, name="shortcut")
    short = net.last
    net.conv(8, name="a", source=start)
    net.join(graph.Add, short, source=net.conv(8, name="b"), name="sum")
    middle = net.last
    net.conv(8, name="on")
    last = net.conv(8, name="last")
    head = net.conv(4, 1, name="head", source=middle)
    g = layer_order.by_structure(net.build(last, head))
    names = [layer.name for layer in g.layers]
    assert names == ["start", "a", "b", "shortcut", "sum", "head", "on", "last"]


@pytest.mark.parametrize(
    "name", ["lffd_mcu", "lffd_mcu_2", "resnet8", "unet_mcu_folded", "arcface_r18"]
)
def test_registered_networks_keep_their_order(name):
    g = catalog.load(name)
    assert layer_order.by_structure(g).layers == g.layers
