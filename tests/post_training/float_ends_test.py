"""Networks without the functions at their outputs, which the host computes."""

import numpy as np

from tests import float_graphs, graph_builder
from tfpipeline.ir import graph
from tfpipeline.post_training import float_ends
from tfpipeline.simulate import float_execution


def outputs(g, images):
    values = float_execution.activations(g, images)
    return tuple(values[name] for name in g.outputs)


def ended(*kinds):
    """A dense layer, and behind it the layers that are made."""
    builder = graph_builder.Builder((5,))
    builder.dense(4)
    for kind, options in kinds:
        getattr(builder, kind)(**options)
    return float_graphs.randomized(builder.build(), seed=2)


def with_function(layer, moved=None):
    """A dense layer, a function, and a reshape of its values where one is asked for."""
    g = ended()
    source = g.outputs[0]
    tensors = dict(g.tensors)
    tensors["f"] = graph.Tensor("f", tensors[source].shape, "float32")
    layers = [*g.layers, layer(source)]
    name = "f"
    if moved is not None:
        name = "m"
        tensors["m"] = graph.Tensor("m", moved, "float32")
        layers.append(graph.Reshape(name="m", inputs=("f",), output="m"))
    return graph.Graph(g.name, tensors, g.constants, tuple(layers), g.inputs, (name,))


def softmax(source, beta=1.0):
    return graph.Softmax(name="f", inputs=(source,), output="f", beta=beta)


def sigmoid(source):
    return graph.Activation(name="f", inputs=(source,), output="f", function="sigmoid")


def require_same(g, layers):
    """What is left, with the host's function, is the whole network."""
    opened = float_ends.opened(g)
    assert len(opened.graph.layers) == layers
    images = float_graphs.images(g, 6)
    found = opened.applied(outputs(opened.graph, images))
    for a, b in zip(found, outputs(g, images), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_functions_are_taken_off():
    require_same(with_function(softmax), 1)
    require_same(with_function(sigmoid), 1)
    # Sigmoid is of every value, whatever rows they stand in.
    require_same(with_function(sigmoid, (1, 2, 2)), 2)
    require_same(with_function(softmax, (1, 1, 4)), 2)


def test_what_cannot_go_stays():
    require_same(with_function(softmax, (1, 2, 2)), 3)
    require_same(with_function(lambda source: softmax(source, 2.0)), 2)
    require_same(ended(), 1)
    # Something else reads it.
    g = with_function(sigmoid)
    require_same(
        graph.Graph(
            g.name,
            {**g.tensors, "m": graph.Tensor("m", (1, 2, 2), "float32")},
            g.constants,
            (*g.layers, graph.Reshape(name="m", inputs=("f",), output="m")),
            g.inputs,
            ("f", "m"),
        ),
        3,
    )
