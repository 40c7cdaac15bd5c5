"""Whole graphs: the study's figures, widths, what does not fit, what is warned of."""

import dataclasses

import pytest

from tests import graph_builder
from tests.targets.gap8 import networks
from tfpipeline.cost import estimate
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import estimate as gap8
from tfpipeline.targets.gap8 import spec

OPTIONS = estimate.Options(activation_bits=16)
EIGHT = estimate.Options()


@pytest.mark.parametrize("name", ["built", "registered"])
def test_the_study(name):
    g = networks.reid() if name == "built" else catalog.load("reid_squeezenet")
    found = gap8.estimate_graph(g, OPTIONS)
    assert found.violations == ()
    assert found.totals.macs == 80_140_992
    assert found.memory == {
        "weight_bytes": 1_439_110,
        "bias_bytes": 5_894,
        "ram_bytes": 351_872,
        "ram_available_bytes": 524_288,
        "l2_sync_bytes": 351_872,
        "l2_sync_bound_bytes": 351_872,
        "l2_async_bytes": 417_536,
        "l2_activations_bytes": 276_768,
        "l2_unpooled_bytes": 609_920,
        "l2_ping_pong_bytes": 639_744,
        "l3_stored_bytes": 1_445_004,
        "l3_traffic_bytes": 1_445_004,
        "l2_l1_traffic_bytes": found.memory["l2_l1_traffic_bytes"],
    }
    times = {name: 1e3 * each.seconds for name, each in found.latency.items()}
    # kappa and B_sync have three digits.
    assert times == pytest.approx({"async": 380, "sync": 780}, rel=0.005)
    # One published figure was fitted to: nothing to take an error from.
    assert all(each.relative_error is None for each in found.latency.values())
    assert any("no bandwidth of the HyperRAM" in note for note in found.notes)
    [picture] = found.sections.values()
    assert "peak 351,872 bytes = 343.625 KiB" in picture


def test_eight_bits():
    found = gap8.estimate_graph(networks.reid(), EIGHT)
    assert found.memory["ram_bytes"] == 175_936
    assert found.memory["weight_bytes"] == 719_555
    assert found.memory["bias_bytes"] == 2_947
    assert found.latency["async"].relative_error == spec.RELATIVE_ERROR[8]
    joules = found.latency["async"].joules
    assert joules == pytest.approx(0.107 * found.latency["async"].seconds)
    assert found.latency["sync"].joules is None


def _typed(g, dtype):
    bits = int(dtype[3:])
    quant = graph.QuantParams((0.5,), (0,), bits)
    tensors = {
        name: dataclasses.replace(tensor, dtype=dtype, quant=quant)
        for name, tensor in g.tensors.items()
    }
    return dataclasses.replace(g, tensors=tensors)


def test_width_of_quantized_graphs_is_their_own():
    g = graph_builder.Builder((8, 8, 2))
    g.pool(2)
    g = g.build()
    assert gap8.width(_typed(g, "int8"), OPTIONS) == 8
    assert gap8.width(_typed(g, "int16"), EIGHT) == 16
    assert (gap8.width(g, OPTIONS), gap8.width(g, EIGHT)) == (16, 8)
    assert gap8.width(g, dataclasses.replace(EIGHT, weight_bits=16)) == 16


def test_cycles_and_counts_add_up():
    for behind in (False, True):
        g = networks.reid(pool_behind_concat=behind)
        found = gap8.estimate_graph(g, OPTIONS)
        for model, latency in found.latency.items():
            cycles = sum(layer.latency_cycles[model] for layer in found.layers)
            assert cycles == pytest.approx(latency.cycles)
            assert latency.seconds == pytest.approx(latency.cycles / 175e6)
        # 31x31x64, 2 x 15x15x64 and 2 x 7x7x128 maxima of 9, and each ReLU.
        maxima = 9 * 64 * (31**2 + 2 * 15**2 + 4 * 7**2)
        assert found.totals.comp > maxima
        assert found.totals.comp == 1_684_800


def test_clock_and_models():
    options = dataclasses.replace(OPTIONS, clock_hz=90e6, latency_models=("async",))
    found = gap8.estimate_graph(networks.reid(), options)
    assert list(found.latency) == ["async"]
    others = dataclasses.replace(OPTIONS, latency_models=("ai8x",))
    both = gap8.estimate_graph(networks.reid(), others)
    assert list(both.latency) == ["async", "sync"]
    assert any(
        "cluster at 90 MHz, fabric controller at 150 MHz" in n for n in found.notes
    )
    fast = dataclasses.replace(OPTIONS, clock_hz=200e6)
    found = gap8.estimate_graph(networks.reid(), fast)
    assert any("at most at 175 MHz" in note for note in found.notes)


def test_what_does_not_fit_and_what_is_warned_of():
    net = graph_builder.Builder((256, 256, 3))
    net.conv(16)
    net.depthwise()
    net.mean()
    found = gap8.estimate_graph(net.build(), EIGHT)
    average, tile = found.violations
    assert average.startswith("Mean 'layer2': an average must be over 2^bits values")
    assert tile == (
        "Mean 'layer2': the smallest tile must fit the 49,152 bytes of L1 that stacks "
        "and cluster data leave; found 131,074 bytes [GAP8-L1-01]; use narrower "
        "planes, or fewer results of a linear layer"
    )
    first, second, third, *more = (
        note for note in found.notes if note.startswith("warning: ")
    )
    assert first.startswith("warning: DepthwiseConv2D 'layer1'")
    assert second == (
        "warning: layer 'layer0': the activations that live at one time, each "
        "contiguous, should fit L2 with the weights of one output channel; else there "
        "is no plan of L2, and the AutoTiler keeps some of them in L3; found 1,245,184 "
        "bytes of 524,288 [GAP8-L2-01]; use a smaller input, earlier pooling, fewer "
        "channels or 8 bits"
    )
    assert "2,097,152 bytes" in third
    assert [note.split("[")[1][:10] for note in more] == ["GAP8-L2-01"]


def test_other_weights_are_noted():
    options = dataclasses.replace(EIGHT, weight_bits=4)
    found = gap8.estimate_graph(networks.residual(), options)
    assert any("counted in 8 bits" in note for note in found.notes)


def test_a_network_without_steps():
    net = graph_builder.Builder((4, 4, 2))
    net.flatten()
    found = gap8.estimate_graph(net.build(), OPTIONS)
    assert (found.layers, dict(found.latency)) == ((), {})
    [violation] = found.violations
    assert "a result that no layer computes [GAP8-NET-01]" in violation


def test_what_the_host_computes_is_noted_and_not_priced():
    net = graph_builder.Builder((4, 4, 2))
    net.conv(3)
    net.softmax()
    found = gap8.estimate_graph(net.build(), OPTIONS)
    assert [layer.name for layer in found.layers] == ["layer0"]
    assert "Softmax 'layer1' is left to the host" in found.notes
    assert found.violations == ()
