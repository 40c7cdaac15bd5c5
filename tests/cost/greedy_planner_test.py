"""TensorFlow Lite Micro's greedy plan: its order, its gaps, its alignment."""

import hypothesis
import pytest

from tests.cost import mlperf_tiny, plan_check, strategies
from tfpipeline.cost import greedy_planner, liveness


def _place_byte_by_byte(buffers):
    """The rule without spans or gaps: try every offset until no byte is taken."""
    offsets = {}
    sizes = sorted({b.aligned_bytes for b in buffers}, reverse=True)
    order = [
        index
        for size in sizes
        for index in reversed(range(len(buffers)))
        if buffers[index].aligned_bytes == size
    ]
    for index in order:
        wanted = buffers[index]
        taken = set()
        for other, offset in offsets.items():
            placed = buffers[other]
            if not (
                placed.first_use > wanted.last_use or wanted.first_use > placed.last_use
            ):
                taken |= set(range(offset, offset + placed.aligned_bytes, 16))
        offset = 0
        while taken & set(range(offset, offset + wanted.aligned_bytes, 16)):
            offset += 16
        offsets[index] = offset
    return tuple(offsets[i] for i in range(len(buffers)))


@hypothesis.given(strategies.buffers())
@hypothesis.settings(deadline=None)
def test_equals_its_rule(buffers):
    plan = greedy_planner.plan_greedily(buffers)
    assert plan.offsets == _place_byte_by_byte(buffers)
    assert plan_check.find_conflicts(plan) == []
    assert plan.peak_bytes >= liveness.lower_bound_bytes(buffers)
    assert not plan.is_optimal


def test_of_one_size_the_later_goes_first():
    buffers = [liveness.Buffer(name, 16, 0, 0) for name in "abc"]
    assert greedy_planner.plan_greedily(buffers).offsets == (32, 16, 0)


def test_sizes_are_compared_after_alignment():
    buffers = [liveness.Buffer("a", 32, 0, 0), liveness.Buffer("b", 17, 0, 0)]
    assert greedy_planner.plan_greedily(buffers).offsets == (32, 0)


def test_the_lowest_gap_that_is_large_enough():
    spans = [(0, 32), (16, 48), (64, 80), (112, 128)]
    assert greedy_planner.lowest_gap(spans, 16) == 48
    assert greedy_planner.lowest_gap(spans, 32) == 80
    assert greedy_planner.lowest_gap(spans, 48) == 128
    assert greedy_planner.lowest_gap([], 48) == 0


@pytest.mark.parametrize("network", mlperf_tiny.NETWORKS, ids=lambda n: n.file)
def test_peak_of_mlperf_tiny(network):
    plan = greedy_planner.plan_greedily(network.buffers())
    assert plan.peak_bytes == network.greedy_bytes
    assert plan_check.find_conflicts(plan) == []
