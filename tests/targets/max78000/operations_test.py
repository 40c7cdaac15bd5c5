"""Counting rules, one by one."""

import dataclasses

import hypothesis
import pytest

from tests.targets.max78000 import layer_chains, layer_strategies
from tfpipeline.targets.max78000 import accelerator_layer, operations


def _count(step, channels=4, dim=(8, 8), **changes):
    (layer,) = layer_chains.chain(channels, dim, [step])
    return operations.count(dataclasses.replace(layer, **changes))


def _is(counts, **expected):
    return counts == operations.Operations(**expected)


def test_convolution_counts_padding_and_activation():
    # 9 positions of 4 channels for each of 5 outputs of 64 pixels.
    assert _is(_count(layer_chains.conv2d(5)), macc=9 * 4 * 5 * 64, comp=5 * 64)
    assert _is(_count(layer_chains.conv2d(5, activation="Abs")), macc=11520, comp=320)
    assert _is(_count(layer_chains.conv2d(5, activation=None)), macc=11520)
    assert _is(_count(layer_chains.conv2d(5), output_width=32), macc=11520, comp=320)


def test_groups_divide_the_inputs():
    assert _is(
        _count(layer_chains.conv2d(4, activation=None), groups=4), macc=9 * 4 * 64
    )


def test_transposed_convolution_counts_the_zeros_between_pixels():
    step = layer_chains.conv_transpose2d(5, activation=None)
    assert _is(_count(step), macc=9 * 4 * 5 * 256)


def test_conv1d_and_its_dilation():
    for dilation, length in ((1, 14), (3, 10), (7, 2)):
        step = layer_chains.conv1d(5, size=3, dilation=dilation, activation=None)
        assert _is(_count(step, dim=(16, 1)), macc=3 * 4 * 5 * length)


def test_linear_layers():
    assert _is(_count(layer_chains.linear(10, flatten=True)), macc=4 * 64 * 10)
    assert _is(_count(layer_chains.linear(10), dim=(1, 1)), macc=40)


@pytest.mark.parametrize(("pool_type", "kind"), [("max", "comp"), ("avg", "add")])
def test_pooling_counts_every_pixel_under_the_window(pool_type, kind):
    step = layer_chains.pooling((3, 2), stride=(2, 2), pool_type=pool_type)
    # Rows (8 - 3) // 2 + 1 = 3, columns 4.
    assert _is(_count(step), **{kind: 3 * 2 * 4 * 3 * 4})
    line = layer_chains.pooling((3, 1), stride=(2, 1), pool_type=pool_type)
    assert _is(_count(line, dim=(8, 1)), **{kind: 3 * 4 * 3})


def test_a_stride_without_a_pool_is_free():
    assert _is(_count(layer_chains.pooling((1, 1), stride=(2, 2))))


@pytest.mark.parametrize(
    ("eltwise", "kind"),
    [("add", "add"), ("sub", "add"), ("or", "bitwise"), ("xor", "bitwise")],
)
def test_element_wise_operations(eltwise, kind):
    step = layer_chains.pooling((2, 2))
    first = _count(step, eltwise=eltwise, operands=3)
    # Each of three operands is pooled, then two operations on each pooled value.
    assert _is(first, comp=3 * 4 * 4 * 16, **{kind: 2 * 4 * 16})
    last = _count(step, eltwise=eltwise, operands=3, pool_first=False)
    assert _is(last, comp=4 * 4 * 16, **{kind: 2 * 4 * 64})


def test_average_pooling_and_addition_share_a_counter():
    step = layer_chains.pooling((2, 2), pool_type="avg")
    counts = _count(step, eltwise="add", operands=2)
    assert _is(counts, add=2 * 4 * 4 * 16 + 4 * 16)


@hypothesis.given(layer_strategies.convolutions())
@hypothesis.settings(max_examples=30, deadline=None)
def test_operations_scale_with_outputs_and_do_not_depend_on_processors(layer):
    counts = operations.count(layer)
    double = dataclasses.replace(layer, out_channels=2 * layer.out_channels)
    assert operations.count(double).macc == 2 * counts.macc
    assert operations.count(double).add == counts.add
    moved = dataclasses.replace(
        layer, processors=1, output_processors=1, weight_bits=1, streaming=True
    )
    assert operations.count(moved) == counts
    assert operations.total([counts, counts]) == operations.Operations(
        *(2 * value for value in dataclasses.astuple(counts))
    )
    assert counts.total == sum(dataclasses.astuple(counts))


def test_layer_without_weights_has_no_macc():
    (layer,) = layer_chains.chain(4, (8, 8), [layer_chains.pooling((1, 1))])
    assert isinstance(layer, accelerator_layer.AcceleratorLayer)
    assert operations.count(layer).total == 0
