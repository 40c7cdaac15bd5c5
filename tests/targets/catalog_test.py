"""Every target estimates every network, and says so when it cannot run one."""

import dataclasses

import pytest

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.cost import estimate, macs
from tfpipeline.ir import graph
from tfpipeline.networks import catalog as networks
from tfpipeline.targets import catalog

OPTIONS = estimate.Options()


@pytest.mark.default_cases(8)
@pytest.mark.parametrize("name", networks.names())
def test_every_network_on_every_target(name):
    g = networks.load(name)
    expected = macs.graph_count(g).macs
    for found in catalog.estimate_all(g, catalog.SURVEYED, OPTIONS):
        if not found.layers:
            assert found.violations, found.target
            continue
        more = _of_zeros(g) if found.target.startswith("max7800") else 0
        assert found.totals.macs == expected + more, found.target
        for model, latency in found.latency.items():
            assert latency.seconds > 0
            cycles = sum(layer.latency_cycles[model] for layer in found.layers)
            # The MAX78000's tool adds a cycle for the start of the network.
            assert cycles == pytest.approx(latency.cycles, abs=1)


def _of_zeros(g):
    """MACs of transposed convolutions on the MAX7800x, which has zeros between the
    pixels of the input and counts a kernel for each pixel of the output.
    """
    more = 0
    for layer in g.layers:
        if isinstance(layer, graph.TransposeConv2D):
            kernel = g.tensors[layer.weights].num_elements
            source, result = g.tensors[layer.inputs[0]], g.tensors[layer.output]
            pixels = result.shape[1] * result.shape[2]
            more += (pixels - source.shape[1] * source.shape[2]) * kernel
    return more


def test_names_are_the_keys_and_the_estimates_say_them():
    g = networks.load("facenet_v7")
    found = catalog.estimate_all(g, catalog.SURVEYED, OPTIONS)
    assert tuple(each.target for each in found) == catalog.SURVEYED


def test_latency_models_can_be_chosen():
    g = networks.load("facenet_v7")
    only = dataclasses.replace(OPTIONS, latency_models=("ai8x",))
    [found] = catalog.estimate_all(g, ["max78000"], only)
    assert list(found.latency) == ["ai8x"]
    assert all(list(layer.latency_cycles) == ["ai8x"] for layer in found.layers)


def test_residual_networks_keep_both_branches_in_memory():
    builder = graph_builder.Builder((8, 8, 4))
    first = builder.conv(4)
    builder.conv(4)
    builder.join(graph_builder.graph.Add, first)
    [found] = catalog.estimate_all(builder.build(), ["max78000"], OPTIONS)
    assert found.violations == ()
    # Input, two branches or the sum: 4 channels of 64 pixels each.
    assert found.memory["data_bytes"] == 3 * 256


def test_every_output_stays_in_the_memory_of_the_max78000():
    builder = graph_builder.Builder((16, 16, 64))
    heads = [builder.conv(64, 1, source="input") for _ in range(3)]
    g = dataclasses.replace(builder.build(), outputs=tuple(heads))
    [found] = catalog.estimate_all(g, ["max78000"], OPTIONS)
    assert found.violations == ()
    assert found.memory["data_bytes"] == 4 * 16_384
    one = dataclasses.replace(g, outputs=tuple(heads[-1:]))
    [found] = catalog.estimate_all(one, ["max78000"], OPTIONS)
    assert found.memory["data_bytes"] == 2 * 16_384


def test_unknown_targets_are_refused_with_the_names():
    with pytest.raises(errors.UsageError, match="unknown target 'a', 'b'; choose of: "):
        catalog.require_known(["max78000", "a", "b"])
    with pytest.raises(errors.UsageError, match="unknown target none"):
        catalog.require_known([])
