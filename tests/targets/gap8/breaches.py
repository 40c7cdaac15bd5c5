"""For each constraint a float network that keeps it, and one that breaks it."""

import dataclasses

from tests import graph_builder
from tfpipeline.ir import graph


def net(add, shape=(8, 8, 4)):
    """A graph of what `add` puts behind an input."""
    builder = graph_builder.Builder(shape)
    add(builder)
    return builder.build()


def _typed(dtype, *, scale=0.5, zero=0):
    """A pool on tensors of a type."""
    g = net(lambda n: n.pool(2))
    quant = graph.QuantParams((scale,), (zero,), 8)
    tensors = {
        name: dataclasses.replace(tensor, dtype=dtype, quant=quant)
        for name, tensor in g.tensors.items()
    }
    return dataclasses.replace(g, tensors=tensors)


def _rows_concat():
    """A concatenation of rows instead of channels."""
    g = net(lambda n: n.conv(4))
    name = g.outputs[0]
    below = graph.Concat(name="rows", inputs=(name, name), output="below", axis=1)
    tensors = dict(g.tensors) | {
        "below": graph.Tensor("below", (1, 16, 8, 4), "float32")
    }
    return dataclasses.replace(
        g, tensors=tensors, layers=(*g.layers, below), outputs=("below",)
    )


def _concat(*, of_input):
    def add(n):
        first = n.conv(2)
        n.conv(2, source="input")
        n.concat("input" if of_input else first)

    return net(add)


def _strided(rows, columns):
    g = net(lambda n: n.conv(4, 3, padding="valid", stride=2))
    [layer] = g.layers
    height = (8 - 3) // rows + 1
    width = (8 - 3) // columns + 1
    tensors = dict(g.tensors)
    tensors[layer.output] = graph.Tensor(layer.output, (1, height, width, 4), "float32")
    layer = dataclasses.replace(layer, strides=(rows, columns))
    return dataclasses.replace(g, tensors=tensors, layers=(layer,))


def _two_results():
    g = net(lambda n: (n.conv(2), n.conv(2)))
    return dataclasses.replace(g, outputs=tuple(layer.output for layer in g.layers))


def _given_back():
    g = net(lambda n: n.conv(2))
    return dataclasses.replace(g, outputs=(*g.outputs, *g.inputs))


def _flattened(then):
    def add(n):
        n.conv(4)
        n.flatten()
        then(n)

    return net(add)


def _zeros(then):
    def add(n):
        n.pad(((0, 0), (1, 1), (1, 1), (0, 0)))
        then(n)

    return net(add)


# By id: a network that keeps the constraint, one that breaks it, and what is found.
CASES = {
    "KIND-01": (
        net(lambda n: (n.conv(4), n.softmax())),
        net(lambda n: n.transposed(4)),
        "TransposeConv2D",
    ),
    "ACT-01": (
        net(lambda n: (n.conv(4, relu=False), n.activation("relu"))),
        net(lambda n: n.conv(4, clamp=graph.RELU6)),
        "relu6",
    ),
    "CONV-01": (
        net(lambda n: n.conv(4, 5)),
        net(lambda n: n.conv(4, 7)),
        "7x7",
    ),
    "CONV-02": (_strided(2, 2), _strided(2, 1), "2x1"),
    "CONV-03": (
        net(lambda n: n.conv(4)),
        net(lambda n: n.conv(4, dilation=2, padding="valid")),
        "2x2",
    ),
    "CONV-04": (
        net(lambda n: n.conv(4, groups=4)),
        net(lambda n: n.conv(4, groups=2)),
        "2 groups",
    ),
    "DW-01": (
        net(lambda n: n.conv(4)),
        net(lambda n: n.depthwise()),
        "4 groups of one channel",
    ),
    "DW-02": (
        net(lambda n: n.depthwise()),
        net(lambda n: n.depthwise(multiplier=2)),
        "4 to 8 channels",
    ),
    "PAD-01": (
        net(lambda n: n.conv(4, stride=2, padding=((1, 0), (1, 0)))),
        net(lambda n: n.conv(4, padding=((2, 1), (1, 1)))),
        "rows 2 and 1, columns 1 and 1",
    ),
    "POOL-01": (
        net(lambda n: n.pool(3, stride=2, padding="same")),
        net(lambda n: n.pool(3, stride=1, padding=((2, 2), (2, 2)))),
        "rows 2 and 2, columns 2 and 2",
    ),
    "POOL-02": (
        net(lambda n: n.pool(2, kind=graph.AveragePool)),
        net(lambda n: n.pool(3, stride=2, kind=graph.AveragePool, padding="same")),
        "rows 0 and 1, columns 0 and 1",
    ),
    "POOL-03": (
        net(lambda n: n.mean(), (16, 16, 4)),
        net(lambda n: n.mean(), (100, 100, 1)),
        "100x100 in 16 bits: 0.916",
    ),
    "POOL-04": (
        net(lambda n: n.mean(), (100, 100, 1)),
        net(lambda n: n.mean(), (256, 257, 1)),
        "256x257 in 16 bits",
    ),
    "L1-01": (
        net(lambda n: n.conv(2), (8, 1700, 1)),
        net(lambda n: n.conv(2), (8, 3400, 1)),
        "54,440 bytes",
    ),
    "NET-01": (_two_results(), _given_back(), "a result that no layer computes"),
    "DATA-01": (
        net(lambda n: n.conv(2), (8, 4)),
        net(lambda n: n.activation("relu"), (2, 3, 8, 4)),
        "2 x 3 x 8 x 4, one of 2",
    ),
    "DATA-02": (
        _flattened(lambda n: n.dense(3)),
        _flattened(lambda n: (n.activation("relu"), n.dense(3))),
        "(1, 8, 8, 4) to (1, 256)",
    ),
    "PAD-02": (
        _zeros(lambda n: n.conv(2, padding="valid")),
        _zeros(lambda n: n.pool(2)),
        "((0, 0), (1, 1), (1, 1), (0, 0))",
    ),
    "TYPE-01": (_typed("int8"), _typed("uint8"), "uint8"),
    "TYPE-02": (
        _typed("int8"),
        _typed("int8", scale=0.3, zero=3),
        "2 tensors with other scales",
    ),
    "CAT-01": (_concat(of_input=False), _rows_concat(), "axis 1"),
    "CAT-02": (
        _concat(of_input=False),
        _concat(of_input=True),
        "512 bytes of 'input'",
    ),
    "L2-01": (
        net(lambda n: n.conv(8, 1), (128, 128, 4)),
        net(lambda n: n.conv(16, 1), (128, 128, 4)),
        "655,360 bytes of 524,288",
    ),
    "L2-02": (
        net(lambda n: n.conv(64), (8, 8, 256)),
        net(lambda n: n.conv(128), (8, 8, 256)),
        "590,080 bytes, read in 3 tiles of 48 output channels, 442,560 bytes of L2 at "
        "a time",
    ),
    "L3-01": (
        net(lambda n: n.conv(1024, 3), (4, 4, 256)),
        net(lambda n: n.conv(2048, 3), (4, 4, 256)),
        "9,441,280 bytes",
    ),
}
