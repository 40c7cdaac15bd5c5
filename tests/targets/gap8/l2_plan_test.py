"""L2 of the demo's network to the byte, and plans of any network that hold."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from tests import graph_builder
from tests.targets.gap8 import l2_check, networks, strategies
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import buffers, fusion, l2_plan

# The peaks of every rule, from the re-identification demo's sizes.
PEAKS = {l2_plan.ACTIVATIONS: 276_768, l2_plan.SYNC: 351_872, l2_plan.ASYNC: 417_536}


def _reid(**options):
    return fusion.fuse(networks.reid(**options))


@pytest.mark.parametrize("behind", [False, True])
def test_every_buffer_of_the_demo(behind):
    found = l2_plan.plan(_reid(pool_behind_concat=behind))
    rows = networks.reference("reid_l2_plan.json")["steps"]
    assert len(rows) == len(found.net.steps) == 27
    for time, (step, row) in enumerate(zip(found.net.steps, rows, strict=True)):
        alive = {r.buffer.name: r for r in found.regions if r.lives(time)}
        end = found.end(time)

        def offset(name, alive=alive):
            place = found.net.places[name]
            return alive[place.buffer].offset + 2 * place.offset

        weights = alive.get(f"{step.name}/weights")
        assert {
            "in_off": offset(step.inputs[0]),
            "out_off": offset(step.output),
            "w_off": weights.offset if weights else end,
            "w_len": weights.buffer.bytes if weights else 0,
            "end": end,
        } == {
            name: row[name] for name in ("in_off", "out_off", "w_off", "w_len", "end")
        }
        assert row["in_len"] == 2 * _elements(step.source)
        assert row["out_len"] == 2 * _elements(step.result)


def _elements(shape):
    return shape[0] * shape[1] * shape[2]


@pytest.mark.parametrize("rule", l2_plan.RULES)
def test_peaks_of_the_rules(rule):
    net = _reid()
    found = l2_plan.plan(net, rule=rule)
    assert found.peak_bytes == PEAKS[rule]
    ahead = {"activations": None, "sync": 0, "async": 1}[rule]
    assert buffers.lower_bound(net, 16, ahead=ahead) == PEAKS[rule]
    assert l2_check.find_conflicts(found, 512 * 1024) == []
    assert (found.late, found.tilings, found.shortages) == ((), (), ())


def test_peaks_of_the_other_ways():
    net = _reid()
    assert l2_plan.plan(net).peak_bytes / 1024 == 343.625
    assert l2_plan.plan(net, bits=8).peak_bytes == 175_936
    assert l2_plan.ping_pong_bytes(net) == 639_744
    unpooled = l2_plan.plan(buffers.unpooled(net), capacity=None)
    assert unpooled.peak_bytes == 609_920
    assert l2_plan.plan(buffers.unpooled(net)).shortages


def test_the_peak_is_at_the_last_modules():
    # Fire11's and Fire12's 3x3 expansions, steps 22 and 25; the first async.
    net = _reid()
    for rule in (l2_plan.SYNC, l2_plan.ASYNC):
        found = l2_plan.plan(net, rule=rule)
        assert found.peak_step == net.steps[22].name


def test_weights_that_do_not_fit_are_tiled():
    net = _reid()
    found = l2_plan.plan(net, capacity=300 * 1024)
    assert found.peak_bytes <= 300 * 1024
    assert l2_check.find_conflicts(found, 300 * 1024) == []
    assert found.shortages == ()
    [first, second] = found.tilings
    assert (first.step, second.step) == (net.steps[22].name, net.steps[25].name)
    # 3x3x64 weights of 2 bytes and a bias a channel: 1154; two tiles of 104 channels.
    assert (first.channels, first.tiles) == (104, 3)
    assert first.window_bytes == 2 * 104 * 1154
    assert first.traffic_bytes == 295_424
    assert str(first) == (
        f"the weights of '{first.step}' are read from L3 in 3 tiles of 104 output "
        "channels: 240,032 B of L2 at a time, 295,424 B an inference"
    )


def test_what_cannot_be_prefetched_is_late():
    net = _reid()
    found = l2_plan.plan(net, rule=l2_plan.ASYNC, capacity=360 * 1024)
    assert found.late
    assert found.tilings == ()
    assert l2_check.find_conflicts(found, 360 * 1024) == []


def test_activations_that_do_not_fit_are_said():
    builder = graph_builder.Builder((128, 128, 8))
    builder.conv(16)
    found = l2_plan.plan(fusion.fuse(builder.build()))
    [shortage] = found.shortages
    assert shortage.needed_bytes == 128 * 128 * (8 + 16) * 2
    assert shortage.available_bytes == 512 * 1024


def test_only_what_cannot_fit_is_refused():
    """A large layer in the middle leaves the plan of the others as it is."""
    builder = graph_builder.Builder((64, 64, 4))
    builder.conv(4)
    builder.conv(64)
    builder.conv(64)
    builder.pool(4)
    builder.conv(8)
    net = fusion.fuse(builder.build())
    found = l2_plan.plan(net)
    names = [shortage.step for shortage in found.shortages]
    # 64x64x64 in 16 bits is all of L2. The pool is the third kernel's.
    assert names == [net.steps[1].name, net.steps[2].name]
    assert found.outside == (
        net.steps[0].output,
        net.steps[1].output,
        net.steps[2].output,
    )
    assert {r.step for r in found.regions if r.step} == {
        net.steps[0].name,
        net.steps[3].name,
    }


def test_no_room_for_a_single_channel():
    builder = graph_builder.Builder((4, 4, 64))
    builder.conv(64)
    net = fusion.fuse(builder.build())
    # 4,096 bytes of activations; a channel's weights and bias are 1,154.
    assert l2_plan.plan(net, capacity=4096 + 1153).shortages
    found = l2_plan.plan(net, capacity=4096 + 1154)
    [tiling] = found.tilings
    assert (tiling.channels, tiling.tiles, tiling.window_bytes) == (1, 64, 1154)


def test_a_skip_connection_takes_what_it_must():
    for g in (networks.residual(), networks.dense_block()):
        net = fusion.fuse(g)
        found = l2_plan.plan(net)
        assert found.peak_bytes == buffers.lower_bound(net, 16)
        assert l2_check.find_conflicts(found) == []


@pytest.mark.parametrize(
    "options", [{"rule": "best"}, {"bits": 4}, {"capacity": 0}], ids=str
)
def test_refused(options):
    with pytest.raises(errors.UsageError, match="a plan of L2 is for one of"):
        l2_plan.plan(_reid(), **options)


@hypothesis.given(
    strategies.graphs(), st.sampled_from([8, 16]), st.sampled_from(l2_plan.RULES)
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_random_networks_never_overwrite_what_is_needed(g, bits, rule):
    net = fusion.fuse(g)
    found = l2_plan.plan(net, bits=bits, rule=rule, capacity=None)
    assert l2_check.find_conflicts(found) == []
    ahead = {"activations": None, "sync": 0, "async": 1}[rule]
    assert found.peak_bytes >= buffers.lower_bound(net, bits, ahead=ahead)


@hypothesis.given(strategies.graphs(), st.sampled_from(l2_plan.RULES), st.data())
@hypothesis.settings(max_examples=60, deadline=None)
def test_random_networks_in_little_memory(g, rule, data):
    net = fusion.fuse(g)
    whole = l2_plan.plan(net, rule=rule, capacity=None)
    capacity = data.draw(st.integers(1, max(whole.peak_bytes, 1)))
    found = l2_plan.plan(net, rule=rule, capacity=capacity)
    if not found.shortages:
        assert l2_check.find_conflicts(found, capacity) == []


def _moved(plan, index, offset):
    regions = list(plan.regions)
    regions[index] = dataclasses.replace(regions[index], offset=offset)
    return dataclasses.replace(plan, regions=tuple(regions))


def test_the_check_sees_what_is_wrong():
    net = graph_builder.Builder((8, 8, 4))
    skip = net.conv(4)
    net.conv(4)
    net.join(graph.Add, skip)
    found = l2_plan.plan(fusion.fuse(net.build()))
    assert l2_check.find_conflicts(found) == []
    names = [region.buffer.name for region in found.regions]
    first, second = names.index("input"), names.index(skip)
    [line, *_] = l2_check.find_conflicts(
        _moved(found, first, found.regions[second].offset)
    )
    assert line.endswith("reads 'input', which is overwritten")
    weights = next(i for i, r in enumerate(found.regions) if r.step)
    [line, *_] = l2_check.find_conflicts(
        _moved(found, weights, found.regions[second].offset)
    )
    assert line == f"the weights of '{found.regions[weights].step}' are overwritten"
    assert "multiple of 4" in l2_check.find_conflicts(_moved(found, first, 2))[0]
    without = dataclasses.replace(
        found, regions=tuple(r for r in found.regions if not r.step)
    )
    assert "have no room" in l2_check.find_conflicts(without)[0]
