"""Layers that stream: what the vendor's tool configures for them is what we say.

The numbers are its own, read from the log of its run; the test marked `vendor` runs it.
"""

import dataclasses
import re

import pytest

from export.max78000 import files
from tests import graph_builder
from tests.export.max78000 import random_networks, vendor_networks, vendor_tool
from tfpipeline.targets.max78000 import accelerator_layer, streams
from tfpipeline.targets.max78000 import spec as specs

_MISSING = vendor_tool.missing()
_REGISTERS = ("Stream processing start", "Stream processing delta", "Rollover")
_CONFIGURED = rf"L(\d+) G\d .*: ([0-9a-f]{{8}}) // ({'|'.join(_REGISTERS)})"


@dataclasses.dataclass(frozen=True)
class _Chain:
    """A network that begins with convolutions in a row.

    Attributes:
        shape: of its input.
        layers: of each, window and stride of the pool in front (1 for none), side of
            the kernel, padding, output channels.
        numbers: by device, of each layer that streams in the least memory, the tool's
            start, column step, row step, rollover and lag.
    """

    shape: tuple[int, int, int]
    layers: tuple[tuple[int, int, int, str, int], ...]
    numbers: dict[str, list[tuple[int, int, int, int, int]]]


_CHAINS = {
    "small_pool_at_the_end": _Chain(
        (19, 20, 12),
        ((1, 1, 3, "same", 32), (1, 1, 3, "same", 16), (2, 2, 3, "same", 4)),
        {
            "max78000": [(1, 0, 0, 2, 0), (49, 1, 1, 50, 1), (72, 2, 24, 94, 2)],
            "max78002": [(1, 0, 0, 2, 0), (47, 1, 1, 48, 1), (75, 2, 22, 77, 2)],
        },
    ),
    "pools_of_other_strides": _Chain(
        (43, 38, 3),
        ((3, 2, 3, "same", 8), (3, 1, 1, "valid", 8), (2, 2, 3, "same", 8)),
        {
            "max78000": [(237, 1, 76, 316, 0)],
            "max78002": [(127, 2, 43, 170, 0), (87, 1, 1, 90, 1), (63, 2, 18, 65, 2)],
        },
    ),
    "first_pooled": _Chain(
        (37, 45, 4),
        ((2, 2, 3, "valid", 8), (2, 1, 3, "same", 8), (2, 3, 3, "same", 8)),
        {
            "max78000": [(94, 1, 45, 141, 0), (72, 1, 2, 94, 1), (69, 3, 44, 91, 2)],
            "max78002": [(94, 2, 48, 141, 0), (71, 1, 1, 73, 1), (103, 3, 42, 106, 2)],
        },
    ),
    "several_passes": _Chain(
        (30, 31, 3),
        ((1, 1, 1, "valid", 70), (2, 2, 3, "same", 140), (3, 3, 3, "same", 8)),
        {
            "max78000": [(1, 0, 0, 2, 0), (105, 2, 35, 138, 1), (75, 3, 37, 108, 3)],
            "max78002": [(1, 0, 0, 2, 0), (104, 2, 34, 172, 1), (84, 3, 33, 186, 3)],
        },
    ),
    "unpadded_end": _Chain(
        (33, 36, 3),
        ((1, 1, 3, "same", 12), (2, 2, 3, "valid", 4), (3, 3, 3, "valid", 4)),
        {"max78000": [], "max78002": [(1, 0, 0, 2, 0), (152, 2, 38, 154, 1)]},
    ),
    "wide_pools": _Chain(
        (52, 47, 1),
        ((1, 1, 3, "same", 8), (5, 2, 3, "same", 8), (4, 4, 3, "same", 8)),
        {
            "max78000": [(1, 0, 0, 2, 0), (303, 2, 54, 496, 1)],
            "max78002": [(1, 0, 0, 2, 0), (305, 2, 49, 310, 1), (153, 4, 72, 157, 2)],
        },
    ),
}
_CASES = [
    pytest.param(name, device, id=f"{device}-{name}")
    for name in _CHAINS
    for device in specs.SPECS
]


def _prepared(chain, spec):
    net = graph_builder.Builder(chain.shape, "chain")
    for window, stride, side, padding, channels in chain.layers:
        if (window, stride) != (1, 1):
            net.pool(window, stride=stride)
        net.conv(channels, side, padding=padding, bias=False)
    net.pool(2)
    net.conv(8)
    g = vendor_networks.randomized(net.build())
    return random_networks.in_least_memory(g, spec)


def _schedules(found, spec):
    layers = accelerator_layer.emulate_streaming(found.lowered.layers)
    return [
        dataclasses.astuple(streams.schedule(layers, index, spec))
        for index in range(streams.count(layers))
    ]


def _configured(log):
    """The same of the tool's log, where each group of processors says it again."""
    found = {}
    for index, digits, name in re.findall(_CONFIGURED, log):
        found[int(index), name] = int(digits, 16)
    result = []
    # Without the FIFO nothing streams, and there are no rollovers.
    for index in range(sum(name == "Rollover" for _, name in found)):
        start, delta, rollover = (found[index, name] for name in _REGISTERS)
        result.append((start, delta >> 4 & 31, delta >> 16, rollover, delta & 15))
    return result


@pytest.mark.default_cases(4)
@pytest.mark.parametrize(("name", "device"), _CASES)
def test_numbers_are_those_that_the_tool_configured(name, device):
    chain, spec = _CHAINS[name], specs.SPECS[device]
    assert _schedules(_prepared(chain, spec), spec) == chain.numbers[device]


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
@pytest.mark.parametrize(("name", "device"), _CASES)
def test_the_tool_configures_them(name, device, tmp_path):
    chain = _CHAINS[name]
    files.write(tmp_path / "files", _prepared(chain, specs.SPECS[device]), "chain")
    log = vendor_tool.run(tmp_path / "files", tmp_path / "synthesized").log
    assert _configured(log) == chain.numbers[device]
