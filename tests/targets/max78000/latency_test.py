"""The cycle model against a walk over the pixels, and its special cases."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.targets.max78000 import layer_chains, layer_strategies, published_networks
from tfpipeline import errors
from tfpipeline.targets.max78000 import accelerator_layer, geometry, latency, operations
from tfpipeline.targets.max78000 import spec as specs


def _walk(layer: accelerator_layer.AcceleratorLayer) -> int:
    """Cycles pixel by pixel: read, write to the line buffer, compute once filled."""
    passes = geometry.passes(layer.in_channels, specs.MAX78000) * layer.operands
    on_padding, on_data = 2 * passes, passes * (layer.pool[0] * layer.pool[1] + 1)
    rows, columns = layer.pooled_dim
    pad_rows, pad_columns = layer.pad
    outputs = layer.out_channels
    if outputs > 64:
        outputs = layer.output_processors.bit_count() * -(-outputs // 64)
    cycles = 0
    for row in range(rows + 2 * pad_rows):
        for column in range(columns + 2 * pad_columns):
            in_rows = pad_rows <= row < pad_rows + rows
            in_columns = pad_columns <= column < pad_columns + columns
            cycles += on_data if in_rows and in_columns else on_padding
            if row < layer.kernel[0] - 1 or column < layer.kernel[1] - 1:
                cycles += 1
        if row >= layer.kernel[0] - 1:
            channel_passes = geometry.passes(layer.in_channels, specs.MAX78000)
            cycles += outputs * channel_passes * layer.out_dim[1]
            cycles += outputs == 1 and channel_passes == 1
    return cycles


@hypothesis.given(layer_strategies.convolutions())
@hypothesis.settings(max_examples=30, deadline=None)
def test_cycles_equal_a_walk_over_the_pixels(layer):
    assert latency.ai8x_cycles(layer) == _walk(layer)


@hypothesis.given(layer_strategies.convolutions(), st.integers(1, 14))
@hypothesis.settings(max_examples=30, deadline=None)
def test_only_gaps_and_unaligned_starts_of_the_output_cost_cycles(layer, quarter):
    cycles = latency.ai8x_cycles(layer)
    count = layer.output_processors.bit_count()
    if count + 4 * quarter <= 64:
        moved = layer.output_processors << 4 * quarter
        aligned = dataclasses.replace(layer, output_processors=moved)
        assert latency.ai8x_cycles(aligned) == cycles
    if count < 64:
        unaligned = dataclasses.replace(
            layer, output_processors=layer.output_processors << 1
        )
        assert latency.ai8x_cycles(unaligned) > cycles
    if 1 < count < 64:
        last = 1 << count - 1
        gap = dataclasses.replace(
            layer, output_processors=layer.output_processors ^ last | last << 1
        )
        assert latency.ai8x_cycles(gap) > cycles


@hypothesis.given(layer_strategies.convolutions())
@hypothesis.settings(max_examples=30, deadline=None)
def test_more_outputs_passes_or_pixels_never_take_less_time(layer):
    cycles = latency.ai8x_cycles(layer)
    wider = dataclasses.replace(layer, in_dim=(layer.in_dim[0], layer.in_dim[1] + 8))
    outputs = layer.out_channels + 64
    more = dataclasses.replace(
        layer, out_channels=outputs, output_processors=geometry.packed_map(outputs)
    )
    deeper = dataclasses.replace(layer, in_channels=layer.in_channels + 64)
    assert latency.ai8x_cycles(wider) > cycles
    assert latency.ai8x_cycles(more) > cycles
    assert latency.ai8x_cycles(deeper) > cycles
    streaming = dataclasses.replace(layer, streaming=True)
    assert latency.ai8x_cycles(streaming) == (15 * cycles + 9) // 10


@hypothesis.given(layer_strategies.convolutions(max_channels=64))
@hypothesis.settings(max_examples=30, deadline=None)
def test_kernel_parallel_is_a_kernel_or_a_comparison_a_cycle(layer):
    counts = operations.count(layer)
    kernels = counts.macc / (layer.kernel[0] * layer.kernel[1])
    assert latency.kernel_parallel_cycles(layer) == pytest.approx(
        (kernels + counts.comp) / layer.in_channels, rel=1e-12
    )


def test_kernel_parallel_uses_64_processors_at_most():
    for inputs in (64, 128):
        (layer,) = layer_chains.chain(
            inputs, (8, 8), [layer_chains.conv2d(4, activation=None)]
        )
        # 4 outputs of 64 pixels; 128 inputs take each processor twice.
        assert latency.kernel_parallel_cycles(layer) == 256 * inputs / 64


def test_kernel_position_matters_only_for_pooling_behind_an_addition():
    (layer,) = layer_chains.chain(8, (16, 16), [layer_chains.conv2d(8, pool=2)])
    both = dataclasses.replace(layer, eltwise="add", operands=2)
    behind = dataclasses.replace(both, pool_first=False)
    alone = dataclasses.replace(layer, pool_first=False)
    for free in (layer, both, alone):
        assert latency.ai8x_cycles(free, kernel_word=40) == latency.ai8x_cycles(free)
    # 8x8 pooled, 3x3 kernel, pad 1: 8 + 8 - 1 = 15 positions along the padding.
    assert latency.ai8x_cycles(behind, kernel_word=40) == (
        latency.ai8x_cycles(behind) + 15 * 40
    )


@pytest.mark.parametrize(
    ("channels", "pool", "cycles"),
    # One word of four channels a cycle and quadrant; the pooled pixels are read one by
    # one, and more than 64 channels take 2n - 1 passes when pooled.
    [
        (64, (1, 1), 16 * (2 + 4)),
        (8, (1, 1), 16 * (2 + 2)),
        (64, (2, 2), 4 * (5 + 4)),
        (128, (1, 1), 16 * (4 + 2 * 4)),
        (128, (4, 4), 1 * (3 * 17 + 3 * 4)),
    ],
)
def test_passthrough(channels, pool, cycles):
    (layer,) = layer_chains.chain(channels, (4, 4), [layer_chains.pooling(pool)])
    assert latency.ai8x_cycles(layer) == cycles


def test_flattened_layer_of_more_than_16_pixels_costs_a_cycle_more():
    small, large = (
        layer_chains.chain(4, dim, [layer_chains.linear(2, flatten=True)])[0]
        for dim in ((4, 4), (4, 5))
    )
    # Rows x columns x (read and write + outputs).
    assert latency.ai8x_cycles(small) == 16 * (2 + 2)
    assert latency.ai8x_cycles(large) == 20 * (2 + 2) + 1


def test_dilated_conv1d_is_stretched_or_folded():
    def cycles(dilation):
        step = layer_chains.conv1d(8, size=3, dilation=dilation)
        return latency.ai8x_cycles(layer_chains.chain(8, (64, 1), [step])[0])

    def plain(step, dim):
        return latency.ai8x_cycles(layer_chains.chain(8, dim, [step])[0])

    # Length 3 stretched to 9 by a dilation of 4; by 5 it would be 11, and the 64 values
    # run as 13 rows of 5 under a 3x3 kernel.
    assert cycles(4) == plain(layer_chains.conv1d(8, size=9), (64, 1))
    assert cycles(5) == plain(layer_chains.conv2d(8), (13, 5))


def test_max78002_is_refused():
    (layer, *_) = published_networks.facenet("v1")
    with pytest.raises(errors.UsageError, match=r"ai8x latency model .* max78002"):
        latency.ai8x_cycles(layer, spec=specs.MAX78002)


@pytest.mark.parametrize(("operands", "read"), [(1, 2 * 5), (2, 2 * 9)])
def test_pooling_behind_an_addition_reads_every_pass_again(operands, read):
    (layer,) = layer_chains.chain(128, (8, 8), [layer_chains.conv2d(4, size=1, pool=2)])
    layer = dataclasses.replace(
        layer,
        pool_first=False,
        operands=operands,
        eltwise="add" if operands > 1 else None,
    )
    # 4x4 pooled values, each read in two passes of two; then 4 outputs in two passes.
    assert latency.ai8x_cycles(layer) == 16 * (2 * read + 4 * 2)
