"""Which first layers stream, and the buffers that the vendor's tool asks for."""

import dataclasses

import pytest

from tests import graph_builder
from tfpipeline.targets.max78000 import fusion, lowering, streams
from tfpipeline.targets.max78000 import spec as specs


def _chain(*, bias=False, size=96):
    net = graph_builder.Builder((size, size, 3), "chain")
    net.conv(12, bias=bias)
    net.pool()
    net.conv(8, bias=bias)
    net.pool()
    net.conv(8, bias=bias)
    return net


def test_as_few_layers_stream_as_suffice():
    lowered = lowering.lower(_chain().build())
    assert [layer.streaming for layer in lowered.layers] == [True, True, False]
    assert lowered.notes[-1].startswith("the first 2 layers stream: the host gives")
    assert lowered.violations == ()
    small = lowering.lower(_chain(size=64).build())
    assert not any(layer.streaming for layer in small.layers)


def test_buffers_are_those_of_the_tool():
    """Counted by hand from its rules: prefill, and a step of the window."""
    layers = lowering.lower(_chain().build()).layers
    # One pixel, and one more; then that of the next layer's input, and one word apart.
    assert streams.buffer_words(layers, 0, specs.MAX78000) == 2 + 1
    # Two padded rows and a pooled one of 98, two columns and the pool's two, two more;
    # then a row of 96 and two columns.
    assert streams.buffer_words(layers, 1, specs.MAX78000) == (
        98 * 3 + 2 + 2 + 2 + 96 + 2 + 1
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_layers_with_biases_or_other_readers_do_not_stream(count):
    def drafted(net):
        return fusion.draft_network(net.build(), specs.MAX78000)

    assert streams.streamed(drafted(_chain(bias=1.0)), count, specs.MAX78000) is None
    newer = streams.streamed(drafted(_chain(bias=1.0)), count, specs.MAX78002)
    assert newer is not None
    assert newer.input_mode == "fifo"
    shared = _chain()
    shared.conv(4, source="input")
    both = fusion.draft_network(
        shared.build(shared.last, shared.layers[-2].output), specs.MAX78000
    )
    assert streams.streamed(both, count, specs.MAX78000) is None


def test_channels_of_the_fifo_are_four_a_quadrant():
    net = graph_builder.Builder((8, 8, 6), "six")
    net.conv(4, bias=False)
    drafted = fusion.draft_network(net.build(), specs.MAX78000)
    found = streams.streamed(drafted, 1, specs.MAX78000)
    assert found.maps == {"input": 0x3000F}
    assert streams.streamed(drafted, 2, specs.MAX78000) is None
    assert dataclasses.replace(found, maps={}).in_channels == 6


@pytest.mark.parametrize(
    ("pool", "spec", "is_possible"),
    [
        # 15 rows of 1024 columns and 16 more, 16 times over: beyond 14 bits.
        (16, specs.MAX78000, False),
        (2, specs.MAX78000, True),
        # 16 padded rows of 1026 and a little more: within 15 bits.
        (16, specs.MAX78002, True),
    ],
)
def test_registers_hold_the_numbers_of_what_streams(pool, spec, is_possible):
    layer = dataclasses.replace(
        lowering.lower(_chain().build()).layers[0],
        in_dim=(1024, 1024),
        pool=(pool, pool),
        pool_stride=(pool, pool),
    )
    assert streams.are_possible((layer,), spec) == is_possible


@pytest.mark.parametrize(("columns", "count"), [(700, 2), (900, 0)])
def test_what_registers_do_not_hold_does_not_stream(columns, count):
    """Five padded rows of 702 pixels are within 12 bits, of 902 they are beyond."""
    net = graph_builder.Builder((40, columns, 3), "wide")
    net.conv(4, bias=False)
    net.pool(2, stride=6)
    net.conv(8, bias=False)
    lowered = lowering.lower(net.build())
    assert streams.count(lowered.layers) == count
