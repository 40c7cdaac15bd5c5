"""One layer of the accelerator: element-wise, pooling, convolution and activation.

A hardware layer fuses what a Keras network spells in several: its inputs are pooled
(before or after an element-wise operation), convolved, and activated in one go. The
order is pool, element-wise, convolution, activation; `pool_first=False` swaps the
first two.
"""

import dataclasses
import math
from collections.abc import Sequence

from tfpipeline import errors
from tfpipeline.targets.max78000 import spec as specs

Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AcceleratorLayer:
    """One hardware layer; pairs are (rows, columns).

    1-D data is (length, 1), and so are a conv1d's kernel (k, 1) and pad (p, 0).
    `in_channels` counts one operand, and before flattening. `processors` and
    `output_processors` are bit maps of the processors that read and write the data;
    bit i is processor i. `weight_source` is the index of an earlier layer whose weights
    this layer uses. `bias` means a bias that is not all zero: the vendor's tool drops
    others. `bias_quadrant` pins the bias to a quadrant.

    Raises:
      GraphError: a value that no accelerator layer has.
    """

    operator: str
    in_channels: int
    in_dim: Pair
    out_channels: int
    processors: int
    output_processors: int
    kernel: Pair = (1, 1)
    pad: Pair = (0, 0)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    output_pad: Pair = (1, 1)
    groups: int = 1
    pool: Pair = (1, 1)
    pool_stride: Pair = (1, 1)
    pool_type: str = "max"
    pool_dilation: Pair = (1, 1)
    pool_first: bool = True
    eltwise: str | None = None
    operands: int = 1
    flatten: bool = False
    activation: str | None = None
    weight_bits: int = 8
    bias: bool = False
    bias_quadrant: int | None = None
    weight_source: int | None = None
    output_width: int = 8
    streaming: bool = False
    name: str | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        for what, dim in (("pooling", self.pooled_dim), ("the layer", self.out_dim)):
            if min(dim) < 1:
                raise self._error(f"{what} leaves {dim[0]}x{dim[1]} of {self.in_dim}")

    @property
    def convolves(self) -> bool:
        """Whether the layer has weights of its own or another's."""
        return self.operator != "passthrough"

    @property
    def window(self) -> int:
        """Values that one pooled value is made of; 1 without pooling."""
        return self.pool[0] if self.is_1d else math.prod(self.pool)

    @property
    def is_1d(self) -> bool:
        """Whether the tool handles the data as one-dimensional."""
        one_column = self.in_dim[1] == 1
        return self.operator == "conv1d" or (not self.convolves and one_column)

    @property
    def pooled_dim(self) -> Pair:
        """Rows and columns behind the pooling."""
        rows, columns = (
            (size + stride - pool - dilation + 1) // stride
            for size, stride, pool, dilation in zip(
                self.in_dim,
                self.pool_stride,
                self.pool,
                self.pool_dilation,
                strict=True,
            )
        )
        return (rows, 1) if self.is_1d else (rows, columns)

    @property
    def out_dim(self) -> Pair:
        """Rows and columns of the output."""
        if self.flatten:
            return (1, 1)
        if not self.convolves:
            return self.pooled_dim
        rows, columns = (self._convolved(axis) for axis in (0, 1))
        return (rows, 1) if self.is_1d else (rows, columns)

    def _convolved(self, axis: int) -> int:
        size, kernel = self.pooled_dim[axis], self.kernel[axis]
        stride, reach = self.stride[axis], self.dilation[axis] * (kernel - 1)
        pad = 2 * self.pad[axis]
        if self.operator == "convtranspose2d":
            return (size - 1) * stride - pad + reach + self.output_pad[axis] + 1
        return (size + pad - reach - 1) // stride + 1

    def _check_names(self) -> None:
        choices: tuple[tuple[str, object, Sequence[object]], ...] = (
            ("operator", self.operator, specs.OPERATORS),
            ("pool_type", self.pool_type, specs.POOL_TYPES),
            ("eltwise", self.eltwise, (None, *specs.ELEMENT_WISE)),
            ("activation", self.activation, (None, *specs.ACTIVATIONS)),
            ("weight_bits", self.weight_bits, specs.WEIGHT_BITS),
            ("output_width", self.output_width, specs.OUTPUT_WIDTHS),
        )
        for field, value, valid in choices:
            if value not in valid:
                names = ", ".join(map(str, valid))
                raise self._error(f"{field} must be one of {names}; found {value!r}")

    def _check_numbers(self) -> None:
        positive = {
            "in_channels": (self.in_channels,),
            "out_channels": (self.out_channels,),
            "in_dim": self.in_dim,
            "kernel": self.kernel,
            "stride": self.stride,
            "dilation": self.dilation,
            "groups": (self.groups,),
            "pool": self.pool,
            "pool_stride": self.pool_stride,
            "pool_dilation": self.pool_dilation,
            "processors": (self.processors,),
            "output_processors": (self.output_processors,),
            "operands": (self.operands,),
        }
        for field, values in positive.items():
            if min(values) < 1:
                raise self._error(f"{field} must be positive; found {values}")
        highest = (self.processors | self.output_processors).bit_length() - 1
        if highest >= specs.PROCESSORS:
            raise self._error(
                f"processors are numbered 0 to {specs.PROCESSORS - 1}; found {highest}"
            )
        if min(self.pad) < 0 or min(self.output_pad) < 0:
            raise self._error(f"pad must not be negative; found {self.pad}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise self._error(f"groups must divide the channels; found {self.groups}")
        if (self.eltwise is None) != (self.operands == 1):
            raise self._error(
                f"eltwise needs two or more operands, and none has one; found "
                f"{self.eltwise} of {self.operands}"
            )
        if self.flatten and self.operator != "linear":
            raise self._error(f"only linear layers flatten; found {self.operator}")
        if self.operator == "linear" and self.kernel != (1, 1):
            raise self._error(f"a linear layer's kernel is 1x1; found {self.kernel}")

    def _error(self, what: str) -> errors.GraphError:
        name = self.name or f"{self.in_channels}->{self.out_channels}"
        return errors.GraphError(f"accelerator layer {self.operator} {name!r}: {what}")


def emulate_streaming(
    layers: Sequence[AcceleratorLayer],
) -> tuple[AcceleratorLayer, ...]:
    """The layers as the accelerator runs them: it cannot stream 1x1 kernels.

    A 1x1 convolution that streams, or whose predecessor does, runs as a 3x3 kernel with
    zeros around the weight and one pixel of padding; the vendor's tool counts
    operations and weights of the larger kernel (tornadocnn.py EMULATE_1X1_STREAMING).
    """
    result = []
    for index, layer in enumerate(layers):
        in_stream = layer.streaming or (index > 0 and layers[index - 1].streaming)
        is_point = layer.kernel == (1, 1) and layer.pad == (0, 0)
        two_d = layer.operator in ("conv2d", "convtranspose2d")
        if in_stream and is_point and two_d:
            layer = dataclasses.replace(layer, kernel=(3, 3), pad=(1, 1))
        result.append(layer)
    return tuple(result)
