"""Plans by hand, and the independent check of plans."""

import pytest

from tests.cost import plan_check
from tfpipeline import errors
from tfpipeline.cost import liveness, memory_plan

_BUFFERS = (
    liveness.Buffer("a", 32, 0, 1),
    liveness.Buffer("b", 20, 1, 2),
    liveness.Buffer("c", 32, 2, 3),
)


def _plan(*offsets: int) -> memory_plan.Plan:
    return memory_plan.Plan("by hand", _BUFFERS, offsets)


def test_a_valid_plan():
    plan = _plan(0, 32, 0)
    assert plan_check.find_conflicts(plan) == []
    assert plan.peak_bytes == 64


@pytest.mark.parametrize("offsets", [(0, 16, 48), (16, 0, 32), (0, 0, 32)])
def test_shared_bytes_are_found(offsets):
    [conflict] = plan_check.find_conflicts(_plan(*offsets))
    assert conflict.startswith("buffers 'a' at ")
    assert conflict.endswith("share memory at time 1")


def test_every_conflict_is_found():
    assert len(plan_check.find_conflicts(_plan(0, 0, 0))) == 2


@pytest.mark.parametrize("offset", [-16, 72])
def test_bad_offsets_are_found(offset):
    [conflict] = plan_check.find_conflicts(_plan(0, 32, offset))
    assert f"'c' lies at offset {offset}" in conflict


def test_one_offset_a_buffer():
    with pytest.raises(errors.UsageError, match="3 buffers and 2 offsets"):
        _plan(0, 32)


def test_an_empty_plan_needs_nothing():
    plan = memory_plan.Plan("by hand", (), ())
    assert plan.peak_bytes == 0
    assert plan_check.find_conflicts(plan) == []
