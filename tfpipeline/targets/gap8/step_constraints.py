"""What single steps must be: kernels, strides, padding, pools, activations."""

from tfpipeline.targets.gap8 import (
    cycles,
    kernels,
    l1_tile,
    pad_types,
    program,
    spec,
    steps,
    violation,
)

_SDK = "sdk 3.1, kernels and generators"
_CONVOLUTIONS = (steps.CONV, steps.DEPTHWISE)
_POOLS = (steps.MAX_POOL, steps.AVERAGE_POOL)
_WITHOUT_KERNEL = (steps.OTHER, steps.ELEMENT_WISE, steps.SOFTMAX)
_ACTIVATIONS = ("relu",)


def _operation(step: steps.Step, bits: int) -> str | None:
    layer = step.layer
    if layer is None:
        return None
    if not step.inputs:
        return f"{layer.kind} of constants"
    return layer.kind if step.operation in _WITHOUT_KERNEL else None


def _activation(step: steps.Step, bits: int) -> str | None:
    other = [name for name in step.activations if name not in _ACTIVATIONS]
    return ", ".join(other) or None


def _kernel(step: steps.Step, bits: int) -> str | None:
    assert step.window is not None
    if step.window.size in cycles.FAST_KERNELS:
        return None
    return violation.size(step.window.size)


def _strides(step: steps.Step, bits: int) -> str | None:
    assert step.window is not None
    rows, columns = step.window.strides
    return None if rows == columns else violation.size(step.window.strides)


def _dilation(step: steps.Step, bits: int) -> str | None:
    assert step.window is not None
    dilated = step.window.dilation != (1, 1)
    return violation.size(step.window.dilation) if dilated else None


def _groups(step: steps.Step, bits: int) -> str | None:
    return None if step.groups == 1 else f"{step.groups} groups"


def _multiplier(step: steps.Step, bits: int) -> str | None:
    if step.body[0] == step.source[0]:
        return None
    return f"{step.source[0]} to {step.body[0]} channels"


def _depthwise(step: steps.Step, bits: int) -> str | None:
    return f"{step.groups} groups of one channel"


def _pads(step: steps.Step) -> str:
    """Rows and columns that a step's windows are padded by."""
    texts = []
    for window, _ in step.windows:
        (top, bottom), (left, right) = window.padding
        texts.append(f"rows {top} and {bottom}, columns {left} and {right}")
    return "; its pool ".join(texts)


def _padding(step: steps.Step, bits: int) -> str | None:
    return None if pad_types.possible(step) else _pads(step)


def _average_padding(step: steps.Step, bits: int) -> str | None:
    assert step.window is not None
    return _pads(step) if step.window.is_padded else None


def _average(step: steps.Step, bits: int) -> tuple[float, str]:
    """The gain of an average, and which one it is."""
    assert step.window is not None
    size, taps = step.window.size, step.window.taps
    window = program.Window(size, step.window.strides)
    factor, shift, _ = kernels.average_factor(bits, window)
    return factor * taps / 2**shift, f"{violation.size(size)} in {bits} bits"


def _small_average(step: steps.Step, bits: int) -> str | None:
    gain, what = _average(step, bits)
    return f"{what}: {gain:.3f}" if 0 < gain < 0.99 else None


def _large_average(step: steps.Step, bits: int) -> str | None:
    gain, what = _average(step, bits)
    return None if gain else what


def _l1(step: steps.Step, bits: int) -> str | None:
    needed = l1_tile.smallest_bytes(step, bits)
    return None if needed <= spec.L1_USABLE_BYTES else f"{needed:,} bytes"


