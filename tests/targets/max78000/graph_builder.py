"""Float graphs by hand, a line a layer, as the readers would give them."""

import math

import numpy as np

from tfpipeline.ir import geometry, graph, verify


class Builder:
    """A graph in the making; each method adds a layer and returns its output's name.

    Constants hold ones, or zeros where a bias is to be dropped.
    """

    def __init__(self, *shape: int):
        self.tensors: dict[str, graph.Tensor] = {}
        self.constants: dict[str, graph.Array] = {}
        self.layers: list[graph.Layer] = []
        self.last = self.tensor("image", (1, *shape))

    def tensor(self, name, shape):
        """Adds a tensor."""
        self.tensors[name] = graph.Tensor(name, tuple(shape), "float32")
        return name

    def constant(self, name, shape, value=1.0):
        """Adds a constant without memory of its own."""
        self.constants[name] = np.broadcast_to(np.float32(value), shape)
        return self.tensor(name, shape)

    def shape(self, name):
        """Shape of a tensor."""
        return self.tensors[name].shape

    def add(self, kind, shape, *inputs, name=None, **fields):
        """Adds a layer whose output has the shape `shape`."""
        name = name or f"{kind.__name__.lower()}{len(self.layers)}"
        self.last = self.tensor(f"{name}/output", shape)
        inputs = tuple(inputs)
        self.layers.append(kind(name=name, inputs=inputs, output=self.last, **fields))
        return self.last

    def _weighted(self, name, kernel, channels, bias):
        fields = {"weights": self.constant(f"{name}/kernel", kernel)}
        if bias is not None:
            fields["bias"] = self.constant(f"{name}/bias", (channels,), bias)
        return fields

    def conv(
        self,
        filters,
        size=3,
        *,
        source=None,
        strides=1,
        padding="same",
        dilation=1,
        clamp=graph.RELU,
        bias=1.0,
        groups=1,
        depthwise=False,
        name=None,
    ):
        """A convolution of square (or, in one dimension, long) kernels."""
        source = source or self.last
        name = name or f"conv{len(self.layers)}"
        *_, channels = volume = self.shape(source)
        plane = volume[1:-1]
        sizes = size if isinstance(size, tuple) else (size,) * len(plane)
        steps, rates = (strides,) * len(plane), (dilation,) * len(plane)
        pads = padding
        if padding == "same":
            pads = geometry.same_padding(plane, sizes, steps, rates)
        elif padding == "valid":
            pads = ((0, 0),) * len(plane)
        result = tuple(
            geometry.output_size(*each)
            for each in zip(plane, sizes, steps, pads, rates, strict=True)
        )
        kernel = (filters, *sizes, channels // groups)
        kind = graph.Conv1D if len(plane) == 1 else graph.Conv2D
        if depthwise:
            kind, kernel = graph.DepthwiseConv2D, (1, *sizes, filters)
        return self.add(
            kind,
            (1, *result, filters),
            source,
            name=name,
            strides=steps,
            padding=pads,
            dilation=rates,
            clamp=clamp,
            **self._weighted(name, kernel, filters, bias),
        )

    def transpose(self, filters, size=3, *, cut=(1, 0), strides=2, name=None):
        """A transposed convolution that cuts off `cut` rows and columns again."""
        source, name = self.last, name or f"transpose{len(self.layers)}"
        _, *plane, channels = self.shape(source)
        result = [geometry.transposed_size(n, size, strides, cut) for n in plane]
        return self.add(
            graph.TransposeConv2D,
            (1, *result, filters),
            source,
            name=name,
            strides=(strides, strides),
            padding=(cut, cut),
            **self._weighted(name, (filters, size, size, channels), filters, 1.0),
        )

    def dense(self, units, *, clamp=graph.NO_CLAMP, bias=1.0, source=None, name=None):
        """A dense layer over all of its input."""
        source, name = source or self.last, name or f"dense{len(self.layers)}"
        values = math.prod(self.shape(source))
        return self.add(
            graph.Dense,
            (1, units),
            source,
            name=name,
            clamp=clamp,
            **self._weighted(name, (units, values), units, bias),
        )

    def pool(
        self,
        size=2,
        *,
        strides=None,
        kind=graph.MaxPool,
        padding="valid",
        source=None,
        name=None,
    ):
        """A pool over square (or, in one dimension, long) windows."""
        source = source or self.last
        _, *plane, channels = self.shape(source)
        sizes = size if isinstance(size, tuple) else (size,) * len(plane)
        steps = strides or sizes
        steps = steps if isinstance(steps, tuple) else (steps,) * len(plane)
        pads = ((0, 0),) * len(plane)
        if padding == "same":
            pads = geometry.same_padding(plane, sizes, steps, (1,) * len(plane))
        result = [
            geometry.output_size(*each)
            for each in zip(plane, sizes, steps, pads, strict=True)
        ]
        return self.add(
            kind,
            (1, *result, channels),
            source,
            name=name,
            kernel_size=sizes,
            strides=steps,
            padding=pads,
        )

    def mean(self, *, axes=(1, 2), name=None):
        """An average over whole axes, which are dropped."""
        shape = self.shape(self.last)
        rest = [n for i, n in enumerate(shape) if i not in axes]
        return self.add(graph.Mean, rest, self.last, name=name, axes=axes)

    def reshape(self, *shape, source=None, name=None):
        """The same values in another shape; flat without one."""
        source = source or self.last
        shape = shape or (math.prod(self.shape(source)),)
        return self.add(graph.Reshape, (1, *shape), source, name=name)

    def pad(self, *pairs, name=None):
        """Zeros around rows and columns."""
        pads = ((0, 0), *pairs, (0, 0))
        shape = [n + sum(p) for n, p in zip(self.shape(self.last), pads, strict=True)]
        return self.add(graph.Pad, shape, self.last, name=name, padding=pads)

    def merge(self, *sources, kind=graph.Add, name=None, **fields):
        """An element-wise operation on tensors of the first one's shape."""
        shape = self.shape(sources[0])
        return self.add(kind, shape, *sources, name=name, **fields)

    def concat(self, *sources, axis=3, name=None):
        """Tensors one after another along `axis`."""
        shape = list(self.shape(sources[0]))
        shape[axis] = sum(self.shape(source)[axis] for source in sources)
        return self.add(graph.Concat, shape, *sources, name=name, axis=axis)

    def like(self, kind, *, source=None, name=None, **fields):
        """A layer that keeps its input's shape."""
        source = source or self.last
        return self.add(kind, self.shape(source), source, name=name, **fields)

    def build(self, *outputs, name="net"):
        """The verified graph; its output is the last layer's unless given."""
        return verify.require(
            graph.Graph(
                name=name,
                tensors=self.tensors,
                constants=self.constants,
                layers=tuple(self.layers),
                inputs=("image",),
                outputs=outputs or (self.last,),
            )
        )
