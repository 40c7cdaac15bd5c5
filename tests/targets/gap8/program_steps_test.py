"""The plan of L2 that goes with an exported program."""

import pytest

from export.gap8 import l2_header, network
from tests.export.gap8 import files_test, programs
from tests.targets.gap8 import l2_check
from tfpipeline.targets.gap8 import fusion, l2_plan, program_steps, spec, steps


@pytest.mark.parametrize("rule", l2_plan.RULES)
@pytest.mark.parametrize("name", programs.ALL)
def test_no_byte_is_overwritten_while_it_is_needed(name, rule):
    p = programs.ALL[name]
    plan = l2_plan.plan(program_steps.network(p), bits=p.num_bits, rule=rule)
    assert l2_check.find_conflicts(plan, spec.L2_BYTES) == []
    assert not plan.shortages


def test_peak_is_that_of_the_graph():
    g = files_test.fire_graph()
    found = network.from_float(g, files_test.images())
    assert found.plan.peak_bytes == l2_plan.plan(fusion.fuse(g)).peak_bytes
    names = [step.name for step in found.plan.net.steps]
    assert names == [
        layer.name for layer in found.program.layers if layer.kind != "Concat"
    ]


def test_parts_that_cannot_lie_in_place_are_copied():
    net = program_steps.network(programs.ALL["mixed16"])
    [copy] = [step for step in net.steps if step.operation == steps.COPY]
    assert copy.name == "l9/part2"
    assert net.places[copy.output] == steps.Place("t9", 44)


def test_header_says_how_weights_are_tiled():
    p = programs.ALL["mixed16"]
    net = program_steps.network(p)
    whole = l2_plan.plan(net, bits=16)
    plan = l2_plan.plan(net, bits=16, capacity=2_000)
    assert [tiling.step for tiling in plan.tilings] == ["l0"] and not plan.shortages
    text = l2_header.text(plan, "net")
    assert "#define NET_L2_STEP0_TILE_CHANNELS" in text
    assert "#define NET_L2_STEP0_BIAS" not in text
    assert "#define NET_L2_STEP0_BIAS" in l2_header.text(whole, "net")
    assert f"#define NET_L2_BYTES {plan.peak_bytes}\n" in text