CONSTRAINTS = (
    violation.Constraint(
        id="KIND-01",
        applies_to="all layers",
        rule="the layer must be a convolution, a linear layer, a pool, a sum of two "
        "tensors of one shape or ReLU; a softmax or the position of a value may end "
        "the network, on the host",
        fix="leave it out, or compute it on the fabric controller by code of your own",
        source=_SDK,
        check=violation.each_step(_operation),
    ),
    violation.Constraint(
        id="ACT-01",
        applies_to="activations",
        rule="the activation must be ReLU; sigmoid, tanh or hard_swish may end the "
        "network, on the host",
        fix="use ReLU and train again",
        source="sdk 3.1, kernels `_fp` and `_fps`; programs have no other bound",
        check=violation.each_step(_activation),
    ),
    violation.Constraint(
        id="CONV-01",
        applies_to="convolutions",
        rule="the kernel should be one of "
        f"{', '.join(map(violation.size, cycles.FAST_KERNELS))}; others run the scalar "
        "kernels, 3.5 cycles a product and core",
        fix="use a fast size",
        source="sdk 3.1, kernels; bench",
        check=violation.each_step(_kernel, *_CONVOLUTIONS),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="CONV-02",
        applies_to="convolutions",
        rule="strides should be the same in rows and columns; others run the scalar "
        "kernels",
        fix="use equal strides",
        source=_SDK,
        check=violation.each_step(_strides, *_CONVOLUTIONS),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="CONV-03",
        applies_to="convolutions",
        rule="a dilated kernel runs the scalar kernels",
        fix="use a larger kernel or another stride",
        source=_SDK,
        check=violation.each_step(_dilation, *_CONVOLUTIONS),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="CONV-04",
        applies_to="convolutions",
        rule="groups must be one, or one for each channel",
        fix="use a full or a depthwise convolution",
        source=_SDK,
        check=violation.each_step(_groups, steps.CONV),
    ),
    violation.Constraint(
        id="DW-01",
        applies_to="depthwise convolutions",
        rule="there were no depthwise kernels when the demo was made; they came with "
        "the SDK of October 2019",
        fix="use that SDK or a later one, or full convolutions",
        source="demo; sdk 3.1",
        check=violation.each_step(_depthwise, steps.DEPTHWISE),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="DW-02",
        applies_to="depthwise convolutions",
        rule="each channel must give one channel",
        fix="use depth_multiplier=1 and a 1x1 convolution",
        source=_SDK,
        check=violation.each_step(_multiplier, steps.DEPTHWISE),
    ),
    violation.Constraint(
        id="PAD-01",
        applies_to="convolutions",
        rule="padding must be none, or as much as that of 'same', on one side or "
        "balanced on both",
        fix="use padding='same' or 'valid'",
        source="sdk 4.1, AutoTiler's generators",
        check=violation.each_step(_padding, *_CONVOLUTIONS),
    ),
    violation.Constraint(
        id="POOL-01",
        applies_to="pools",
        rule="padding must be none, or as much as that of 'same', on one side or "
        "balanced on both",
        fix="use padding='same' or 'valid'",
        source="sdk 4.1, AutoTiler's generators",
        check=violation.each_step(_padding, *_POOLS),
    ),
    violation.Constraint(
        id="POOL-02",
        applies_to="pools",
        rule="an average must not be padded: the chip divides by the whole window",
        fix="use padding='valid'",
        source="sdk 3.1, kernels",
        check=violation.each_step(_average_padding, steps.AVERAGE_POOL),
    ),
    violation.Constraint(
        id="POOL-03",
        applies_to="pools",
        rule="an average multiplies by floor(2^bits / area), which should lose at most "
        "1 %",
        fix="use an area that is a power of two, or 16 bits",
        source="sdk 3.1, kernels",
        check=violation.each_step(_small_average, steps.AVERAGE_POOL),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="POOL-04",
        applies_to="pools",
        rule="an average must be over 2^bits values at most: of more, "
        "floor(2^bits / area) is 0",
        fix="use smaller windows, or 16 bits",
        source="sdk 3.1, kernels",
        check=violation.each_step(_large_average, steps.AVERAGE_POOL),
    ),
    violation.Constraint(
        id="L1-01",
        applies_to="memories",
        rule=f"the smallest tile must fit the {spec.L1_USABLE_BYTES:,} bytes of L1 "
        "that stacks and cluster data leave",
        fix="use narrower planes, or fewer results of a linear layer",
        source="sdk 4.1, AutoTiler's generators; demo",
        check=violation.each_step(_l1),
    ),
)
