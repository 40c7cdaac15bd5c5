"""What a network costs on an STM32 with CMSIS-NN, layer by layer.

Two profiles, both models and not measurements of your network:

`cmsis-nn-q7-2018`: the kernels of the CMSIS-NN paper (arXiv 1801.06601) on a Cortex-M7
at 216 MHz. Cycles are a constant of the kernel times its MACs, or times the compared
values of a pool; the constants are fitted to the paper's layers and give its total:

    2.7598 x MACs       convolution over 3 channels, ReLU included
    1.4370 x MACs       convolution, input channels a multiple of 4, outputs of 2
    2.1094 x MACs       dense
    4.6875 x compares   pool

`cmsis-nn-s8`: today's int8 kernels. Cycles are instructions, from a fit over emulated
kernels, times the core's cycles an instruction measured on silicon (`spec.py`). A board
whose file has terms of its own (`board_files`) names them by the kernels that they are
of. The band of error is part of the result. Against MLPerf Tiny v1.0 with CMSIS-NN the
four networks are within -13 to +8 % on an STM32L4R5 (Cortex-M4, cycles an instruction
from another board) and -7 to +10 % on an nRF5340 (Cortex-M33, from these very rows).

Operations are counted as in the paper: 2 a MAC, 1 a compared value of a pool.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

from tfpipeline import errors
from tfpipeline.targets.stm32 import spec

Q7_2018 = "cmsis-nn-q7-2018"
S8 = spec.CMSIS_NN_S8

CONV = "conv"
DEPTHWISE = "depthwise"
DENSE = "dense"
POOL = "pool"
ADD = "add"
# Reshape, softmax, an activation inside another kernel: under 1 % of any network.
FREE = "free"
KINDS = (CONV, DEPTHWISE, DENSE, POOL, ADD, FREE)

# Cycles of the 2018 kernels on a Cortex-M7, fitted to the paper's layers.
_Q7_RGB_MAC = 2.7598
_Q7_FAST_MAC = 1.4370
_Q7_DENSE_MAC = 2.1094
_Q7_POOL_COMPARE = 4.6875

# No second network was measured with these kernels on this core. The layers of the one
# that was spread by this share around 0.91 cycles an emulated instruction.
_Q7_RELATIVE_ERROR = 0.15


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer: `output_shape` is (height, width, channels), `kernel` (height, width).

    A dense layer has a kernel of (1, 1) and all its inputs as `in_channels`. Weights
    and biases that an earlier layer has are not the layer's own.

    Raises:
        UsageError: unknown kind, or a size below 1.
    """

    name: str
    kind: str
    output_shape: tuple[int, int, int]
    in_channels: int = 1
    kernel: tuple[int, int] = (1, 1)
    has_own_weights: bool = True
    has_own_biases: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise errors.UsageError(
                f"layer '{self.name}' has the unknown kind '{self.kind}'; known are "
                f"{', '.join(KINDS)}"
            )
        if min(*self.output_shape, self.in_channels, *self.kernel) < 1:
            raise errors.UsageError(
                f"layer '{self.name}' must have sizes of 1 or more. Received: {self}"
            )

    @property
    def outputs(self) -> int:
        """Output values, and as int8 bytes."""
        return math.prod(self.output_shape)

    @property
    def window_values(self) -> int:
        """Input values under the kernel, all channels, of all output pixels."""
        height, width, _ = self.output_shape
        return height * width * math.prod(self.kernel) * self.in_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, windows over the padding in full."""
        if self.kind in (CONV, DENSE):
            return self.window_values * self.output_shape[2]
        return math.prod(self.kernel) * self.outputs if self.kind == DEPTHWISE else 0

    @property
    def compares(self) -> int:
        """Values that a pool looks at."""
        return math.prod(self.kernel) * self.outputs if self.kind == POOL else 0

    @property
    def ops(self) -> int:
        """Operations as the CMSIS-NN paper counts them."""
        return 2 * self.macs + self.compares

    @property
    def weights(self) -> int:
        """Weights of its own, as int8 bytes."""
        if not self.has_own_weights:
            return 0
        taps = math.prod(self.kernel) * self.output_shape[2]
        if self.kind in (CONV, DENSE):
            return taps * self.in_channels
        return taps if self.kind == DEPTHWISE else 0

    @property
    def biases(self) -> int:
        """Biases of its own: 1 byte each in the q7 kernels, 4 in the s8 kernels."""
        has_biases = self.kind in (CONV, DENSE, DEPTHWISE) and self.has_own_biases
        return self.output_shape[2] if has_biases else 0


@dataclasses.dataclass(frozen=True)
class Latency:
    """Cycles a layer at a clock; the truth lies within +- `relative_error` of them."""

    profile: str
    layers: tuple[Layer, ...]
    cycles: tuple[float, ...]
    clock_hz: float
    relative_error: float

    @property
    def seconds(self) -> float:
        """Time of one inference."""
        return sum(self.cycles) / self.clock_hz

    @property
    def macs_per_cycle(self) -> float:
        """Multiply-accumulates a cycle, the unit to compare targets in."""
        return sum(layer.macs for layer in self.layers) / sum(self.cycles)


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of the 2018 runtime's parts."""

    weight_bytes: int
    bias_bytes: int
    activation_bytes: int
    im2col_bytes: int

    @property
    def total_bytes(self) -> int:
        """The footprint that the paper states; the input image is not part of it."""
        return (
            self.weight_bytes
            + self.bias_bytes
            + self.activation_bytes
            + self.im2col_bytes
        )


