"""Places in the memories: held to a checker that knows nothing of the planner."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from tests import graph_builder
from tests.targets.max78000 import (
    graph_networks,
    joined_graphs,
    placement_check,
)
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import data_memory, lowering, placement

Builder = graph_builder.Builder


def _changed(placed, index, **changes):
    """The placement with another region for one layer's output."""
    regions = list(placed.data.outputs)
    regions[index] = dataclasses.replace(regions[index], **changes)
    data = dataclasses.replace(placed.data, outputs=tuple(regions))
    return dataclasses.replace(placed, data=data)


@st.composite
def _lowered(draw):
    try:
        g = joined_graphs.build(lambda options: draw(st.sampled_from(options)))
    except errors.GraphError:
        hypothesis.reject()
    lowered = lowering.lower(g)
    hypothesis.assume(lowered.steps and not lowered.violations)
    return lowered


_SETTINGS = {
    "deadline": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
}


@hypothesis.given(_lowered())
@hypothesis.settings(max_examples=12, **_SETTINGS)
def test_random_networks_are_placed_right_or_lack_memory(lowered):
    placed = placement.plan(lowered)
    if not placed.shortages:
        assert placement_check.violations(lowered, placed) == ()


@pytest.mark.default_cases(3)
@pytest.mark.parametrize("build", graph_networks.ALL.values(), ids=graph_networks.ALL)
def test_published_networks_fit(build):
    lowered = lowering.lower(build())
    placed = placement.plan(lowered)
    assert placed.shortages == ()
    assert placement_check.violations(lowered, placed) == ()


def test_large_tensors_get_memory_instances_of_their_own():
    lowered = lowering.lower(graph_networks.facenet("v1"))
    first = lowered.layers[0]
    assert not first.processors & first.output_processors
    region = placement.plan(lowered).data.outputs[0]
    # 88 x 88 words: no two of them share an instance of 32 KiB.
    assert region.end_byte - region.offset == 4 * 88 * 88


def test_small_tensors_take_turns_at_two_places():
    lowered = lowering.lower(graph_networks.cmsisnet())
    data = placement.plan(lowered).data
    offsets = [each.offset for each in data.outputs]
    assert (data.input.offset, offsets[:3]) == (0, [0x1000, 0, 0x1000])


def test_the_input_lies_at_the_start():
    # The tool loads the second pass of a wide input at the start, whatever the offset.
    net = Builder((20, 70))
    net.conv(200)
    net.conv(4)
    data = placement.plan(lowering.lower(net.build())).data
    assert data.input.offset == 0
    assert data.input.end_byte - data.input.offset < data.outputs[0].end_byte


def test_operands_of_a_sum_interleave():
    net = Builder((8, 8, 3))
    first = net.conv(8)
    net.join(graph.Add, net.conv(8, 1, source="input"), source=first)
    net.conv(4)
    data = placement.plan(lowering.lower(net.build())).data
    left, right = data.outputs[:2]
    assert (left.write_gap, right.write_gap) == (1, 1)
    assert right.offset == left.offset + 4
    assert data.in_offsets[2] == left.offset


def test_parts_of_a_wide_concatenation_interleave_and_other_readers_get_a_copy():
    net = Builder((8, 8, 3))
    left, right = net.conv(64), net.conv(64, source="input")
    whole = net.concat(right, source=left)
    first = net.conv(8, source=whole)
    net.join(graph.Add, net.conv(8, 1, source=left), source=first)
    lowered = lowering.lower(net.build())
    assert [step.kind for step in lowered.steps] == [
        *["Conv2D", "Copy", "Conv2D"],
        *["Conv2D", "Conv2D", "Add"],
    ]
    data = placement.plan(lowered).data
    gaps = [each.write_gap for each in data.outputs]
    assert gaps == [0, 1, 1, 1, 1, 0]


def test_tensor_that_is_both_parts_of_a_wide_concatenation_is_copied_twice():
    net = Builder((8, 8, 3))
    twice = net.conv(64)
    net.concat(twice, source=twice)
    net.conv(8)
    lowered = lowering.lower(net.build())
    assert [step.kind for step in lowered.steps] == ["Conv2D", "Copy", "Copy", "Conv2D"]
    placed = placement.plan(lowered)
    assert placement_check.violations(lowered, placed) == ()


def test_the_checker_sees_what_is_wrong():
    net = Builder((8, 8, 3))
    source = net.conv(8)
    net.join(graph.Add, net.conv(8), source=source)
    net.conv(8)
    lowered = lowering.lower(net.build())
    placed = placement.plan(lowered)
    assert placement_check.violations(lowered, placed) == ()
    copy = next(i for i, step in enumerate(lowered.steps) if step.kind == "Copy")
    for changed, expected in (
        (_changed(placed, copy, write_gap=0), "reads"),
        (_changed(placed, copy, offset=placed.data.outputs[copy].offset + 4), "reads"),
        (_changed(placed, 0, offset=0x7FFC), "beyond the memory"),
        (_changed(placed, 2, offset=placed.data.in_offsets[2]), "overwrites"),
    ):
        found = placement_check.violations(lowered, changed)
        assert any(expected in line for line in found), expected


def test_the_checker_sees_kernels_and_biases_in_the_wrong_place():
    lowered = lowering.lower(graph_networks.cmsisnet())
    placed = placement.plan(lowered)
    ranges = tuple(
        dataclasses.replace(each, first_word=0) for each in placed.kernels.ranges
    )
    kernels = dataclasses.replace(placed.kernels, ranges=ranges)
    quadrants = tuple(None for _ in placed.biases.quadrants)
    biases = dataclasses.replace(placed.biases, quadrants=quadrants)
    changed = dataclasses.replace(placed, kernels=kernels, biases=biases)
    found = " ".join(placement_check.violations(lowered, changed))
    assert "kernels over those of another layer" in found
    assert "a bias without a quadrant" in found


@pytest.mark.parametrize(
    ("size", "filters", "expected"),
    [
        (8, [64] * 14, "weight memory of a processor has 768 words of 72 bits"),
        # Four quadrants take one of these biases each.
        (4, [512] * 5, "bias memory of a quadrant has 512 bytes"),
        (60, [160], "data memory of four processors has 32,768 bytes"),
        # Each fits, and the next may lie a row further in front, but not so often.
        (90, [64, 64, 64], "data memory of four processors has 32,768 bytes"),
    ],
)
def test_too_small_a_memory_says_which_and_by_how_much(size, filters, expected):
    net = Builder((size, size, 8))
    for count in filters:
        net.conv(count, 1 if count > 64 else 3)
    found = placement.plan(lowering.lower(net.build())).shortages
    each = next(each for each in found if expected in str(each))
    assert f"{each.needed - each.available:,} too many" in str(each)
    assert each.memory.fix in str(each)


def test_what_cannot_lie_in_two_ways_is_an_error():
    net = Builder((8, 8, 3))
    left, right = net.conv(8), net.conv(8, 1, source="input")
    net.join(graph.Add, right, source=left)
    lowered = lowering.lower(net.build())
    operands = [step.operands for step in lowered.steps]
    layers = [*lowered.layers, lowered.layers[0]]
    with pytest.raises(errors.GraphError, match="put a copy in front of one"):
        data_memory.plan(layers, [*operands, ((0,),)], [2, 3])
