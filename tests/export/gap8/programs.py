"""Programs for the tests, built layer by layer, with random integers."""

import numpy as np

from tfpipeline.targets.gap8 import fixed_point, kernels, program


class Builder:
    """Adds layers to a program; every method returns the name of its output.

    Args:
        shape: of the input: channels, rows, columns.
        num_bits: 16 or 8.
        seed: of all integers.
        q: fraction bits of the input.
    """

    def __init__(self, shape, num_bits=16, seed=0, q=5):
        self.num_bits = num_bits
        self._random = np.random.default_rng(seed)
        self.tensors = {"x": program.Tensor("x", tuple(shape), q)}
        self.layers = []
        self.last = "x"

    def conv(self, outputs, kernel=(3, 3), source=None, *, groups=1, norm=None, **more):
        """A convolution; `norm` defaults to what keeps sums near the range."""
        source = source or self.last
        channels = self.tensors[source].shape[0] // groups
        weights = self.integers((outputs, channels, *kernel))
        layer = self._weighted(
            program.Conv, source, weights, norm, groups=groups, **more
        )
        plane = layer.conv_plane(self.tensors[source].shape[1:])
        if layer.pool is not None:
            plane = layer.pool.plane(plane)
        return self._add(layer, (outputs, *plane), layer.format.out_q)

    def linear(self, outputs, source=None, *, norm=None, **more):
        """A matrix product."""
        source = source or self.last
        weights = self.integers((outputs, self.tensors[source].num_elements))
        layer = self._weighted(program.Linear, source, weights, norm, **more)
        return self._add(layer, (outputs, 1, 1), layer.format.out_q)

    def pool(self, kind, size, strides, source=None, *, relu=False, **more):
        """A pool: "max" or "average"."""
        tensor = self.tensors[source or self.last]
        window = program.Window(tuple(size), tuple(strides), **more)
        fields = {"window": window, "relu": relu, **self._names(tensor.name)}
        if kind == "max":
            layer = program.MaxPool(**fields)
        else:
            factor, shift, rounds = kernels.average_factor(self.num_bits, window)
            layer = program.AvgPool(factor=factor, shift=shift, rounds=rounds, **fields)
        plane = window.plane(tensor.shape[1:])
        return self._add(layer, (tensor.shape[0], *plane), tensor.q)

    def concat(self, *sources):
        """All sources, brought to the fewest fraction bits of any."""
        found = [self.tensors[name] for name in sources]
        q = min(tensor.q for tensor in found)
        layer = program.Concat(
            norms=tuple(tensor.q - q for tensor in found), **self._names(*sources)
        )
        shape = (sum(tensor.shape[0] for tensor in found), *found[0].shape[1:])
        return self._add(layer, shape, q)

    def add(self, first, second, *, relu=False, extra=0):
        """The sum, at the fewest fraction bits less `extra`."""
        found = [self.tensors[name] for name in (first, second)]
        q = min(tensor.q for tensor in found) - extra
        norms = tuple(tensor.q - q for tensor in found)
        layer = program.Add(norms=norms, relu=relu, **self._names(first, second))
        return self._add(layer, found[0].shape, q)

    def build(self, name="net"):
        """The program, whose result is the last layer's."""
        return program.Program(
            name=name,
            num_bits=self.num_bits,
            tensors=self.tensors,
            layers=tuple(self.layers),
            inputs=("x",),
            outputs=(self.last,),
        )

    def integers(self, shape):
        """Of the whole range."""
        low, high = fixed_point.value_range(self.num_bits)
        width = fixed_point.WIDTHS[self.num_bits]
        return self._random.integers(low, high, shape, width, endpoint=True)

    def _names(self, *sources):
        number = len(self.layers)
        return {"name": f"l{number}", "inputs": sources, "output": f"t{number}"}

    def _weighted(self, kind, source, weights, norm, *, bias_norm=None, **more):
        q = self.tensors[source].q
        if norm is None:
            norm = self.num_bits - 1 + int(np.log2(weights[0].size)) // 2
        weight_q = norm
        out_q = q
        bias_q = out_q if bias_norm is None else q + weight_q - bias_norm
        return kind(
            weights=weights,
            bias=self.integers(len(weights)),
            format=fixed_point.Format(q, weight_q, bias_q, out_q),
            **self._names(source),
            **more,
        )

    def _add(self, layer, shape, q):
        self.layers.append(layer)
        self.tensors[layer.output] = program.Tensor(layer.output, tuple(shape), q)
        self.last = layer.output
        return layer.output


PADDED = ((1, 1), (1, 1))


def fire(num_bits=16, seed=0):
    """Convolution with its pool, a fire module, an average over the plane."""
    net = Builder((2, 12, 12), num_bits, seed)
    pool = program.Window((3, 3), (2, 2))
    net.conv(5, strides=(2, 2), padding=((0, 1), (0, 1)), pool=pool, relu=True)
    squeezed = net.conv(3, (1, 1), relu=True)
    first = net.conv(4, (1, 1), squeezed, relu=True)
    second = net.conv(6, (3, 3), squeezed, padding=PADDED, relu=True)
    net.concat(first, second)
    rows, columns = net.tensors[net.last].shape[1:]
    net.pool("average", (rows, columns), (1, 1))
    return net.build("fire")


def mixed(num_bits=16, seed=1):
    """Every kind of layer, odd windows, groups, dilation, sums of unequal formats."""
    net = Builder((4, 11, 9), num_bits, seed)
    stem = net.conv(6, (3, 5), strides=(2, 1), padding=((1, 0), (2, 2)), norm=3)
    deep = net.conv(6, (3, 3), stem, groups=6, padding=PADDED, relu=True)
    wide = net.conv(6, (3, 3), deep, dilation=(2, 1), padding=((2, 2), (1, 1)))
    net.add(wide, deep, relu=True, extra=2)
    net.pool("max", (3, 2), (1, 2), relu=True, padding=((1, 1), (0, 1)))
    pooled = net.pool("average", (2, 2), (2, 2))
    left = net.conv(3, (1, 1), pooled, norm=0)
    inner = net.concat(left, pooled)
    right = net.conv(2, (1, 1), inner)
    net.concat(inner, right, inner)
    net.linear(7, relu=True)
    net.linear(5)
    return net.build("mixed")


def separate_bias(num_bits=16, seed=2):
    """Biases with fraction bits of their own, as NNTool gives them."""
    net = Builder((1, 8, 8), num_bits, seed)
    net.conv(3, (3, 3), bias_norm=num_bits - 2, padding=PADDED)
    net.linear(4, bias_norm=num_bits - 3)
    return net.build("separate_bias")


ALL = {
    f"{build.__name__}{num_bits}": build(num_bits)
    for build in (fire, mixed, separate_bias)
    for num_bits in (16, 8)
}
