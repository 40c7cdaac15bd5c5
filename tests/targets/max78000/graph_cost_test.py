"""Graphs of published networks: the figures of the vendor's tool."""

import pytest

from tests import graph_builder
from tests.targets.max78000 import cost_test, graph_networks
from tfpipeline.ir import from_tflite
from tfpipeline.targets.max78000 import graph_cost, report
from tfpipeline.targets.max78000 import spec as specs

Builder = graph_builder.Builder

# Names of the graphs by those of the chains that `cost_test` holds equal to the tool.
_NAMES = {
    **{f"facenet_{version}": f"facenet_{version}" for version in ("v1", "v2", "v3")},
    **{f"facenet_{version}": f"facenet_{version}" for version in ("v6", "v7")},
    "cmsisnet": "cmsisnet_fused",
    "nascifarnet": "nascifarnet_10",
}


@pytest.mark.parametrize("name", _NAMES)
def test_totals_equal_the_vendor_tool(name):
    bits = 4 if name == "facenet_v3" else None
    found = graph_cost.estimate_graph(graph_networks.ALL[name](), weight_bits=bits)
    result = found.cost
    assert (
        result.operations.macc,
        result.latency_cycles["ai8x"],
        result.weight_bytes,
        result.bias_bytes,
    ) == cost_test.TOTALS[_NAMES[name]]
    assert found.violations == ()


def test_folding_facenet_v6_by_two():
    # Origin: the vendor's tool on that network; layer 1 takes 47,532 without folding.
    g = graph_networks.facenet("v6")
    folded = graph_cost.estimate_graph(g, fold=2).cost
    assert folded.latency_cycles["ai8x"] == 31_360
    assert folded.layers[0].latency_cycles["ai8x"] == 12_156
    assert folded.weight_bytes == 2_960
    plain = graph_cost.estimate_graph(g).cost
    assert plain.layers[0].latency_cycles["ai8x"] == 47_532
    assert plain.operations.macc == folded.operations.macc


def test_simplenet_has_the_counts_of_its_layers():
    # Origin: the table of `models.simplenet`.
    found = graph_cost.estimate_graph(graph_networks.simplenet())
    assert found.cost.operations.macc == 32_737_792
    assert found.cost.weight_bytes == 418_144
    assert found.cost.bias_bytes == 586
    assert found.lowered.layers[7].pool == (4, 4)
    # Packed from the first processor, its kernels would not fit.
    assert found.violations == ()


def test_report_has_the_vendor_tool_s_names_of_layers():
    found = graph_cost.estimate_graph(graph_networks.facenet("v1"))
    assert "  Layer 0: 867,328 ops" in report.summary(found.cost)


def test_shortage_names_the_graph_s_layer():
    net = Builder((128, 128, 24))
    net.conv(4, 5, name="front")
    net.pool(16)
    net.conv(4, name="behind")
    found = graph_cost.estimate_graph(net.build())
    starts = [line.split("; ")[0] for line in found.violations]
    assert starts == [
        "Conv2D 'front': kernel size must be one of 1x1, 3x3",
        "input: the data memory of four processors has 32,768 bytes",
        "Conv2D 'front': the data memory of four processors has 32,768 bytes",
    ]


def test_network_without_a_form_has_violations_and_costs_nothing():
    net = Builder((8, 8, 3))
    net.pool(3, stride=2, padding="same", name="pool")
    net.conv(4)
    found = graph_cost.estimate_graph(net.build())
    assert found.lowered.steps == ()
    assert found.cost.operations.total == 0
    assert [line.split(":")[0] for line in found.violations] == ["MaxPool 'pool'"]


def test_max78002_has_no_latency_and_more_memory():
    g = graph_networks.nascifarnet()
    found = graph_cost.estimate_graph(g, specs.MAX78002)
    assert found.cost.latency_cycles == {}
    assert found.cost.weight_bytes == 301_760
    assert found.violations == ()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cmsisnet", (94_889, 94_048, 266)),
        ("nascifarnet", (228_217, 301_760, 842)),
    ],
)
def test_trained_networks_in_their_files(name, counts):
    g = from_tflite.read_file(f"experiments/cifar10/{name}/model.tflite")
    found = graph_cost.estimate_graph(g)
    cycles = found.cost.latency_cycles["ai8x"]
    assert (cycles, found.cost.weight_bytes, found.cost.bias_bytes) == counts
    assert found.violations == ()
