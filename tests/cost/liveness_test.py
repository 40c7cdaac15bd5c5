"""Live ranges of activations and the lower bound."""

import hypothesis
import pytest

from tests.cost import mlperf_tiny, strategies
from tfpipeline import errors
from tfpipeline.cost import liveness


def test_ranges_of_a_residual_block():
    steps = [
        liveness.Step("conv", ("image",), ("a",)),
        liveness.Step("branch", ("a",), ("b",), scratch_bytes=(40, 4)),
        liveness.Step("add", ("a", "b"), ("c",)),
        liveness.Step("head", ("c",), ("out",)),
    ]
    sizes = {"image": 30, "a": 64, "b": 64, "c": 64, "out": 10, "unused": 99}
    assert liveness.find_buffers(sizes, steps, ["image"], ["out"]) == (
        liveness.Buffer("image", 30, 0, 1),
        liveness.Buffer("a", 64, 1, 3),
        liveness.Buffer("b", 64, 2, 3),
        liveness.Buffer("c", 64, 3, 4),
        liveness.Buffer("out", 10, 4, 4),
        liveness.Buffer("branch/scratch0", 40, 2, 2),
        liveness.Buffer("branch/scratch1", 4, 2, 2),
    )


def test_an_early_output_lives_to_the_end():
    steps = [
        liveness.Step("first", ("image",), ("early",)),
        liveness.Step("second", ("early",), ("late",)),
        liveness.Step("third", ("late",), ("out",)),
    ]
    sizes = dict.fromkeys(("image", "early", "late", "out"), 16)
    found = liveness.find_buffers(sizes, steps, ["image"], ["early", "out"])
    assert {b.name: (b.first_use, b.last_use) for b in found} == {
        "image": (0, 1),
        "early": (1, 3),
        "late": (2, 3),
        "out": (3, 3),
    }


def test_sizes_are_rounded_up_to_16_bytes():
    buffers = (liveness.Buffer("a", 1, 0, 1), liveness.Buffer("b", 17, 1, 2))
    assert liveness.live_bytes(buffers) == (16, 48, 32)
    assert liveness.lower_bound_bytes(buffers) == 48


def test_nothing_needs_nothing():
    assert liveness.live_bytes(()) == ()
    assert liveness.lower_bound_bytes(()) == 0


@pytest.mark.parametrize("network", mlperf_tiny.NETWORKS, ids=lambda n: n.file)
def test_bound_of_mlperf_tiny(network):
    assert liveness.lower_bound_bytes(network.buffers()) == network.bound_bytes


@hypothesis.given(strategies.buffers())
@hypothesis.settings(deadline=None)
def test_live_bytes_are_the_sums_at_each_time(buffers):
    end = max((b.last_use + 1 for b in buffers), default=0)
    assert liveness.live_bytes(buffers) == tuple(
        sum(b.aligned_bytes for b in buffers if b.first_use <= time <= b.last_use)
        for time in range(end)
    )


@pytest.mark.parametrize(
    "values", [("empty", 0, 0, 1), ("backward", 16, 2, 1), ("early", 16, -1, 1)]
)
def test_impossible_buffers_are_refused(values):
    with pytest.raises(errors.UsageError, match=f"buffer '{values[0]}' must"):
        liveness.Buffer(*values)


def test_reading_what_nothing_wrote_is_refused():
    steps = [liveness.Step("conv", ("ghost",), ("a",))]
    with pytest.raises(errors.UsageError, match="'conv' reads 'ghost'"):
        liveness.find_buffers({"a": 1, "image": 1}, steps, ["image"], ["a"])


def test_an_activation_without_a_size_is_refused():
    steps = [liveness.Step("conv", ("image",), ("a",))]
    with pytest.raises(errors.UsageError, match="'a' is not given; known are image"):
        liveness.find_buffers({"image": 1}, steps, ["image"], ["a"])
