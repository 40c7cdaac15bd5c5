"""Placement of kernels and biases."""

import dataclasses
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.targets.max78000 import layer_chains, layer_strategies
from tfpipeline.targets.max78000 import accelerator_layer, geometry, memory
from tfpipeline.targets.max78000 import spec as specs

layer_lists = st.lists(layer_strategies.convolutions(), min_size=1, max_size=8)


def _stack(count, bits=8, channels=64):
    return layer_chains.chain(
        channels, (4, 4), [layer_chains.conv2d(channels, weight_bits=bits)] * count
    )


@pytest.mark.parametrize(("bits", "fitting"), [(8, 12), (4, 24), (2, 48), (1, 96)])
def test_twelve_layers_of_64_channels_fill_the_memory(bits, fitting):
    # The tool refuses the thirteenth 8-bit layer and accepts twenty-four of 4 bits.
    assert not memory.place_kernels(_stack(fitting, bits)).shortages
    (message,) = memory.place_kernels(_stack(fitting + 1, bits)).shortages
    assert str(message).startswith(
        f"layer {fitting}: the weight memory of a processor has 768 words of 72 bits; "
        f"found {768 + 8 * bits}, {8 * bits} too many [MAX78000-MEM-01]; use fewer bits"
    )


def test_max78002_has_longer_memories():
    assert specs.MAX78002.weight_bytes == 2_396_160
    assert specs.MAX78002.bias_bytes == 8_192
    assert not memory.place_kernels(_stack(64), specs.MAX78002).shortages
    assert memory.place_kernels(_stack(65), specs.MAX78002).shortages


def test_layers_of_all_processors_come_first():
    steps = [layer_chains.conv2d(c) for c in (64, 64, 8)]
    small, first, second = layer_chains.chain(4, (8, 8), steps)
    ranges = memory.place_kernels((small, first, second)).ranges
    assert [r.first_word for r in ranges] == [72, 0, 64]


def test_shared_weights_take_no_room():
    layers = list(_stack(3))
    layers[2] = dataclasses.replace(layers[2], weight_source=1)
    placement = memory.place_kernels(layers)
    assert placement.ranges[2] == placement.ranges[1]
    assert [memory.weight_bytes(layer) for layer in layers] == [36_864, 36_864, 0]


@hypothesis.given(layer_lists)
@hypothesis.settings(max_examples=30, deadline=None)
def test_kernels_never_overlap_and_start_at_every_fourth_word(layers):
    placement = memory.place_kernels(layers)
    taken = [set() for _ in range(64)]
    for layer, where in zip(layers, placement.ranges, strict=True):
        assert where.first_word % 4 == 0
        words = set(range(where.first_word, where.first_word + where.words))
        for processor in range(64):
            if layer.processors >> processor & 1:
                assert not taken[processor] & words
                taken[processor] |= words
    ends = max(max(words) + 1 for words in taken if words)
    assert bool(placement.shortages) == (ends > 768)


@hypothesis.given(layer_strategies.convolutions(bits=(8,)))
@hypothesis.settings(max_examples=30, deadline=None)
def test_fewer_bits_take_as_much_less_memory(layer):
    assert memory.weight_bytes(layer) == (
        layer.in_channels * layer.out_channels * math.prod(layer.kernel)
    )
    for bits in (4, 2, 1):
        packed = dataclasses.replace(layer, weight_bits=bits)
        assert memory.weight_bytes(packed) == memory.weight_bytes(layer) * bits // 8


@hypothesis.given(layer_lists)
@hypothesis.settings(max_examples=30, deadline=None)
def test_every_bias_lies_in_one_quadrant(layers):
    placement = memory.place_biases(layers)
    sizes = [memory.bias_bytes(layer) for layer in layers]
    filled = [0, 0, 0, 0]
    for layer, size, quadrant in zip(layers, sizes, placement.quadrants, strict=True):
        assert (quadrant is not None) == layer.bias
        assert size == (layer.out_channels if layer.bias else 0)
        if quadrant is not None:
            filled[quadrant] += size
    assert tuple(filled) == placement.quadrant_bytes
    assert placement.total_bytes == sum(sizes)
    assert bool(placement.shortages) == (max(filled) > 512)


def test_the_largest_bias_goes_first_to_the_emptiest_quadrant():
    steps = [layer_chains.conv2d(c, bias=True) for c in (16, 64, 32, 64, 8, 48)]
    head = layer_chains.linear(10, flatten=True)
    placement = memory.place_biases(layer_chains.chain(4, (8, 8), [*steps, head]))
    # 10 of the flattened layer to quadrant 0; 64, 64 and 48 to 1, 2 and 3; 32 and 16 to
    # 0 again, which then holds 58; 8 to 3.
    assert placement.quadrants == (0, 1, 0, 2, 3, 3, 0)
    assert placement.quadrant_bytes == (58, 64, 64, 56)