def estimate_q7(layers: Sequence[Layer], *, clock_hz: float) -> Latency:
    """Estimates the profile `cmsis-nn-q7-2018` on a Cortex-M7.

    Raises:
        UsageError: no layer takes any time, or one of a kind that the paper's network
            does not have.
    """
    cycles = tuple(map(_q7_cycles, layers))
    return _latency(Q7_2018, layers, cycles, clock_hz, _Q7_RELATIVE_ERROR)


def estimate_s8(
    layers: Sequence[Layer], board: spec.Board, *, clock_hz: float | None = None
) -> Latency:
    """Estimates the profile of the board's kernels, at its clock unless given.

    Raises:
        UsageError: no layer takes any time.
    """
    core = board.core
    cycles = tuple(
        count_instructions(layer, core) * core.cycles_per_instruction
        for layer in layers
    )
    return _latency(
        board.kernels, layers, cycles, clock_hz or board.clock_hz, core.relative_error
    )


def energy_joules(latency: Latency, board: spec.Board) -> float | None:
    """Energy of one inference, or None for a board that nobody measured.

    The board's power under inference, measured at `board.clock_hz`, times the estimated
    time; None as well at another clock.
    """
    if board.power_watts is None or latency.clock_hz != board.clock_hz:
        return None
    return board.power_watts * latency.seconds


def count_instructions(layer: Layer, core: spec.Core) -> float:
    """Instructions of the s8 kernel of `layer`: the fit of `spec.py`.

    Layers deviate by 0.4 to 15 % in the mean, by kind; the worst, a pointwise
    convolution over 8 channels, by 64 %. Whole networks: 5 %, 13 % on the Cortex-M55.
    """
    return _INSTRUCTIONS[layer.kind](layer, core.fit)


def footprint_q7(layers: Sequence[Layer]) -> Memory:
    """Sums the memory of the 2018 runtime for a chain of layers.

    Activations: the largest sum of a layer's output and its successor's, Arm's
    `scratch_buffer`. The im2col buffer: two columns of int16 for the largest
    convolution, of kernel x *output* channels as Arm's generator reserves them; its
    kernels need input channels only. The decomposition is derived from Arm's generated
    code for the paper's network; the paper has the total only.
    """
    outputs = [layer.outputs for layer in layers]
    pairs = [a + b for a, b in itertools.pairwise(outputs)]
    columns = [
        2 * 2 * math.prod(layer.kernel) * layer.output_shape[2]
        for layer in layers
        if layer.kind == CONV
    ]
    return Memory(
        weight_bytes=sum(layer.weights for layer in layers),
        bias_bytes=sum(layer.biases for layer in layers),
        activation_bytes=max(pairs, default=max(outputs, default=0)),
        im2col_bytes=max(columns, default=0),
    )


def _latency(
    profile: str,
    layers: Sequence[Layer],
    cycles: tuple[float, ...],
    clock_hz: float,
    relative_error: float,
) -> Latency:
    if sum(cycles) <= 0 or clock_hz <= 0:
        raise errors.UsageError(
            f"profile {profile} needs a layer that computes and a positive clock. "
            f"Received: {len(layers)} layers, {clock_hz} Hz"
        )
    return Latency(profile, tuple(layers), cycles, clock_hz, relative_error)


def _q7_cycles(layer: Layer) -> float:
    if layer.kind == CONV:
        is_fast = layer.in_channels % 4 == 0 and layer.output_shape[2] % 2 == 0
        return (_Q7_FAST_MAC if is_fast else _Q7_RGB_MAC) * layer.macs
    if layer.kind == DENSE:
        return _Q7_DENSE_MAC * layer.macs
    if layer.kind == POOL:
        return _Q7_POOL_COMPARE * layer.compares
    if layer.kind == FREE:
        return 0.0
    raise errors.UsageError(
        f"profile {Q7_2018} has no constant for layer '{layer.name}' of kind "
        f"{layer.kind}: the paper measured none. Use {S8}."
    )


def _conv(layer: Layer, fit: spec.InstructionFit) -> float:
    if layer.kernel == (1, 1):
        return fit.pointwise_mac * layer.macs + fit.pointwise_output * layer.outputs
    return (
        fit.conv_mac * layer.macs
        + fit.conv_window * layer.window_values
        + fit.conv_output * layer.outputs
    )


def _depthwise(layer: Layer, fit: spec.InstructionFit) -> float:
    return fit.depthwise_mac * layer.macs + fit.depthwise_output * layer.outputs


def _dense(layer: Layer, fit: spec.InstructionFit) -> float:
    return (
        fit.dense_mac * layer.macs + fit.dense_output * layer.outputs + fit.dense_call
    )


def _pool(layer: Layer, fit: spec.InstructionFit) -> float:
    return fit.pool_compare * layer.compares + fit.pool_output * layer.outputs


def _add(layer: Layer, fit: spec.InstructionFit) -> float:
    return fit.add_output * layer.outputs


def _free(layer: Layer, fit: spec.InstructionFit) -> float:
    return 0.0


_INSTRUCTIONS: dict[str, Callable[[Layer, spec.InstructionFit], float]] = {
    CONV: _conv,
    DEPTHWISE: _depthwise,
    DENSE: _dense,
    POOL: _pool,
    ADD: _add,
    FREE: _free,
}
