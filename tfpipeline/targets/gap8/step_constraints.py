"""What single steps must be: kernels, strides, padding, pools, activations."""

from collections.abc import Iterator

from tfpipeline.targets.gap8 import cycles, l1_tile, spec, steps, violation

_SDK = "sdk 3.1, kernels and generators"
_CONVOLUTIONS = (steps.CONV, steps.DEPTHWISE)
_POOLS = (steps.MAX_POOL, steps.AVERAGE_POOL)
_WITHOUT_KERNEL = (steps.OTHER, steps.ELEMENT_WISE)
_ACTIVATIONS = ("relu", "relu6")


def _operation(step: steps.Step, bits: int) -> str | None:
    return step.layers[-1].kind if step.operation in _WITHOUT_KERNEL else None


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


def _is_generated(window: steps.Window, plane: steps.Pair) -> bool:
    """Whether the AutoTiler pads so: not at all, or as TensorFlow's 'same'.

    Its total along an axis of W pixels is max(F - S, 0) where S divides W, else
    max(F - W mod S, 0); the odd pixel may come first or last.
    """
    if not window.is_padded:
        return True
    axes = zip(plane, window.size, window.strides, window.dilation, strict=True)
    for (pixels, taps, stride, rate), pair in zip(axes, window.padding, strict=True):
        extent = (taps - 1) * rate + 1
        total = max(extent - (pixels % stride or stride), 0)
        if sum(pair) != total or abs(pair[0] - pair[1]) > 1:
            return False
    return True


def _pads(window: steps.Window) -> str:
    (top, bottom), (left, right) = window.padding
    return f"rows {top} and {bottom}, columns {left} and {right}"


def _padding(step: steps.Step, bits: int) -> str | None:
    window = step.window
    assert window is not None
    return None if _is_generated(window, step.source[1:]) else _pads(window)


def _each_pool(step: steps.Step) -> Iterator[tuple[str, steps.Window, steps.Pair]]:
    """Pools of a step: kind, window and plane."""
    if step.operation in _POOLS and step.window is not None:
        yield step.operation, step.window, step.source[1:]
    if step.pool is not None:
        yield step.pool.kind, step.pool.window, step.body[1:]


def _pool_padding(step: steps.Step, bits: int) -> str | None:
    for _, window, plane in _each_pool(step):
        if not _is_generated(window, plane):
            return _pads(window)
    return None


def _average_padding(step: steps.Step, bits: int) -> str | None:
    for kind, window, _ in _each_pool(step):
        if kind == steps.AVERAGE_POOL and window.is_padded:
            return _pads(window)
    return None


def _small_average(step: steps.Step, bits: int) -> str | None:
    """The gain of an average whose factor is floor(256 / area)."""
    for kind, window, _ in _each_pool(step):
        factor = 2**bits // window.taps
        if kind == steps.AVERAGE_POOL and 1 - factor * window.taps / 2**bits > 0.01:
            share = factor * window.taps / 2**bits
            return f"{violation.size(window.size)} in {bits} bits: {share:.3f}"
    return None


def _l1(step: steps.Step, bits: int) -> str | None:
    needed = l1_tile.smallest_bytes(step, bits)
    return None if needed <= spec.L1_USABLE_BYTES else f"{needed:,} bytes"


CONSTRAINTS = (
    violation.Constraint(
        id="KIND-01",
        applies_to="all layers",
        rule="the layer must be a convolution, a linear layer, a pool, a sum of two "
        "tensors of one shape, ReLU or softmax",
        fix="leave it out, or compute it on the fabric controller by code of your own",
        source=_SDK,
        check=violation.each_step(_operation),
    ),
    violation.Constraint(
        id="ACT-01",
        applies_to="activations",
        rule="the activation must be ReLU or ReLU6",
        fix="use one of them and train again; later SDKs have more",
        source=_SDK,
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
        rule="padding must be none, or that of 'same'",
        fix="use padding='same' or 'valid'",
        source="sdk, AutoTiler",
        check=violation.each_step(_padding, *_CONVOLUTIONS),
    ),
    violation.Constraint(
        id="POOL-01",
        applies_to="pools",
        rule="padding must be none, or that of 'same'",
        fix="use padding='same' or 'valid'",
        source="sdk, AutoTiler",
        check=violation.each_step(_pool_padding),
    ),
    violation.Constraint(
        id="POOL-02",
        applies_to="pools",
        rule="an average must not be padded: the chip divides by the whole window",
        fix="use padding='valid'",
        source="sdk 3.1, kernels",
        check=violation.each_step(_average_padding),
    ),
    violation.Constraint(
        id="POOL-03",
        applies_to="pools",
        rule="an average multiplies by floor(2^bits / area), which should lose at most "
        "1 %",
        fix="use an area that is a power of two, or 16 bits",
        source="sdk 3.1, kernels",
        check=violation.each_step(_small_average),
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="L1-01",
        applies_to="memories",
        rule=f"the smallest tile must fit the {spec.L1_USABLE_BYTES:,} bytes of L1 "
        "that stacks and cluster data leave",
        fix="use narrower planes, or fewer inputs of a linear layer",
        source="sdk, AutoTiler; demo",
        check=violation.each_step(_l1),
    ),
)