def test_bias_of_a_pinned_layer_stays_in_its_quadrant():
    layers = list(
        layer_chains.chain(64, (8, 8), [layer_chains.conv2d(64, bias=True)] * 3)
    )
    layers[2] = dataclasses.replace(layers[2], bias_quadrant=3)
    assert memory.place_biases(layers).quadrants == (0, 1, 3)


def test_only_quadrants_with_data_take_biases():
    placement = memory.place_biases(
        layer_chains.chain(4, (8, 8), [layer_chains.conv2d(16, bias=True)] * 2)
    )
    assert placement.quadrant_bytes == (32, 0, 0, 0)


def test_bias_of_unaligned_outputs_and_of_a_streaming_first_layer():
    (layer,) = layer_chains.chain(4, (8, 8), [layer_chains.conv2d(100, bias=True)])
    moved = dataclasses.replace(layer, output_processors=layer.output_processors << 3)
    streaming = dataclasses.replace(layer, streaming=True)
    assert memory.bias_bytes(layer) == 100
    assert memory.bias_bytes(moved) == 106
    assert memory.bias_bytes(streaming, is_first=True) == 101
    assert memory.bias_bytes(streaming) == 100
    assert memory.bias_bytes(streaming, is_first=True, spec=specs.MAX78002) == 100


def test_more_biases_than_a_quadrant_holds_is_a_violation():
    (layer,) = layer_chains.chain(4, (8, 8), [layer_chains.conv2d(513, bias=True)])
    (message,) = memory.place_biases([layer]).shortages
    assert str(message).startswith(
        "layer 0: the bias memory of a quadrant has 512 bytes; found 513, 1 too many "
        "[MAX78000-MEM-02]; leave out"
    )


@pytest.mark.parametrize(("dilation", "weights"), [(1, 3), (2, 5), (4, 9), (5, 9)])
def test_dilated_kernels_are_stored_with_their_zeros(dilation, weights):
    step = layer_chains.conv1d(8, size=3, dilation=dilation)
    (layer,) = layer_chains.chain(8, (64, 1), [step])
    assert memory.weight_bytes(layer) == 64 * weights


def test_streamed_1x1_kernels_are_stored_as_3x3():
    steps = [
        layer_chains.conv2d(8),
        layer_chains.conv2d(8, size=1),
        layer_chains.conv2d(8, size=1),
    ]
    first, *others = layer_chains.chain(3, (8, 8), steps)
    layers = accelerator_layer.emulate_streaming(
        (dataclasses.replace(first, streaming=True), *others)
    )
    assert [layer.kernel for layer in layers] == [(3, 3), (3, 3), (1, 1)]
    assert [layer.out_dim for layer in layers] == [(8, 8)] * 3
    assert [memory.weight_bytes(layer) for layer in layers] == [216, 576, 64]


@pytest.mark.parametrize(
    ("channels", "bits"), [(1, 1), (64, 64), (65, 36), (100, 52), (128, 64), (192, 64)]
)
def test_packed_map(channels, bits):
    assert geometry.packed_map(channels) == (1 << bits) - 1
    assert geometry.packed_map(channels, first=4) == (1 << bits) - 1 << 4


def test_unaligned_outputs_of_several_passes_step_through_the_skipped_processors():
    (layer,) = layer_chains.chain(128, (8, 8), [layer_chains.conv2d(100)])
    moved = dataclasses.replace(layer, output_processors=layer.output_processors << 3)
    aligned, skipping = map(memory.kernel_range, (layer, moved))
    # 52 processors, 2 passes out and in; moved by 3 a pass starts at 0, ends at 55,
    # and 3 more kernels stand in front of it.
    assert (aligned.kernels, aligned.words) == (52 * 2 * 2, 208)
    assert (skipping.kernels, skipping.words) == ((55 + 3) * 2 * 2, 220)


@pytest.mark.parametrize(
    ("bits", "kernels", "words"),
    # Bits of the kernels, and of what rounds the last byte up, by words of 72.
    [(8, 7, 7), (4, 7, 4), (4, 8, 4), (2, 7, 3), (2, 8, 2), (1, 7, 7), (1, 8, 1)],
)
def test_kernels_that_do_not_fill_their_last_byte(bits, kernels, words):
    (layer,) = layer_chains.chain(
        4, (8, 8), [layer_chains.conv2d(kernels, weight_bits=bits)]
    )
    assert memory.kernel_range(layer).words == words


def test_transposed_convolution_pads_from_the_other_side():
    (layer,) = layer_chains.chain(4, (8, 6), [layer_chains.conv_transpose2d(4)])
    layer = dataclasses.replace(layer, pad=(0, 2))
    assert geometry.hardware_pad(layer) == (2, 0)
    assert geometry.convolution_input(layer) == (16, 12)


def _first_free_word_by_word(taken, words):
    first = 0
    while taken >> first & ((1 << words) - 1):
        first += memory.KERNEL_ALIGNMENT
    return first


@hypothesis.given(st.integers(0, 2**80), st.integers(0, 40))
def test_the_first_free_words_are_those_of_a_search_word_by_word(taken, words):
    assert memory._first_free(taken, words) == _first_free_word_by_word(taken, words)
