"""Maps of memory: nothing lies on anything else, and they end where the figures say."""

import itertools

import pytest

from tfpipeline.cost import estimate
from tfpipeline.networks import catalog as networks
from tfpipeline.targets import catalog

_PEAKS = {
    "stm32f746": "ram_bytes",
    "gap8": "l2_sync_bytes",
    "tflm": "arena_greedy_bytes",
}
_BOUNDS = {
    "stm32f746": "ram_bound_bytes",
    "gap8": "l2_sync_bound_bytes",
    "tflm": "arena_bound_bytes",
}
_SOME = ("cmsisnet", "nascifarnet", "facenet_v7")


@pytest.mark.parametrize("target", ["max78000", *_PEAKS])
@pytest.mark.parametrize("network", _SOME)
def test_nothing_lies_on_anything_else(network, target):
    found = catalog.TARGETS[target].estimate(networks.load(network), estimate.Options())
    [occupancy] = found.maps
    for step in range(len(occupancy.steps)):
        alive = [x for x in occupancy.blocks if x.first <= step <= x.last]
        alive.sort(key=lambda x: x.offset)
        assert alive
        for one, other in itertools.pairwise(alive):
            assert one.offset + one.bytes <= other.offset
    if target in _PEAKS:
        assert occupancy.peak_bytes == found.memory[_PEAKS[target]]
        assert occupancy.bound_bytes == found.memory[_BOUNDS[target]]
    else:
        assert occupancy.peak_bytes <= occupancy.available_bytes
        starts = [lane.start for lane in occupancy.lanes]
        size = starts[1]
        assert all(x.offset % size + x.bytes <= size for x in occupancy.blocks)
        assert starts == list(range(0, occupancy.available_bytes, size))
