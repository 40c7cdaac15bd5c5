"""A network of hardware layers bound to their integers: all that decides its outputs.

Data are NHWC, one-dimensional data `[N, length, 1, C]`. Kernels are `[out_channels,
rows, columns, in_channels / groups]` int8 and are correlated with the data, also those
of a transposed convolution: it correlates its kernel with the data spread by zeros. A
linear layer has a 1x1 kernel; behind a flatten its inputs are in the order channel,
row, column.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import accelerator_layer, arithmetic

Array = graph.Array
Shape = tuple[int, int, int]

# The network's input among the inputs of a layer.
INPUT = -1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One hardware layer with its integers.

    `inputs` are indices of earlier layers, or INPUT. They are concatenated along the
    channels, and split evenly into as many operands as the element-wise operation has;
    where each has all channels of a layer of one operand, pixel behind pixel.
    `output_shift` is the hardware's: see `arithmetic`.

    Raises:
      GraphError: weights or bias that the layer has not, or a layer that has no
        defined output.
    """

    hardware: accelerator_layer.AcceleratorLayer
    inputs: tuple[int, ...]
    weights: Array | None = None
    bias: Array | None = None
    output_shift: int = 0

    def __post_init__(self) -> None:
        self._check_windows()
        if self.hardware.convolves:
            self._check_weights()
            self._check_bias()
            self._check_output()
        else:
            self._check_passthrough()

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights of a layer that convolves."""
        layer = self.hardware
        inputs = layer.in_channels // layer.groups
        if layer.flatten:
            inputs *= math.prod(layer.pooled_dim)
        return (layer.out_channels, *layer.kernel, inputs)

    def joins_pixels(self, channels: Sequence[int]) -> bool:
        """Whether inputs of so many channels each are put pixel behind pixel."""
        is_one = self.hardware.operands == 1 < len(channels)
        return is_one and {*channels} == {self.hardware.in_channels}

    @property
    def out_shape(self) -> Shape:
        """Rows, columns and channels of the output."""
        return (*self.hardware.out_dim, self.hardware.out_channels)

    @property
    def largest_sum(self) -> int:
        """Bound of the magnitude of every sum, partial ones in any order included."""
        if self.weights is None:
            return 0
        magnitudes = np.abs(self.weights.astype(np.int64)).sum(axis=(1, 2, 3))
        if self.bias is not None:
            magnitudes += np.abs(self.bias.astype(np.int64))
        # Data are at most 128 in magnitude, and the bias counts 128 times.
        return int(magnitudes.max()) << arithmetic.FRACTION_BITS

    def _check_windows(self) -> None:
        layer = self.hardware
        for axis in (0, 1):
            last = (layer.pooled_dim[axis] - 1) * layer.pool_stride[axis]
            reach = layer.pool_dilation[axis] * (layer.pool[axis] - 1)
            if last + reach >= layer.in_dim[axis]:
                raise self._error(
                    f"the last pooling window ends at row or column {last + reach} of "
                    f"{layer.in_dim[axis]}; choose another pool_dilation"
                )
            kernel = layer.dilation[axis] * (layer.kernel[axis] - 1)
            if layer.operator == "convtranspose2d" and layer.pad[axis] > kernel:
                raise self._error(
                    f"pad of a transposed convolution must be at most {kernel}; found "
                    f"{layer.pad[axis]}"
                )

    def _check_weights(self) -> None:
        low, high = arithmetic.weight_range(self.hardware.weight_bits)
        found = self._describe(self.weights)
        if found != f"int8 {self.weight_shape}":
            raise self._error(f"weights must be int8 {self.weight_shape}; got {found}")
        assert self.weights is not None
        smallest, largest = int(self.weights.min()), int(self.weights.max())
        if smallest < low or largest > high:
            raise self._error(
                f"weights of {self.hardware.weight_bits} bits must be {low} to {high}; "
                f"found {smallest} to {largest}"
            )

    def _check_bias(self) -> None:
        shape = (self.hardware.out_channels,)
        expected = f"int8 {shape}" if self.hardware.bias else "none"
        found = self._describe(self.bias)
        if found != expected:
            raise self._error(f"bias must be {expected}; got {found}")

    def _check_output(self) -> None:
        limit = arithmetic.MAX_OUTPUT_SHIFT
        if abs(self.output_shift) > limit:
            raise self._error(
                f"output_shift must be {-limit} to {limit}; found {self.output_shift}"
            )
        if self.hardware.output_width == 32 and self.hardware.activation is not None:
            raise self._error("an output of 32 bits has no activation")
        if self.largest_sum > np.iinfo(np.int32).max:
            raise self._error(f"sums reach {self.largest_sum}, beyond 32 bits")

    def _check_passthrough(self) -> None:
        layer = self.hardware
        if self.weights is not None or self.bias is not None or layer.bias:
            raise self._error("a passthrough layer has neither weights nor bias")
        if layer.in_channels != layer.out_channels:
            raise self._error("a passthrough layer keeps the number of channels")
        if layer.activation is not None or layer.output_width != 8 or self.output_shift:
            raise self._error(
                "a passthrough layer has no activation, no shift, and 8-bit outputs"
            )

    def _describe(self, array: Array | None) -> str:
        return "none" if array is None else f"{array.dtype} {array.shape}"

    def _error(self, what: str) -> errors.GraphError:
        layer = self.hardware
        name = layer.name or f"{layer.in_channels}->{layer.out_channels}"
        return errors.GraphError(f"program layer {layer.operator} {name!r}: {what}")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """Layers in the order of execution; the last one's output is the network's.

    `input_shape` is (rows, columns, channels) of one int8 image. An input with other
    rows and columns than the layer that reads it, but as many pixels, is read row by
    row.

    Raises:
      GraphError: an input that does not exist, or does not fit the layer.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise errors.GraphError("a program needs at least one layer")
        for index, layer in enumerate(self.layers):
            self._check_inputs(index, layer)
            self._check_weight_source(index, layer)

    @property
    def hardware(self) -> tuple[accelerator_layer.AcceleratorLayer, ...]:
        """The layers without their integers, as the cost model takes them."""
        return tuple(layer.hardware for layer in self.layers)

    def shape(self, index: int) -> Shape:
        """Rows, columns and channels of a layer's output, or of INPUT."""
        return self.input_shape if index == INPUT else self.layers[index].out_shape

    def _check_inputs(self, index: int, layer: Layer) -> None:
        hardware = layer.hardware
        if not layer.inputs or not all(INPUT <= i < index for i in layer.inputs):
            raise errors.GraphError(
                f"layer {index} must read earlier layers or the input ({INPUT}); its "
                f"inputs are {layer.inputs}"
            )
        for i in layer.inputs:
            if i != INPUT and self.layers[i].hardware.output_width != 8:
                raise errors.GraphError(
                    f"layer {index} reads the 32-bit output of layer {i}; only int8 "
                    "data can be read"
                )
        shapes = [self.shape(i) for i in layer.inputs]
        pixels = math.prod(hardware.in_dim)
        channels = hardware.in_channels * hardware.operands
        sizes = [rows * columns for rows, columns, _ in shapes]
        counts = [shape[-1] for shape in shapes]
        if layer.joins_pixels(counts):
            fits = sum(sizes) == pixels
        else:
            fits = {*sizes} == {pixels} and sum(counts) == channels
        if not fits:
            raise errors.GraphError(
                f"layer {index} reads {pixels} pixels of {channels} channels "
                f"altogether; its inputs have shapes {shapes}"
            )

    def _check_weight_source(self, index: int, layer: Layer) -> None:
        source = layer.hardware.weight_source
        if source is None:
            return
        if not 0 <= source < index or not _same(
            layer.weights, self.layers[source].weights
        ):
            raise errors.GraphError(
                f"layer {index} must have the weights of its weight_source, an earlier "
                f"layer; found {source}"
            )


def _same(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)
