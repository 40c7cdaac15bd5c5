"""The networks have the MACs, weights and biases that their sources publish."""

import inspect
import json
import os
import pathlib

import pytest

from tests import registered_networks
from tfpipeline.models import counts, registry, specs

NAMES = registered_networks.STUDIED

# MACs of each layer with weights, in order.
# facenet_v1, v2, v3: "SUMMARY OF OPS" of the face study, `macc` of Layer 0 to the last.
# facenet_v6, v7: ai8xize's SUMMARY OF OPS for the channel counts that solve the study's
#   times of each layer.
# nascifarnet: ai8xize's SUMMARY OF OPS of ai85nascifarnet; the totals are the study's.
# cmsisnet, simplenet: from the layers as the CIFAR study lists them (cmsisnet: as its
#   two printed totals determine them).
# cmsis_cifar10: shapes of Arm's generated code for the paper's network.
# resnet8: MLPerf Tiny's pretrainedResnet.tflite.
# reid_squeezenet: the layer table of the GAP8 demo (its weights' shapes).
FACENET_V2_MACS = (1672704, 2230272, 2230272, 2230272, 921600, 147456, 512)
NASCIFARNET_CONV_MACS = (
    *(1769472, 2097152, 18874368, 4718592, 524288),
    *(4718592, 1048576, 1179648, 1179648, 65536),
)
LAYER_MACS = {
    "facenet_v1": (836352, 557568, 557568, 557568, 230400, 1600),
    "facenet_v2": FACENET_V2_MACS,
    "facenet_v3": FACENET_V2_MACS,
    "facenet_v6": (836352, 278784, 69696, 34848, 28800, 800),
    "facenet_v7": (209088, 34848, 34848, 34848, 28800, 800),
    "cmsisnet": (884736, 9437184, 2359296, 2359296, 1179648, 589824, 10240),
    "nascifarnet": (*NASCIFARNET_CONV_MACS, 5120),
    "simplenet": (
        *(884736, 9437184, 9437184, 2359296),
        *(1179648, 4718592, 4718592, 2560),
    ),
    "cmsis_cifar10": (2457600, 6553600, 3276800, 10240),
    "resnet8": (
        *(442368, 2359296, 2359296, 1179648, 2359296),
        *(131072, 1179648, 2359296, 131072, 640),
    ),
    "reid_squeezenet": (
        *(49152, 6858432, 984064, 984064, 8856576, 1968128, 984064, 8856576),
        *(921600, 921600, 8294400, 1843200, 921600, 8294400),
        *(602112, 451584, 4064256, 903168, 451584, 4064256),
        *(1204224, 802816, 7225344, 1605632, 802816, 7225344),
    ),
}

# (MACs, weights, biases), printed by the same sources.
TOTALS = {
    "facenet_v1": (2_741_056, 16_972, 2),
    "facenet_v2": (9_433_088, 98_648, 2),
    "facenet_v3": (9_433_088, 98_648, 2),
    "facenet_v6": (1_249_280, 2_636, 2),
    "facenet_v7": (343_232, 2_357, 2),
    "cmsisnet": (16_820_224, 94_048, 266),
    "nascifarnet": (36_180_992, 301_760, 842),
    "simplenet": (32_737_792, 418_144, 586),
    "cmsis_cifar10": (12_298_240, 89_440, 138),
    "resnet8": (12_501_632, 77_706 - 346, 346),
    "reid_squeezenet": (80_140_992, 719_555, 2_947),
}

# "Weight memory" of the face study, in bytes.
WEIGHT_MEMORY_BYTES = {"facenet_v1": 16_972, "facenet_v2": 98_648, "facenet_v3": 49_324}

# Our name, the network's name in reference/cifar_nets.json, its number of classes.
REFERENCE_NETS = (
    ("nascifarnet", "nascifarnet_c10", 10),
    ("nascifarnet", "nascifarnet_c100", 100),
    ("cmsis_cifar10", "cmsisnn_cifar10_paper", 10),
    ("cmsisnet", "cmsisnn_seed_max78000", 10),
    ("simplenet", "simplenet_seed_listing_plus_stem", 10),
)


@pytest.fixture(scope="module")
def deployed() -> dict[str, counts.ModelCounts]:
    """The counts of every network, built with its own defaults."""
    return {name: counts.count(registry.build(name)) for name in NAMES}


def test_every_network_has_published_figures():
    assert set(LAYER_MACS) == set(TOTALS) == set(NAMES)


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("name", NAMES)
def test_macs_of_each_layer(deployed, name):
    assert tuple(layer.macs for layer in deployed[name].layers) == LAYER_MACS[name]


@pytest.mark.parametrize("name", NAMES)
def test_totals(deployed, name):
    totals = deployed[name]
    assert (totals.macs, totals.weights, totals.biases) == TOTALS[name]


