"""The estimate says what it is, and takes the options that fit."""

import dataclasses

import pytest

from tests import graph_builder
from tfpipeline.cost import estimate
from tfpipeline.targets.powervr import estimate as powervr
from tfpipeline.targets.powervr import spec

OPTIONS = estimate.Options()
THREE = spec.CORES["powervr_3nx"]


def _network():
    builder = graph_builder.Builder((32, 32, 3))
    builder.conv(32, 5)
    builder.pool(3, stride=2, padding="same")
    builder.flatten()
    builder.dense(10)
    return builder.build()


def test_all_models_and_what_they_are():
    found = powervr.estimate_graph(_network(), OPTIONS, THREE)
    assert list(found.latency) == list(spec.MODELS)
    assert found.violations == ()
    assert "a fit to one table of 16 numbers" in found.notes[0]
    assert "m0 1, m1 3, m2 4" in found.notes[0]
    for model, latency in found.latency.items():
        cycles = sum(layer.latency_cycles[model] for layer in found.layers)
        assert cycles == pytest.approx(latency.cycles)
        assert latency.seconds == pytest.approx(latency.cycles / 1.22e9)
        assert found.memory[f"{model}_traffic_bytes"] > 0
    assert found.memory["m1_traffic_bytes"] < found.memory["m0_traffic_bytes"]


def test_width_clock_and_model_can_be_chosen():
    wide = dataclasses.replace(OPTIONS, activation_bits=16)
    one = powervr.estimate_graph(_network(), OPTIONS, THREE).memory
    two = powervr.estimate_graph(_network(), wide, THREE).memory
    assert two["m0_traffic_bytes"] == 2 * one["m0_traffic_bytes"]
    assert two["weight_bytes"] == 2 * one["weight_bytes"]
    only = dataclasses.replace(OPTIONS, latency_models=("m1",), clock_hz=1e6)
    found = powervr.estimate_graph(_network(), only, THREE)
    assert list(found.latency) == ["m1"]
    # So slow that products decide: 1 an output of the pool and of the dense layer.
    assert found.latency["m1"].cycles >= 32 * 32 * 2
