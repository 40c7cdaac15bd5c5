"""The vendor's table of measurements, against what is made of it."""

import pytest

from tests.targets.max78000 import graph_networks
from tfpipeline.cost.estimate import Options
from tfpipeline.targets.max78000 import estimate, power
from tfpipeline.targets.max78000 import spec as specs

# AN7664, table 4: bytes of weights, MMACs, uJ and ms of loading the weights, uJ of an
# inference. Without mnist-riscv, which its other core loads. An inference of faceid,
# which streams, was not measured without its input.
TABLE = {
    "aisegment_unet": (279_264, 182.034, 839, 19.9, 2604),
    "camvid_unet": (281_312, 186.753, 856, 20.1, 2722),
    "cats-dogs": (57_776, 50.432, 176, 4.1, 751),
    "cifar-10": (301_760, 36.181, 911, 21.4, 397),
    "cifar-100-effnet2": (753_952, 166.900, 2229, 53.8, 5965),
    "cifar-100-mixed": (165_228, 18.461, 498, 11.8, 178),
    "cifar-100-mobilenet-v2-0.75": (1_341_960, 25.696, 4134, 96.6, 1357),
    "cifar-100-residual": (381_792, 18.461, 1153, 27, 223),
    "cifar-100-simplewide2x-mixed": (312_200, 42.958, 934, 22.1, 265),
    "faceid": (176_048, 55.235, 533, 12.4, None),
    "imagenet-effnet2": (1_686_080, 1014.353, 5146, 120.6, 14179),
    "kws20_v2_1": (365_888, 11.693, 1130, 26.4, 209),
    "kws20_v3_1": (148_928, 7.995, 467, 10.9, 149),
    "mnist": (71_148, 10.752, 212, 5, 99),
    "svhn_tinierssd": (335_520, 189.043, 993, 23.6, 1009),
}


def of_row(name):
    weights, mmacs, *measured = TABLE[name]
    found = power.of_network(weights, round(1e6 * mmacs), specs.MAX78002)
    return found, measured


@pytest.mark.parametrize("name", TABLE)
def test_loading_is_what_was_measured_within_the_stated_error(name):
    found, (microjoules, milliseconds, _) = of_row(name)
    error = power.LOADING_RELATIVE_ERROR
    assert 1e6 * found.loading_joules == pytest.approx(microjoules, rel=error)
    assert 1e3 * found.loading_seconds == pytest.approx(milliseconds, rel=error)


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name][-1]])
def test_an_inference_lies_between_the_least_and_the_most(name):
    found, (_, _, microjoules) = of_row(name)
    least, most = (1e6 * joules for joules in found.inference_joules)
    assert least <= microjoules <= most


def test_the_least_and_the_most_are_those_of_networks():
    per_mac = [row[-1] / row[1] for row in TABLE.values() if row[-1]]
    least, most = (1e12 * joules for joules in power.INFERENCE_JOULES_PER_MAC)
    assert least == pytest.approx(min(per_mac), rel=0.01)
    assert most == pytest.approx(max(per_mac), rel=0.01)


def test_weights_are_kept_as_long_as_that_takes_less():
    found, _ = of_row("cifar-10")
    lost, kept = power.SLEEPS["micro power"]
    extra = found.reload_seconds * (kept - lost)
    assert extra == pytest.approx(found.loading_joules)


def test_a_device_that_was_not_measured_has_none():
    assert power.of_network(301_760, 36_181_000, specs.MAX78000) is None


def test_an_estimate_has_the_section_of_its_device():
    g = graph_networks.nascifarnet()
    sections = estimate.estimate_graph(g, Options(), specs.MAX78002).sections
    (text,) = (sections[title] for title in sections if "AN7664" in title)
    assert text.startswith("loading the weights once: 914 uJ, 21.5 ms, +-3.5%\n")
    others = estimate.estimate_graph(g, Options(), specs.MAX78000).sections
    assert not any("AN7664" in title for title in others)
