"""Networks with known totals that need no file, and what `estimate` adds up."""

import dataclasses

import pytest

from tests.targets.max78000 import layer_chains, published_networks
from tfpipeline.targets.max78000 import accelerator_layer, cost, geometry, shortage
from tfpipeline.targets.max78000 import spec as specs

# Origin: the vendor's tool (ai8x-synthesis ab4f4c0) run on these networks with random
# weights: macc, ai8x cycles, weight bytes, bias bytes. Of the last two networks only
# the cycles are the tool's; their macc and weights are multiplied out by hand.
TOTALS = {
    "facenet_v1": (2_741_056, 89_400, 16_972, 2),
    "facenet_v2": (9_433_088, 148_507, 98_648, 2),
    "facenet_v3": (9_433_088, 148_507, 49_324, 2),
    "facenet_v6": (1_249_280, 72_544, 2_636, 2),
    "facenet_v7": (343_232, 45_528, 2_357, 2),
    "cmsisnet_fused": (16_820_224, 94_889, 94_048, 266),
    "cmsisnet_unfused": (16_820_224, 96_905, 94_048, 266),
    "nascifarnet_10": (36_180_992, 228_217, 301_760, 842),
    "nascifarnet_100": (36_227_072, 228_937, 347_840, 932),
    "autoencoder": (201_984, 3_415, 136_448, 0),
    "bayer2rgb": (1_336_500, 93_310, 174, 0),
}
NETWORKS = {
    **{
        f"facenet_{version}": lambda version=version: published_networks.facenet(
            version
        )
        for version in published_networks.FACENET_CHANNELS
    },
    "cmsisnet_fused": lambda: published_networks.cmsisnet(fused=True),
    "cmsisnet_unfused": lambda: published_networks.cmsisnet(fused=False),
    "nascifarnet_10": lambda: published_networks.nascifarnet(10),
    "nascifarnet_100": lambda: published_networks.nascifarnet(100),
    "autoencoder": published_networks.autoencoder,
    "bayer2rgb": published_networks.bayer2rgb,
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals_equal_the_vendor_tool(name):
    result = cost.estimate(NETWORKS[name]())
    assert (
        result.operations.macc,
        result.latency_cycles["ai8x"],
        result.weight_bytes,
        result.bias_bytes,
    ) == TOTALS[name]
    assert not result.violations


def _streaming() -> tuple[accelerator_layer.AcceleratorLayer, ...]:
    """The vendor's cats-dogs network: its first two layers stream."""
    steps = [layer_chains.conv2d(16)]
    steps += [layer_chains.conv2d(channels, pool=2) for channels in (32, 64, 32, 32)]
    steps += [layer_chains.conv2d(16), layer_chains.linear(2, flatten=True, bias=False)]
    layers = layer_chains.chain(3, (128, 128), steps)
    return tuple(
        dataclasses.replace(layer, streaming=index < 2)
        for index, layer in enumerate(layers)
    )


def test_streaming_layers_take_half_as_long_again():
    # Origin as above; cycles of the tool's "(est)" total.
    result = cost.estimate(_streaming())
    assert result.operations.macc == 50_432_000
    assert result.latency_cycles["ai8x"] == 757_910


def residual_layers() -> tuple[accelerator_layer.AcceleratorLayer, ...]:
    """Rows of operator, inputs, outputs, input side, kernel, pool, adds two inputs."""
    conv, copy = "conv2d", "passthrough"
    rows = (
        (conv, 3, 16, 32, 3, 1, False),
        (conv, 16, 20, 32, 3, 1, False),
        (copy, 20, 20, 32, 1, 1, False),
        (conv, 20, 20, 32, 3, 1, False),
        (conv, 20, 20, 32, 3, 1, True),
        (conv, 20, 20, 32, 3, 2, False),
        (copy, 20, 20, 16, 1, 1, False),
        (conv, 20, 20, 16, 3, 1, False),
        (conv, 20, 44, 16, 3, 1, True),
        (conv, 44, 48, 16, 3, 2, False),
        (copy, 48, 48, 8, 1, 1, False),
        (conv, 48, 48, 8, 3, 1, False),
        (conv, 48, 96, 8, 3, 2, True),
        (conv, 96, 512, 4, 1, 2, False),
        (conv, 512, 128, 2, 1, 1, False),
        (conv, 128, 128, 2, 3, 2, False),
        (conv, 128, 100, 1, 1, 1, False),
    )
    # First processors of the vendor's maps, by layer; 0 where absent.
    first = {0: 60, 1: 44, 5: 44, 6: 20, 7: 20, 8: 20}
    layers = []
    for index, (operator, inputs, outputs, side, size, pool, adds) in enumerate(rows):
        start = first.get(index + 1, 0)
        layers.append(
            accelerator_layer.AcceleratorLayer(
                operator=operator,
                in_channels=inputs,
                in_dim=(side, side),
                out_channels=outputs,
                processors=geometry.packed_map(inputs, first=first.get(index, 0)),
                output_processors=geometry.packed_map(outputs, first=start),
                kernel=(size, size),
                pad=(size // 2, size // 2),
                pool=(pool, pool),
                pool_stride=(pool, pool),
                # Layer 12 adds first and pools the sum.
                pool_first=index != 12,
                eltwise="add" if adds else None,
                operands=2 if adds else 1,
                activation="ReLU" if operator == conv and index != 16 else None,
            )
        )
    return tuple(layers)


def test_residual_network_with_pooling_behind_the_addition():
    # Origin as above: the vendor's ai85ressimplenet for CIFAR-100.
    result = cost.estimate(residual_layers())
    assert result.operations.macc == 18_461_184
    assert result.latency_cycles["ai8x"] == 144_043
    assert result.weight_bytes == 381_792


def test_totals_are_sums_of_the_layers_and_one_start_up_cycle():
    result = cost.estimate(published_networks.nascifarnet(10))
    cycles = [line.latency_cycles["ai8x"] for line in result.layers]
    assert result.latency_cycles["ai8x"] == 1 + sum(cycles)
    assert result.bias_bytes == sum(line.bias_bytes for line in result.layers)
    assert result.bias_bytes == sum(result.bias_quadrant_bytes)
    assert result.latency_seconds("ai8x") == 228_217 / 50e6
    assert result.latency_seconds("ai8x", 25e6) == 228_217 / 25e6


def test_max78002_has_no_latency():
    result = cost.estimate(published_networks.facenet("v1"), specs.MAX78002)
    assert result.latency_cycles == {}
    assert all(line.latency_cycles == {} for line in result.layers)
    assert result.weight_bytes == 16_972


def test_each_shortage_is_a_violation_of_one_line():
    layers = layer_chains.chain(
        4, (96, 96), [layer_chains.conv2d(513, bias=True), *_pools()]
    )
    result = cost.estimate(layers)
    assert [each.memory for each in result.shortages] == [
        *[shortage.DATA] * 3,
        shortage.BIASES,
    ]
    assert result.violations == tuple(map(str, result.shortages))
    assert result.violations[0] == (
        "input: the data memory of four processors has 32,768 bytes; found 36,864, "
        "4,096 too many [MAX78000-MEM-03]; fold the input, pool earlier, or begin "
        "with padded convolutions without biases, which can stream"
    )
    assert not any("\n" in line for line in result.violations)


def _pools() -> list[layer_chains.Step]:
    return [layer_chains.pooling((2, 2)), layer_chains.pooling((48, 48))]


def test_empty_network_costs_the_start():
    result = cost.estimate(())
    assert result.operations.total == 0
    assert result.latency_cycles == {"ai8x": 1, "kernel_parallel": 0}
