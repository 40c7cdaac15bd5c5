"""Integer graphs at random: any layers behind each other, with random integers."""

import dataclasses
import math

import numpy as np

from tests import graph_builder
from tfpipeline.ir import graph, layer_rules, verify
from tfpipeline.numerics import affine


def plane_graph(random, dtype):
    """Layers of images; branches are joined, or followed by a dense end."""
    net = graph_builder.Builder((int(random.integers(6, 10)), 8, 4))
    for _ in range(int(random.integers(2, 6))):
        _add_plane_layer(net, random, dtype)
    if random.integers(2):
        net.mean(keep=bool(random.integers(2)))
        net.dense(int(random.integers(1, 10)))
    if random.integers(2):
        net.softmax()
    return quantized(net.build(), random, dtype)


def line_graph(random, dtype):
    """Layers of sequences: Conv1D and what has one spatial axis."""
    net = graph_builder.Builder((int(random.integers(9, 20)), 3))
    net.conv(5, 3, stride=int(random.integers(1, 3)))
    net.pool(2, kind=(graph.MaxPool, graph.AveragePool)[random.integers(2)])
    net.conv(6, 2, padding=((int(random.integers(3)), 1),))
    net.mean()
    net.dense(3)
    return quantized(net.build(), random, dtype)


def gate_graph(random, dtype):
    """A channel's mean times its plane: operands of different shapes."""
    net = graph_builder.Builder((5, 7, 6))
    plane = net.conv(4)
    gate = net.mean(keep=True)
    net.last = plane
    net.join(graph.Mul, gate)
    return quantized(net.build(), random, dtype)


def rows_graph(random, dtype):
    """A dense layer on every pixel, and planes one below the other."""
    net = graph_builder.Builder((4, 3, 6))
    net.tensors["kernel"] = graph.Tensor("kernel", (7, 6), "float32")
    net.constants["kernel"] = np.ones((7, 6), np.float32)
    net.tensors["rows"] = graph.Tensor("rows", (1, 4, 3, 7), "float32")
    dense = graph.Dense(
        name="dense", inputs=("input",), output="rows", weights="kernel"
    )
    net.tensors["below"] = graph.Tensor("below", (1, 8, 3, 7), "float32")
    concat = graph.Concat(
        name="concat", inputs=("rows", "rows"), output="below", axis=1
    )
    net.layers += [dense, concat]
    net.last = "below"
    net.mean()
    return quantized(net.build(), random, dtype)


def _add_plane_layer(net, random, dtype):
    _, height, width, channels = net.tensors[net.last].shape
    choice = int(random.integers(12))
    pads = tuple(tuple(int(n) for n in random.integers(0, 3, 2)) for _ in range(2))
    if choice == 0:
        net.conv(int(random.integers(1, 10)), int(random.integers(1, 4)), padding=pads)
    elif choice == 1:
        groups = math.gcd(channels, 4)
        net.conv(6 * groups, 3, groups=groups, stride=int(random.integers(1, 3)))
    elif choice == 2:
        net.conv(5, 3, dilation=2, clamp=graph.RELU6)
    elif choice == 3:
        net.depthwise(3, multiplier=int(random.integers(1, 3)), padding=pads)
    elif choice == 4:
        net.transposed(3, bias=bool(random.integers(2)))
    elif choice == 5:
        kind = (graph.MaxPool, graph.AveragePool)[random.integers(2)]
        net.pool(min(2, height, width), stride=1, kind=kind, padding="same")
    elif choice == 6:
        net.pad(((0, 0), pads[0], pads[1], (0, int(random.integers(2)))))
    elif choice == 7 and dtype == "int8" and not (height % 2 or width % 2):
        net.space_to_depth(2)
    elif choice == 8:
        net.activation(("relu", "sigmoid", "tanh", "abs")[random.integers(4)])
    else:
        _add_joined(net, random, choice)


def _add_joined(net, random, choice):
    """Two branches of the last tensor, joined."""
    source, channels = net.last, net.tensors[net.last].shape[-1]
    first = net.conv(channels, 1, relu=False)
    net.depthwise(3, source=source)
    if choice == 9:
        net.concat(first)
    else:
        kinds = (graph.Add, graph.Sub, graph.Mul)
        net.join(kinds[random.integers(3)], first, clamp=graph.RELU)


