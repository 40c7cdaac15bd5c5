"""Float graphs for tests, layer by layer; shapes follow, constants are ones."""

import math

import numpy as np

from tfpipeline.ir import geometry, graph, verify


class Builder:
    """A graph in the making; each method adds a layer and returns its output's name.

    A layer stands behind the tensor `source`, which is the last one unless it is named;
    a layer's own name is "layer" and its position. Kernels and biases are ones, without
    memory of their own; a bias may be another number, or False for none.
    """

    def __init__(self, shape, name="net"):
        self.name = name
        self.tensors = {}
        self.constants = {}
        self.layers = []
        self.last = self._tensor("input", (1, *shape))

    def shape(self, tensor=None):
        """Shape of a tensor, the last one unless it is named."""
        return self.tensors[tensor or self.last].shape

    def conv(self, channels, size=3, *, groups=1, **options):
        """Of one dimension if the data is; `options` are those of `_window`."""
        *_, inputs = source = self.shape(options.get("source"))
        kind = graph.Conv1D if len(source) == 3 else graph.Conv2D
        sizes = _sizes(size, source)
        kernel = (channels, *sizes, inputs // groups)
        return self._window(kind, kernel, sizes, channels, **options)

    def depthwise(self, size=3, *, multiplier=1, **options):
        """`options` are those of `_window`."""
        *_, inputs = source = self.shape(options.get("source"))
        sizes, channels = _sizes(size, source), inputs * multiplier
        kernel = (1, *sizes, channels)
        kind = graph.DepthwiseConv2D
        return self._window(kind, kernel, sizes, channels, **options)

    def transposed(
        self, channels, size=3, *, stride=2, cut=(0, 1), relu=True, bias=True, **options
    ):
        """Cuts off `cut` rows and columns again; by default, the size doubles."""
        batch, *plane, inputs = self.shape(options.get("source"))
        result = [geometry.transposed_size(n, size, stride, cut) for n in plane]
        return self._weighted(
            graph.TransposeConv2D,
            (channels, size, size, inputs),
            (batch, *result, channels),
            bias,
            clamp=graph.RELU if relu else graph.NO_CLAMP,
            strides=(stride, stride),
            padding=(cut, cut),
            **options,
        )

    def dense(self, units, *, relu=False, bias=True, **options):
        """Over all of its input."""
        weights = (units, math.prod(self.shape(options.get("source"))))
        clamp = graph.RELU if relu else graph.NO_CLAMP
        return self._weighted(
            graph.Dense, weights, (1, units), bias, **{"clamp": clamp, **options}
        )

    def pool(
        self, size=2, *, stride=None, kind=graph.MaxPool, padding="valid", **options
    ):
        """Strides are the window's size unless given."""
        source = self.shape(options.get("source"))
        sizes = _sizes(size, source)
        strides = _sizes(stride or sizes, source)
        pads = _padding(padding, source[1:-1], sizes, strides)
        shape = _output(source, sizes, strides, pads, source[-1])
        fields = {"kernel_size": sizes, "strides": strides, "padding": pads}
        return self.add(kind, shape, **fields, **options)

    def mean(self, *, axes=None, keep=False, kind=graph.Mean, **options):
        """Over the spatial axes unless others are given."""
        source = self.shape(options.get("source"))
        axes = tuple(range(1, len(source) - 1)) if axes is None else axes
        sizes = [1 if i in axes else n for i, n in enumerate(source)]
        shape = [n for i, n in enumerate(sizes) if keep or i not in axes]
        return self.add(kind, shape, axes=axes, **options)

    def flatten(self, **options):
        source = self.shape(options.get("source"))
        return self.reshape(math.prod(source), **options)

    def reshape(self, *shape, **options):
        """To `shape`, a batch of one in front."""
        return self.add(graph.Reshape, (1, *shape), **options)

    def softmax(self, **options):
        return self.like(graph.Softmax, **options)

    def activation(self, function, **options):
        return self.like(graph.Activation, function=function, **options)

    def like(self, kind, **options):
        """A layer that keeps its input's shape."""
        return self.add(kind, self.shape(options.get("source")), **options)

    def pad(self, padding):
        """By (before, after) of each axis."""
        source = self.shape()
        shape = tuple(n + sum(pair) for n, pair in zip(source, padding, strict=True))
        return self.add(graph.Pad, shape, padding=padding)

    def pad_value(self, padding, value=1.0):
        """By (before, after) of each axis, with a value of its own."""
        source = self.shape()
        shape = tuple(n + sum(pair) for n, pair in zip(source, padding, strict=True))
        constant = self.constant(f"value{len(self.layers)}", (), value)
        inputs = (self.last, constant)
        return self.add(graph.PadV2, shape, inputs=inputs, padding=padding)

    def mirror(self, padding, mode="reflect"):
        """By (before, after) of each axis."""
        source = self.shape()
        shape = tuple(n + sum(pair) for n, pair in zip(source, padding, strict=True))
        return self.add(graph.MirrorPad, shape, padding=padding, mode=mode)

    def transpose(self, *permutation):
        source = self.shape()
        shape = tuple(source[axis] for axis in permutation)
        return self.add(graph.Transpose, shape, permutation=permutation)

    def slice(self, begin, size, steps=None, *, dropped=()):
        """By a step for each axis, if any are given; without the axes `dropped`."""
        if steps is None:
            return self.add(graph.Slice, size, begin=begin, size=size)
        shape = tuple(n for axis, n in enumerate(size) if axis not in dropped)
        kind = graph.StridedSlice
        return self.add(kind, shape, begin=begin, size=size, steps=steps)

    def resize(self, height, width, kind=graph.ResizeNearestNeighbor, **options):
        """To a plane of this size."""
        batch, *_, channels = self.shape()
        fields = {"align_corners": False, "half_pixel_centers": True, **options}
        return self.add(kind, (batch, height, width, channels), **fields)

    def reduce(self, kind=graph.ReduceMax, axes=(1, 2), *, keep=False):
        """Over axes that the result keeps as ones or drops."""
        return self.mean(axes=axes, keep=keep, kind=kind)

    def position(self, axis, kind=graph.ArgMax):
        source = self.shape()
        shape = (*source[:axis], *source[axis + 1 :])
        return self.add(kind, shape, axis=axis)

    def prelu(self, *shape):
        """With slopes of a shape, by default one a channel."""
        slopes = self.constant(f"slopes{len(self.layers)}", shape or self.shape()[-1:])
        return self.like(graph.PRelu, inputs=(self.last, slopes))

    def space_to_depth(self, size):
        batch, height, width, channels = self.shape()
        shape = (batch, height // size, width // size, channels * size**2)
        return self.add(graph.SpaceToDepth, shape, block_size=size)

    def join(self, kind, *others, source=None, **options):
        """Add, Sub or Mul of the source and the tensors named."""
        inputs = (source or self.last, *others)
        return self.add(kind, self.shape(source), inputs=inputs, **options)

    def split(self, sizes, *, axis=-1):
        """Parts of these sizes; the last one is what the next layer reads."""
        source = self.shape()
        axis %= len(source)
        shapes = [(*source[:axis], n, *source[axis + 1 :]) for n in sizes]
        return self._several(graph.Split, shapes, axis)

    def unpack(self, *, axis):
        """All slices; the last one is what the next layer reads."""
        source = self.shape()
        shape = (*source[:axis], *source[axis + 1 :])
        return self._several(graph.Unpack, [shape] * source[axis], axis)

    def pack(self, *others, axis):
        """Behind the last tensor."""
        shape = self.shape()
        shape = (*shape[:axis], len(others) + 1, *shape[axis:])
        inputs = (self.last, *others)
        return self.add(graph.Pack, shape, inputs=inputs, axis=axis)

    def _several(self, kind, shapes, axis):
        source, name = self.last, f"layer{len(self.layers)}"
        names = [self._tensor(f"{name}/{i}", each) for i, each in enumerate(shapes)]
        layer = kind(
            name=name,
            inputs=(source,),
            output=names[0],
            further=tuple(names[1:]),
            axis=axis,
        )
        self.layers.append(layer)
        self.last = names[-1]
        return names

    def concat(self, *others, source=None, axis=-1, **options):
        """The source and the tensors named, one after another along an axis."""
        inputs = (source or self.last, *others)
        shape = list(self.shape(source))
        axis %= len(shape)
        shape[axis] = sum(self.shape(tensor)[axis] for tensor in inputs)
        return self.add(graph.Concat, shape, inputs=inputs, axis=axis, **options)

    def add(self, kind, shape, *, source=None, name=None, **fields):
        """Any layer, by its fields and the shape of its output."""
        name = name or f"layer{len(self.layers)}"
        output = self._tensor(f"{name}/output", shape)
        fields = {"inputs": (source or self.last,), **fields}
        self.layers.append(kind(name=name, output=output, **fields))
        self.last = output
        return output

    def constant(self, name, shape, value=1.0):
        self.constants[name] = np.broadcast_to(np.float32(value), shape)
        return self._tensor(name, shape)

    def lstm(self, units, *, clip=0.0, **options):
        """Row after row of `[1, rows, channels]`."""
        batch, rows, channels = self.shape(options.get("source"))
        name = f"layer{len(self.layers)}"
        states = [self._tensor(f"{name}/state{i}", (batch, units)) for i in range(2)]
        gates = {
            field: tuple(self.constant(f"{name}/{field}{i}", shape) for i in range(4))
            for field, shape in (
                ("input_weights", (units, channels)),
                ("recurrent_weights", (units, units)),
                ("biases", (units,)),
            )
        }
        fields = {"states": tuple(states), "cell_clip": clip, **gates}
        return self.add(graph.Lstm, (batch, rows, units), **fields, **options)

    def svdf(self, units, *, rank=1, moments=3, **options):
        """Of `[1, channels]`."""
        batch, channels = self.shape(options.get("source"))
        name, filters = f"layer{len(self.layers)}", units * rank
        fields = {
            "states": (self._tensor(f"{name}/state", (batch, filters * moments)),),
            "weights": self.constant(f"{name}/kernel", (filters, channels)),
            "time_weights": self.constant(f"{name}/time", (filters, moments)),
            "bias": self.constant(f"{name}/bias", (units,)),
        }
        return self.add(graph.Svdf, (batch, units), rank=rank, **fields, **options)

    def build(self, *outputs):
        """The verified graph, whose output is the last tensor unless some are named."""
        return verify.require(
            graph.Graph(
                self.name,
                self.tensors,
                self.constants,
                tuple(self.layers),
                ("input",),
                outputs or (self.last,),
            )
        )

    def _window(
        self,
        kind,
        kernel,
        sizes,
        channels,
        *,
        stride=1,
        padding="same",
        dilation=1,
        relu=True,
        bias=True,
        **options,
    ):
        source = self.shape(options.get("source"))
        strides, rates = _sizes(stride, source), _sizes(dilation, source)
        pads = _padding(padding, source[1:-1], sizes, strides, rates)
        clamp = graph.RELU if relu else graph.NO_CLAMP
        fields = {"strides": strides, "padding": pads, "dilation": rates}
        return self._weighted(
            kind,
            kernel,
            _output(source, sizes, strides, pads, channels, rates),
            bias,
            **{"clamp": clamp, **fields, **options},
        )

    def _weighted(self, kind, kernel, shape, bias, *, name=None, **fields):
        name = name or f"layer{len(self.layers)}"
        fields["weights"] = self.constant(f"{name}/kernel", kernel)
        if bias is not False:
            fields["bias"] = self.constant(f"{name}/bias", shape[-1:], bias)
        return self.add(kind, shape, name=name, **fields)

    def _tensor(self, name, shape):
        self.tensors[name] = graph.Tensor(name, tuple(shape), "float32")
        return name


def _sizes(size, source):
    return size if isinstance(size, tuple) else (size,) * (len(source) - 2)


def _padding(padding, plane, sizes, strides, dilation=None):
    if padding == "same":
        dilation = dilation or (1,) * len(plane)
        return geometry.same_padding(plane, sizes, strides, dilation)
    return ((0, 0),) * len(plane) if padding == "valid" else padding


def _output(source, sizes, strides, pads, channels, dilation=None):
    dilation = dilation or (1,) * len(sizes)
    axes = zip(source[1:-1], sizes, strides, pads, dilation, strict=True)
    return (source[0], *(geometry.output_size(*axis) for axis in axes), channels)
