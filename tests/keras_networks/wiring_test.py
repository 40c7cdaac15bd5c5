"""Described layers that can be called, and those that Keras would try without end."""

import hypothesis
import pytest
from hypothesis import strategies

from tests.readers import described_networks as described
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import descriptions, topology, wiring

L = keras.layers


def _layers(*nodes):
    """An input and layers `a`, `b`, ..., each with the calls that it gets."""
    return [
        described.INPUT,
        *(
            {"class_name": "Add", "config": {}, "name": name, "inbound_nodes": calls}
            for name, calls in zip("abcdefgh", nodes, strict=False)
        ),
    ]


def _read(*sources):
    return [[name, call, 0, {}] for name, call in sources]


_INPUT = ("input", 0)


@pytest.mark.parametrize(
    "nodes",
    [
        ([_read(_INPUT)], [_read(("a", 0), _INPUT)]),
        # In another order than that of the calls.
        ([_read(("b", 0))], [_read(_INPUT)]),
        # Called twice, the second time on what another layer made of the first.
        ([_read(_INPUT), _read(("b", 0))], [_read(("a", 0))]),
        # Among the arguments.
        ([["input", 0, 0, {"y": ["b", 0, 0]}]], [_read(_INPUT)]),
        # A dictionary of inputs.
        ([{"one": ["input", 0, 0], "two": ["b", 0, 0]}], [_read(_INPUT)]),
        # An input has one call, whatever its number.
        ([_read(("input", 7))],),
    ],
)
def test_layers_that_can_be_called(nodes):
    wiring.require(_layers(*nodes))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (([_read(("a", 0))],), "^a: these layers wait"),
        (([_read(("b", 0))], [_read(("a", 0))]), "^a, b: these layers wait"),
        (([_read(_INPUT)], [_read(("a", 1))]), "^b: these layers wait"),
        (([_read(_INPUT)], [_read(("a", -1))]), "^b: these layers wait"),
        (([], [_read(("a", 0))]), "^b: these layers wait"),
        # The calls of a layer are made in their order.
        (([_read(("a", 1)), _read(_INPUT)],), "^a: these layers wait"),
        (([["input", 0, 0, {"y": [["b", 0, 0]]}]], [_read(("a", 0))]), "^a, b: "),
        (([_read(("zz", 0))],), "'a' reads 'zz', which is not described"),
    ],
)
def test_layers_that_wait(nodes, message):
    with pytest.raises(errors.GraphError, match=message):
        wiring.require(_layers(*nodes))


def test_names_differ():
    with pytest.raises(errors.GraphError, match="two layers are called 'input'"):
        wiring.require(_layers([_read(_INPUT)])[:2] * 2)


@hypothesis.given(
    strategies.lists(
        strategies.lists(
            strategies.lists(
                strategies.tuples(strategies.sampled_from("abcd"), strategies.just(0)),
                min_size=1,
                max_size=2,
            ),
            min_size=1,
            max_size=2,
        ),
        min_size=4,
        max_size=4,
    )
)
def test_what_is_accepted_has_an_order_of_calls(nodes):
    calls = [[_read(*sources) for sources in layer] for layer in nodes]
    # One layer reads the input, so that some wirings can be called.
    calls[0] = [_read(_INPUT)]
    left = {
        (name, number): {source for source, _, _, _ in node}
        | ({name} if number else set())
        for name, layer in zip("abcd", calls, strict=True)
        for number, node in enumerate(layer)
    }
    done: set[str] = {"input"}
    for _ in range(len(left) + 1):
        for (name, number), sources in list(left.items()):
            if sources <= done:
                del left[name, number]
                # What is read is always the first call.
                done |= {name} if number == 0 else set()
    if left:
        with pytest.raises(errors.GraphError):
            wiring.require(_layers(*calls))
    else:
        wiring.require(_layers(*calls))


def _networks_in_networks():
    image = keras.Input((8, 8, 3))
    with_input = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(3, 1)])
    without = keras.Sequential([L.Conv2D(3, 1), L.ReLU()])
    inner = keras.Input((8, 8, 3))
    network = keras.Model(inner, with_input(L.ReLU()(inner)))
    x = without(with_input(network(image)))
    x = network(without(with_input(x)))
    return keras.Model(image, [L.Add()([x, network(x)]), x])


def test_networks_that_are_called_again():
    model = _networks_in_networks()
    described_by_keras = topology.to_dict(model)
    again = topology.from_dict(descriptions.checked(described_by_keras))
    assert topology.to_dict(again) == described_by_keras