def quantized(g, random, dtype):
    """The float graph `g` with random integers, scales and zero points."""
    quants = {g.inputs[0]: _quant(random, dtype, 2.0 ** random.uniform(-7, -3))}
    tensors, constants, layers = {}, {}, []
    for layer in g.layers:
        # Concat's parts get one scale by a Requantize that the converter would add.
        if isinstance(layer, graph.Concat):
            layer, extra = _with_equal_scales(layer, g, random, dtype, quants, tensors)
            layers += extra
        if isinstance(layer, graph.Weighted):
            _add_constants(g, layer, random, dtype, quants, tensors, constants)
        quants[layer.output] = _output_quant(g, layer, random, dtype, quants)
        layers.append(layer)
    for name, tensor in g.tensors.items():
        if name not in tensors:
            tensors[name] = dataclasses.replace(tensor, dtype=dtype, quant=quants[name])
    return verify.require(
        dataclasses.replace(
            g, tensors=tensors, constants=constants, layers=tuple(layers)
        )
    )


def _quant(random, dtype, scale):
    """Of an activation; the zero points of int16 are 0."""
    if dtype == "int16":
        return graph.QuantParams((float(np.float32(scale / 256)),), (0,), 16)
    zero = int(random.integers(-128, 128))
    return graph.QuantParams((float(np.float32(scale)),), (zero,), 8)


def _output_quant(g, layer, random, dtype, quants):
    source = quants[layer.inputs[0]]
    name = layer.function if isinstance(layer, graph.Activation) else "softmax"
    is_function = isinstance(layer, (graph.Activation, graph.Softmax))
    if is_function and (name, dtype) in affine.FIXED_OUTPUTS:
        scale, zero = affine.FIXED_OUTPUTS[name, dtype]
        return graph.QuantParams((scale,), (zero,), source.num_bits)
    if isinstance(layer, layer_rules.SCALE_KEEPING):
        return source
    gain = 2.0 ** random.uniform(-1.5, 1.5)
    if isinstance(layer, graph.Weighted):
        taps = math.prod(g.tensors[layer.weights].shape[1:])
        gain *= 0.5 * math.sqrt(taps)
    scale = source.scale[0] * (256 if dtype == "int16" else 1)
    return _quant(random, dtype, min(max(scale * gain, 2**-9), 2**2))


def _with_equal_scales(layer, g, random, dtype, quants, tensors):
    quant = _quant(random, dtype, 2.0 ** random.uniform(-6, -2))
    names, extra = [], []
    for name in layer.inputs:
        new = f"{name}/rescaled{len(extra)}"
        extra.append(graph.Requantize(name=new, inputs=(name,), output=new))
        shape = g.tensors[name].shape
        tensors[new] = graph.Tensor(new, shape, dtype, quant)
        quants[new] = quant
        names.append(new)
    return dataclasses.replace(layer, inputs=tuple(names)), extra


def _add_constants(g, layer, random, dtype, quants, tensors, constants):
    kernel = g.tensors[layer.weights]
    is_depthwise = isinstance(layer, graph.DepthwiseConv2D)
    axis = len(kernel.shape) - 1 if is_depthwise else 0
    count = kernel.shape[axis]
    scales = np.float32(random.uniform(0.002, 0.02, count))
    zeros = (0,) * count
    quant = graph.QuantParams(tuple(map(float, scales)), zeros, 8, axis)
    tensors[kernel.name] = dataclasses.replace(kernel, dtype="int8", quant=quant)
    values = random.integers(-127, 128, kernel.shape)
    constants[kernel.name] = values.astype(np.int8)
    if layer.bias is not None:
        narrow_only = (graph.DepthwiseConv2D, graph.TransposeConv2D)
        is_wide = dtype == "int16" and (
            isinstance(layer, narrow_only) or random.integers(2)
        )
        bias, bits = g.tensors[layer.bias], 64 if is_wide else 32
        step = float(np.float32(quants[layer.inputs[0]].scale[0] * scales[0]))
        tensors[bias.name] = dataclasses.replace(
            bias,
            dtype=f"int{bits}",
            quant=graph.QuantParams((step,), (0,), bits),
        )
        limit = 4000 * (256 if dtype == "int16" else 1)
        constants[bias.name] = random.integers(-limit, limit, bias.shape).astype(
            f"int{bits}"
        )
