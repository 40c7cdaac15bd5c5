"""The network that gap_quantization was run on: convolutions, two fires, a head."""

import numpy as np

from tests.targets.gap8 import reference_files
from tfpipeline.ir import geometry, graph, verify

NAMES = ("gapq16_sp", "gapq16_dp", "gapq8_sp", "gapq8_dp")
# The recorded tensor for each that a program of this graph writes.
OUTPUTS = {
    "conv1": "conv1.out",
    "mp": "mp.out",
    "fire3.squeeze": "fire3.r0.out",
    "fire3.expand1x1": "fire3.r1.out",
    "fire3.expand3x3": "fire3.r2.out",
    "fire3.cat": "fire3.cat.out",
    "fire4.squeeze": "fire4.r0.out",
    "fire4.p1": "fire4.p1.out",
    "fire4.p3": "fire4.p3.out",
    "fire4.cat": "fire4.cat.out",
    "head": "head.out",
    "gap": "gap.out",
}


class Recorded:
    """A recorded run: description, arrays, and the float graph it began with."""

    def __init__(self, name):
        self.described, self.arrays = reference_files.load(name)
        self.tensors, self.constants, self.layers = {}, {}, []
        self._tensor("input", (1, 24, 24, 1))
        self._conv("conv1", "input", relu=False)
        self._pool("mp", self._conv("conv2", "conv1"))
        self._fire("fire3", "mp")
        self._fire("fire4", "fire3.cat", pools=True)
        self._conv("head", "fire4.cat", relu=False)
        self._tensor("gap", (1, 10))
        self._add(graph.Mean, "gap", "head", axes=(1, 2))
        self.graph = verify.require(
            graph.Graph(
                name,
                self.tensors,
                self.constants,
                tuple(self.layers),
                ("input",),
                ("gap",),
            )
        )

    @property
    def num_bits(self):
        return self.described["bits"]

    @property
    def ranges(self):
        """Largest magnitudes as the tool measured them."""
        convolutions = {
            name: layer["max_abs_out"]
            for name, layer in self.described["layers"].items()
            if layer["kind"] == "conv"
        }
        return {"input": self.described["input_max_abs"], **convolutions}

    @property
    def image(self):
        """The integers of the recorded image, `[1, channels, rows, columns]`."""
        width = {16: np.int16, 8: np.int8}[self.num_bits]
        return self.arrays["input_q"].astype(width)[None]

    def recorded(self, tensor):
        """Integers that the tool found for a tensor of the program."""
        return self.arrays[f"act/{OUTPUTS[tensor]}"]

    def _fire(self, name, source, *, pools=False):
        squeezed = self._conv(f"{name}.squeeze", source)
        parts = [self._conv(f"{name}.expand{n}x{n}", squeezed) for n in (1, 3)]
        if pools:
            names = zip((f"{name}.p1", f"{name}.p3"), parts, strict=True)
            parts = [self._pool(*pair) for pair in names]
        shapes = [self.tensors[part].shape for part in parts]
        channels = sum(shape[-1] for shape in shapes)
        self._tensor(f"{name}.cat", (*shapes[0][:-1], channels))
        self._add(graph.Concat, f"{name}.cat", *parts, axis=3)

    def _conv(self, name, source, *, relu=True):
        weights = self.arrays[f"merged/{name}/weight"].transpose(0, 2, 3, 1)
        self._constant(f"{name}/w", weights)
        self._constant(f"{name}/b", self.arrays[f"merged/{name}/bias"])
        row = self.described["layers"][name]
        strides, padding = tuple(row["stride"]), tuple((n, n) for n in row["padding"])
        self._plane(name, source, weights.shape[1:3], strides, padding, len(weights))
        self._add(
            graph.Conv2D,
            name,
            source,
            weights=f"{name}/w",
            bias=f"{name}/b",
            clamp=graph.RELU if relu else graph.NO_CLAMP,
            strides=strides,
            padding=padding,
        )
        return name

    def _pool(self, name, source):
        window = {"strides": (2, 2), "padding": ((0, 0), (0, 0))}
        channels = self.tensors[source].shape[-1]
        self._plane(name, source, (3, 3), *window.values(), channels)
        self._add(graph.MaxPool, name, source, kernel_size=(3, 3), **window)
        return name

    def _plane(self, name, source, kernel, strides, padding, channels):
        size = self.tensors[source].shape[1:3]
        axes = zip(size, kernel, strides, padding, strict=True)
        plane = (geometry.output_size(*axis) for axis in axes)
        self._tensor(name, (1, *plane, channels))

    def _add(self, kind, name, *sources, **fields):
        self.layers.append(kind(name=name, inputs=sources, output=name, **fields))

    def _constant(self, name, values):
        self._tensor(name, values.shape)
        self.constants[name] = values

    def _tensor(self, name, shape):
        self.tensors[name] = graph.Tensor(name, tuple(shape), "float32")