@pytest.mark.parametrize("name", WEIGHT_MEMORY_BYTES)
def test_weight_memory_at_the_bits_of_the_study(deployed, name):
    (num_bits,) = specs.MODELS[name].weight_bits
    assert deployed[name].weight_bytes(num_bits) == WEIGHT_MEMORY_BYTES[name]


@pytest.mark.parametrize("name", [n for n in NAMES if "facenet" in n])
def test_facenet_has_no_biases_but_those_of_the_dense_layer(deployed, name):
    *convs, dense = deployed[name].layers
    assert [layer.biases for layer in convs] == [0] * len(convs)
    assert (dense.name, dense.biases) == ("logits", 2)


def test_facenet_with_batch_norm_deploys_with_a_bias_for_each_channel():
    totals = counts.count(registry.build("facenet_v1", batch_norm=True))
    assert totals.biases == 2 + (4 + 8 + 16 + 32 + 32)
    assert (totals.macs, totals.weights) == TOTALS["facenet_v1"][:2]


def test_printed_parameters_of_the_cifar_study(deployed):
    assert deployed["cmsisnet"].params == 94_314
    assert deployed["nascifarnet"].params == 302_602


def test_parameters_of_the_re_identification_study(deployed):
    # SqueezeNet 1.1's features have 722,496; six more for the gray image.
    totals = deployed["reid_squeezenet"]
    assert totals.params == 722_502
    # Its slide: 1.37 MiB of weights at 16 bits.
    assert round(totals.weight_bytes(16) / 2**20, 2) == 1.37


def test_nascifarnet_of_a_hundred_classes():
    totals = counts.count(registry.build("nascifarnet", num_classes=100))
    assert tuple(layer.macs for layer in totals.layers) == (
        *NASCIFARNET_CONV_MACS,
        51200,
    )
    assert (totals.macs, totals.weights, totals.biases) == (36_227_072, 347_840, 932)


@pytest.mark.parametrize("name", [n for n in NAMES if "facenet" not in n])
def test_counts_do_not_depend_on_batch_norm(deployed, name):
    plain = counts.count(registry.build(name, batch_norm=False))
    # Keras orders parallel branches by their depth, which BatchNormalization changes.
    assert set(plain.layers) == set(deployed[name].layers)


def test_docstring_tables_state_the_counts(deployed):
    for name in NAMES:
        spec, totals = specs.MODELS[name], deployed[name]
        rows = {layer.name: layer for layer in totals.layers} | {"total": totals}
        for line in inspect.getdoc(registry.function_of(spec)).splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 5 or not cells[2].replace(",", "").isdigit():
                continue
            row = rows.pop(cells[0].split()[0])
            found = tuple(int(cell.replace(",", "")) for cell in cells[2:])
            assert found == (row.macs, row.weights, row.biases), (name, cells)
            if row is not totals:
                side = "x".join(map(str, row.output_shape))
                assert cells[1] == side, (name, cells)
        # facenet_v3 refers to the table of v2.
        assert not rows or name == "facenet_v3", (name, list(rows))


def _reference(*path: str) -> pathlib.Path:
    root = pathlib.Path(__file__).resolve().parents[2]
    shared = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", root.parent / "shared"))
    found = shared.joinpath("reference", *path)
    if not found.is_file():
        pytest.skip(f"no reference/{'/'.join(path)} in {shared}; set TFPIPELINE_SHARED")
    return found


@pytest.mark.real_data
def test_layers_of_the_re_identification_network_equal_the_reference_file(deployed):
    path = _reference("gap8", "reid_squeezenet.json")
    expected = json.loads(path.read_text(encoding="utf-8"))
    layers = deployed["reid_squeezenet"].layers
    assert [(x.macs, x.weights, x.biases, *x.output_shape) for x in layers] == [
        tuple(
            x[key]
            for key in ("macs", "weights", "bias", "conv_hout", "conv_wout", "cout")
        )
        for x in expected["layers"]
    ]
    totals = deployed["reid_squeezenet"]
    assert (totals.params, totals.macs) == (
        expected["totals"]["params"],
        expected["totals"]["macs"],
    )


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "reference", "num_classes"), REFERENCE_NETS)
def test_layers_equal_the_reference_file(name, reference, num_classes):
    path = _reference("cifar_nets.json")
    nets = {net["name"]: net for net in json.loads(path.read_text(encoding="utf-8"))}
    expected = [
        (row["macs"], row["weights"], row["bias"], row["out"][-1])
        for row in nets[reference]["layers"]
        if row["op"] != "maxpool"
    ]
    totals = counts.count(registry.build(name, num_classes=num_classes))
    assert [
        (layer.macs, layer.weights, layer.biases, layer.output_shape[-1])
        for layer in totals.layers
    ] == expected
