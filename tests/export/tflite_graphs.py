"""Integer graphs of random weights, for what writes `.tflite` files."""

import dataclasses

import numpy as np

from tests import graph_builder
from tfpipeline.ir import graph, verify

# One scale for all activations, as layers that only move integers need it.
ACTIVATIONS = {
    "int8": graph.QuantParams((0.03125,), (-3,), 8),
    "int16": graph.QuantParams((0.03125 / 256,), (0,), 16),
}
BIASES = {"int8": "int32", "int16": "int64"}


def quantized(g, dtype="int8", seed=0):
    """The float graph in integers: random kernels and biases."""
    random = np.random.default_rng(seed)
    tensors, constants = {}, {}
    weights = {each.weights for each in g.layers if isinstance(each, graph.Weighted)}
    for name, tensor in g.tensors.items():
        kind, quant = dtype, ACTIVATIONS[dtype]
        if name in weights:
            kind, quant = "int8", graph.QuantParams((0.0078125,), (0,), 8)
            constants[name] = random.integers(-127, 128, tensor.shape).astype(kind)
        elif name in g.constants:
            kind, quant = BIASES[dtype], None
            constants[name] = random.integers(-900, 900, tensor.shape).astype(kind)
        tensors[name] = dataclasses.replace(tensor, dtype=kind, quant=quant)
    return verify.require(dataclasses.replace(g, tensors=tensors, constants=constants))


def visual_wake_words():
    """MobileNet v1 of a quarter of the width on 96x96, as MLPerf Tiny has it."""
    builder = graph_builder.Builder((96, 96, 3))
    builder.conv(8, stride=2)
    for channels, stride in [
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        *[(128, 1)] * 5,
        (256, 2),
        (256, 1),
    ]:
        builder.depthwise(3, stride=stride)
        builder.conv(channels, 1)
    builder.pool(3, kind=graph.AveragePool)
    builder.dense(2)
    return quantized(builder.build())


def random_network(seed, dtype="int8"):
    """Twenty layers of most kinds on planes of one size, some reading further back."""
    random = np.random.default_rng(seed)
    builder = graph_builder.Builder((8, 8, 4))
    earlier = []
    for _ in range(20):
        earlier.append(builder.last)
        _add_random_layer(builder, random, earlier[-4:-1])
    builder.mean()
    builder.dense(7)
    return quantized(builder.build(), dtype, seed)


def _add_random_layer(builder, random, near):
    """Adds a layer that keeps the size of the plane; it may read one of `near` too."""
    shape = builder.tensors[builder.last].shape
    alike = [name for name in near if builder.tensors[name].shape == shape]
    choice = random.integers(8)
    if choice == 0 and near:
        builder.concat(str(random.choice(near)))
    elif choice == 1 and alike:
        kind = (graph.Add, graph.Sub, graph.Mul)[random.integers(3)]
        builder.join(kind, str(random.choice(alike)), clamp=graph.RELU6)
    elif choice == 2:
        builder.depthwise(3)
    elif choice == 3:
        kind = (graph.MaxPool, graph.AveragePool)[random.integers(2)]
        builder.pool(3, stride=1, kind=kind, padding="same")
    elif choice == 4:
        # Padding that TensorFlow has no name for.
        builder.conv(5, 3, padding=((2, 0), (0, 2)))
    elif choice == 5:
        builder.activation(str(random.choice(["relu", "relu6", "abs"])))
    else:
        builder.conv(int(random.integers(1, 40)), 1)
