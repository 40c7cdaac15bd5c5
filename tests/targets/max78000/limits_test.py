"""Sizes at the limits of the device, and one beyond."""

import dataclasses

import pytest

from tfpipeline.targets.max78000 import limits, network
from tfpipeline.targets.max78000 import spec as specs


def _violations(step, channels, dim, spec=specs.MAX78000, **changes):
    (layer,) = network.chain(channels, dim, [step])
    return limits.violations([dataclasses.replace(layer, **changes)], spec)


@pytest.mark.parametrize(
    ("step", "fitting", "beyond", "message"),
    [
        # The tool accepts an output of 90x91 pixels and refuses 91x91.
        (
            network.conv2d(64),
            (4, (90, 91)),
            (4, (91, 91)),
            "output bytes a memory instance must be at most 32768; found 33124",
        ),
        (
            network.conv2d(65),
            (4, (64, 64)),
            (4, (64, 65)),
            "output bytes a memory instance must be at most 32768; found 33280",
        ),
        (
            network.conv2d(4),
            (1024, (1, 1)),
            (1025, (1, 1)),
            "input channels must be at most 1024; found 1025",
        ),
        (
            network.conv2d(4),
            (4, (1024, 1)),
            (4, (1, 1025)),
            "rows and columns must be at most 1024; found 1025",
        ),
        (
            network.linear(4, flatten=True),
            (4, (16, 16)),
            (4, (1, 257)),
            "flattened pixels must be at most 256; found 257",
        ),
    ],
)
def test_sizes_at_the_limit_and_beyond(step, fitting, beyond, message):
    assert _violations(step, *fitting) == ()
    assert _violations(step, *beyond) == (f"layer 0: {message}",)


def test_output_channels():
    assert _violations(network.conv2d(1024), 4, (1, 1)) == ()
    (message,) = _violations(network.conv2d(1025), 4, (1, 1))
    assert message == "layer 0: output channels must be at most 1024; found 1025"


def test_32_bit_outputs_take_four_times_the_room():
    step = network.conv2d(4, activation=None)
    assert _violations(step, 4, (45, 45), output_width=32) == ()
    assert _violations(step, 4, (46, 46), output_width=32)
    assert not _violations(step, 4, (46, 46), output_width=8)


def test_streams_need_no_room_but_for_the_last_layer():
    layers = network.chain(
        3, (128, 128), [network.conv2d(4), network.conv2d(4, pool=2)]
    )
    assert len(limits.violations(layers, specs.MAX78000)) == 1
    streaming = (dataclasses.replace(layers[0], streaming=True), layers[1])
    assert limits.violations(streaming, specs.MAX78000) == ()
    assert limits.violations(streaming[:1], specs.MAX78000)


def test_max78002_has_more_room():
    assert not _violations(network.conv2d(4), 4, (143, 143), specs.MAX78002)
    assert _violations(network.conv2d(4), 4, (144, 143), specs.MAX78002)
