"""Data memory at its limit, and one pixel beyond."""

import dataclasses

import pytest

from tests.targets.max78000 import layer_chains
from tfpipeline.targets.max78000 import limits
from tfpipeline.targets.max78000 import spec as specs


def _found(step, channels, dim, spec=specs.MAX78000, **changes):
    """(index, bytes) of what does not fit."""
    (layer,) = layer_chains.chain(channels, dim, [step])
    layer = dataclasses.replace(layer, **changes)
    return [(each.index, each.needed) for each in limits.shortages([layer], spec)]


@pytest.mark.parametrize(
    ("step", "channels", "fitting", "beyond", "found"),
    [
        # The tool accepts 90x91 pixels and refuses 91x91.
        (layer_chains.conv2d(64), 4, (90, 91), (91, 91), [(-1, 33_124), (0, 33_124)]),
        (layer_chains.conv2d(65), 4, (64, 64), (64, 65), [(0, 33_280)]),
        # Of one channel an instance it accepts 181x181 and refuses 182x182.
        (layer_chains.conv2d(4, pool=16), 1, (181, 181), (182, 182), [(-1, 33_124)]),
    ],
)
def test_sizes_at_the_limit_and_beyond(step, channels, fitting, beyond, found):
    assert _found(step, channels, fitting) == []
    assert _found(step, channels, beyond) == found


def test_channels_of_an_instance_each_lie_there_byte_by_byte():
    step = layer_chains.conv2d(4, pool=16)
    assert _found(step, 3, (181, 181)) == [(-1, 131_044)]
    assert _found(step, 3, (181, 181), processors=0x111) == []
    assert _found(step, 3, (182, 182), processors=0x111) == [(-1, 33_124)]


def test_32_bit_outputs_take_four_times_the_room():
    step = layer_chains.conv2d(4, activation=None)
    assert _found(step, 4, (45, 45), output_width=32) == []
    assert _found(step, 4, (46, 46), output_width=32) == [(0, 33_856)]
    assert _found(step, 4, (46, 46)) == []


def test_streams_need_no_room_but_for_the_last_layer():
    layers = layer_chains.chain(
        3, (128, 128), [layer_chains.conv2d(4), layer_chains.conv2d(4, pool=2)]
    )
    assert len(limits.shortages(layers, specs.MAX78000)) == 2
    streaming = (dataclasses.replace(layers[0], streaming=True), layers[1])
    assert limits.shortages(streaming, specs.MAX78000) == ()
    assert limits.shortages(streaming[:1], specs.MAX78000)


def test_max78002_has_more_room():
    assert _found(layer_chains.conv2d(4), 4, (143, 143), specs.MAX78002) == []
    assert _found(layer_chains.conv2d(4), 4, (144, 143), specs.MAX78002)


def test_operands_lie_interleaved_and_must_fit_together():
    step = layer_chains.pooling((1, 1))
    fields = {"eltwise": "add", "operands": 2}
    assert _found(step, 8, (64, 64), **fields) == []
    assert _found(step, 8, (64, 65), **fields) == [(0, 33_280)]
