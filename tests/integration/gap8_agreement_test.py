"""What `estimate` prices is what `export` writes, and all refuse by one table."""

import dataclasses
import re

import hypothesis
import numpy as np
import pytest

from export.gap8 import network
from tests.export import commands
from tests.targets.gap8 import breaches, networks, strategies
from tfpipeline import errors
from tfpipeline.cost import estimate as options
from tfpipeline.deploy import catalog as deployments
from tfpipeline.ir import serialize
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import (
    calibrate,
    constraints,
    estimate,
    fusion,
    l2_plan,
    program_steps,
    quantize,
    spec,
    violation,
)

# Networks with slopes, and with transposed convolutions.
_REFUSED = re.compile(r"unet_.*|arcface_.*|mobilefacenet_y\d")
# For L2, however they are planned.
_TOO_LARGE = ("mobilefacenet_mcu", "lffd_v1", "lffd_v2", "lffd_head17")
SIXTEEN = options.Options(activation_bits=16)


def _program(g, num_bits=16):
    """Integers in formats that suit everything, whatever the weights are."""
    ranges = dict.fromkeys(quantize.measured(g), 1.7)
    return quantize.quantize(g, ranges, num_bits=num_bits)


def _agree(g, exported):
    """Asserts that the steps of a graph and those of its program are the same."""
    priced = fusion.fuse(g)
    assert len(priced.steps) == len(exported.steps)
    for step, other in zip(priced.steps, exported.steps, strict=True):
        assert dataclasses.replace(step, layers=(), macs=0) == other
    for name in ("name", "inputs", "outputs", "buffer_elements", "joins", "notes"):
        assert getattr(priced, name) == getattr(exported, name), name
    assert exported.places.items() <= priced.places.items()
    assert exported.shapes.items() <= priced.shapes.items()


@pytest.mark.parametrize("num_bits", spec.BITS)
@pytest.mark.parametrize("name", [x for x in catalog.names() if not _REFUSED.match(x)])
def test_registered_networks_are_priced_as_they_are_exported(name, num_bits):
    g = catalog.load(name)
    p = _program(g, num_bits)
    found = network.from_program(p)
    priced = estimate.estimate_graph(g, options.Options(activation_bits=num_bits))
    if found.plan is None:
        assert name in _TOO_LARGE
        assert any("no plan of L2" in note for note in priced.notes)
        return
    _agree(g, found.plan.net)
    assert priced.violations == ()
    steps = found.plan.net.steps
    assert [layer.name for layer in priced.layers] == [step.name for step in steps]
    memory = priced.memory
    assert memory["ram_bytes"] == found.plan.peak_bytes
    assert memory["weight_bytes"] + memory["bias_bytes"] == p.weight_bytes


@pytest.mark.parametrize("behind", [False, True])
def test_a_maximum_behind_a_concatenation_too(behind):
    g = networks.reid(pool_behind_concat=behind)
    _agree(g, program_steps.network(_program(g)))


@hypothesis.given(strategies.graphs())
@hypothesis.settings(max_examples=100, deadline=None)
def test_random_networks_are_priced_as_they_are_exported_or_refused_alike(g):
    plan = l2_plan.plan(fusion.fuse(g), bits=16)
    found = constraints.check(violation.Case(graph=g, plan=plan))
    refused = [str(each) for each in found if each.level == violation.ERROR]
    if not refused:
        _agree(g, program_steps.network(_program(g)))
        return
    with pytest.raises(errors.TargetError) as raised:
        _program(g)
    assert refused[0] in str(raised.value)


def _trained(g, monkeypatch=None, number_format="gap8"):
    """Asks training whether it would train a network."""
    deployments.of(number_format).check(g, None)


def _exported(g, monkeypatch):
    """Exports a network in formats that suit everything."""
    ranges = dict.fromkeys(quantize.measured(g), 1.7)
    monkeypatch.setattr(calibrate, "calibrate", lambda graph, images: ranges)
    shape = g.tensors[g.inputs[0]].shape[1:]
    return network.from_float(g, np.zeros((1, *shape), np.float32))


_LEVELS = {each.id: each.level for each in constraints.CONSTRAINTS}
_ERRORS = [name for name, level in _LEVELS.items() if level == violation.ERROR]
_WARNINGS = [name for name, level in _LEVELS.items() if level == violation.WARNING]


@pytest.mark.parametrize("name", _ERRORS)
def test_estimate_training_and_export_refuse_alike(name, monkeypatch):
    _, breaking, _ = breaches.CASES[name]
    violations = estimate.estimate_graph(breaking, SIXTEEN).violations
    assert any(f"[GAP8-{name}]" in each for each in violations)
    for ask in (_trained, _exported):
        with pytest.raises(errors.TargetError) as raised:
            ask(breaking, monkeypatch)
        assert violations[0] in str(raised.value)
        assert len(str(raised.value)) < 400


# Of integers there is nothing to train and to export: both take float networks.
_OF_FLOATS = [name for name in _LEVELS if not name.startswith("TYPE-")]


@pytest.mark.parametrize("name", _OF_FLOATS)
def test_estimate_training_and_export_accept_alike(name, monkeypatch):
    keeping, breaking, _ = breaches.CASES[name]
    accepted = [keeping] if name in _ERRORS else [keeping, breaking]
    for g in accepted:
        assert estimate.estimate_graph(g, SIXTEEN).violations == ()
        _trained(g)
        _agree(g, program_steps.network(_exported(g, monkeypatch).program))


@pytest.mark.parametrize("name", _WARNINGS)
def test_warnings_are_noted(name):
    _, breaking, _ = breaches.CASES[name]
    notes = estimate.estimate_graph(breaking, SIXTEEN).notes
    assert any(f"[GAP8-{name}]" in note for note in notes)


def test_each_width_is_judged_by_itself():
    """An average over more values than 8 bits have a factor for."""
    g = breaches.net(lambda n: n.mean(), (17, 17, 1))
    _trained(g)
    with pytest.raises(errors.TargetError, match="GAP8-POOL-04"):
        _trained(g, number_format="gap8_8bit")
    [violated] = estimate.estimate_graph(g, options.Options()).violations
    assert "GAP8-POOL-04" in violated


def test_the_command_refuses_before_it_writes(tmp_path):
    _, breaking, _ = breaches.CASES["ACT-01"]
    serialize.write(breaking, tmp_path / "graph")
    shape = breaking.tensors[breaking.inputs[0]].shape[1:]
    np.savez(tmp_path / "images.npz", images=np.ones((2, *shape), np.float32))
    with pytest.raises(errors.TargetError, match="GAP8-ACT-01"):
        commands.run(
            *("gap8", tmp_path / "graph", tmp_path / "out"),
            calibration=str(tmp_path / "images.npz"),
        )
    assert not (tmp_path / "out").exists()
