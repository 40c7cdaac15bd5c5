"""Float graphs for tests, layer by layer; shapes follow, constants are ones."""

import math

import numpy as np

from tfpipeline.ir import geometry, graph, verify


class Builder:
    """Adds layers behind `self.last`, or behind the tensor that is named."""

    def __init__(self, shape, name="net"):
        self.name = name
        self.tensors = {}
        self.constants = {}
        self.layers = []
        self.last = self._tensor("input", (1, *shape))

    def conv(self, channels, size=3, *, stride=1, padding="same", relu=True, **options):
        source = self._shape(options)
        kernel = (channels, size, size, source[-1] // options.pop("groups", 1))
        return self._window(graph.Conv2D, kernel, size, stride, padding, relu, options)

    def depthwise(self, size=3, *, stride=1, padding="same", relu=True, **options):
        channels = self._shape(options)[-1] * options.pop("multiplier", 1)
        kernel = (1, size, size, channels)
        kind = graph.DepthwiseConv2D
        return self._window(kind, kernel, size, stride, padding, relu, options)

    def conv1d(self, channels, size=3, *, stride=1, padding="same", relu=True):
        kernel = (channels, size, self._shape({})[-1])
        return self._window(graph.Conv1D, kernel, size, stride, padding, relu, {})

    def dense(self, units, *, relu=False, bias=True):
        source = self._shape({})
        clamp = graph.RELU if relu else graph.NO_CLAMP
        weights = (units, math.prod(source))
        return self._weighted(graph.Dense, weights, (1, units), bias, clamp=clamp)

    def pool(self, size=2, *, stride=None, kind=graph.MaxPool, padding="valid"):
        source = self._shape({})
        plane = source[1:-1]
        sizes, strides = ((n,) * len(plane) for n in (size, stride or size))
        pads = _padding(padding, plane, sizes, strides)
        shape = _output(source, sizes, strides, pads, source[-1])
        fields = {"kernel_size": sizes, "strides": strides, "padding": pads}
        return self._layer(kind, shape, **fields)

    def mean(self, *, keep=False):
        source = self._shape({})
        axes = tuple(range(1, len(source) - 1))
        ones = (1,) * len(axes) if keep else ()
        return self._layer(graph.Mean, (1, *ones, source[-1]), axes=axes)

    def flatten(self):
        return self._layer(graph.Reshape, (1, math.prod(self._shape({}))))

    def softmax(self):
        return self._layer(graph.Softmax, self._shape({}))

    def activation(self, function):
        return self._layer(graph.Activation, self._shape({}), function=function)

    def pad(self, padding):
        source = self._shape({})
        shape = tuple(n + sum(pair) for n, pair in zip(source, padding, strict=True))
        return self._layer(graph.Pad, shape, padding=padding)

    def space_to_depth(self, size):
        batch, height, width, channels = self._shape({})
        shape = (batch, height // size, width // size, channels * size**2)
        return self._layer(graph.SpaceToDepth, shape, block_size=size)

    def join(self, kind, *names, **fields):
        """Add, Sub or Mul of the last tensor and those named."""
        shape = self.tensors[self.last].shape
        return self._layer(kind, shape, inputs=(self.last, *names), **fields)

    def concat(self, *names):
        sources = (self.last, *names)
        shapes = [self.tensors[name].shape for name in sources]
        shape = (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
        axis = len(shape) - 1
        return self._layer(graph.Concat, shape, inputs=sources, axis=axis)

    def transposed(self, channels, *, relu=True, bias=True):
        """The 3x3 kernel of stride 2 that doubles the size."""
        batch, height, width, inputs = self._shape({})
        return self._weighted(
            graph.TransposeConv2D,
            (channels, 3, 3, inputs),
            (batch, 2 * height, 2 * width, channels),
            bias,
            clamp=graph.RELU if relu else graph.NO_CLAMP,
            strides=(2, 2),
            padding=((0, 1), (0, 1)),
        )

    def build(self):
        return verify.require(
            graph.Graph(
                self.name,
                self.tensors,
                self.constants,
                tuple(self.layers),
                ("input",),
                (self.last,),
            )
        )

    def _shape(self, options):
        return self.tensors[options.get("source", self.last)].shape

    def _window(self, kind, kernel, size, stride, padding, relu, options):
        source = self._shape(options)
        plane = source[1:-1]
        sizes, strides = ((n,) * len(plane) for n in (size, stride))
        dilation = (options.get("dilation", 1),) * len(plane)
        pads = _padding(padding, plane, sizes, strides, dilation)
        channels = kernel[-1] if kind is graph.DepthwiseConv2D else kernel[0]
        return self._weighted(
            kind,
            kernel,
            _output(source, sizes, strides, pads, channels, dilation),
            options.get("bias", True),
            inputs=(options.get("source", self.last),),
            clamp=options.get("clamp", graph.RELU if relu else graph.NO_CLAMP),
            strides=strides,
            padding=pads,
            dilation=dilation,
        )

    def _weighted(self, kind, kernel, shape, bias, **fields):
        name = f"layer{len(self.layers)}"
        fields["weights"] = self._constant(f"{name}/kernel", kernel)
        if bias:
            fields["bias"] = self._constant(f"{name}/bias", shape[-1:])
        return self._layer(kind, shape, **fields)

    def _layer(self, kind, shape, **fields):
        name = f"layer{len(self.layers)}"
        output = self._tensor(f"{name}/output", shape)
        fields = {"inputs": (self.last,), **fields}
        self.layers.append(kind(name=name, output=output, **fields))
        self.last = output
        return output

    def _tensor(self, name, shape):
        self.tensors[name] = graph.Tensor(name, tuple(shape), "float32")
        return name

    def _constant(self, name, shape):
        self.constants[name] = np.broadcast_to(np.float32(1), shape)
        return self._tensor(name, shape)


def _padding(padding, plane, sizes, strides, dilation=None):
    if padding == "same":
        dilation = dilation or (1,) * len(plane)
        return geometry.same_padding(plane, sizes, strides, dilation)
    return ((0, 0),) * len(plane) if padding == "valid" else padding


def _output(source, sizes, strides, pads, channels, dilation=None):
    dilation = dilation or (1,) * len(sizes)
    axes = zip(source[1:-1], sizes, strides, pads, dilation, strict=True)
    return (source[0], *(geometry.output_size(*axis) for axis in axes), channels)
