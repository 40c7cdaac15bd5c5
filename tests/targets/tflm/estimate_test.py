"""Memory of TFLite Micro from the graph equals what the interpreter records."""

import pathlib

from tests.cost import recorded_head_test
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite
from tfpipeline.targets.tflm import estimate as tflm

ROOT = pathlib.Path(__file__).resolve().parents[3]
FILES = [
    *sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite")),
    ROOT / "experiments/cifar10/cmsisnet/model.tflite",
    ROOT / "experiments/cifar10/nascifarnet/model.tflite",
]


def test_greedy_peak_is_the_recorded_head():
    models = [path.read_bytes() for path in FILES]
    heads = recorded_head_test.recorded_heads(models)
    found = [_estimate(path) for path in FILES]
    assert [each.memory["arena_greedy_bytes"] for each in found] == heads
    for each in found:
        memory = each.memory
        assert memory["arena_bound_bytes"] <= memory["arena_planned_bytes"]
        assert memory["arena_planned_bytes"] <= memory["arena_greedy_bytes"]


def test_sections_show_the_peaks_and_the_map():
    found = _estimate(FILES[-1])
    peak = found.memory["arena_planned_bytes"]
    assert f"{peak:,} bytes" in found.sections["map of the arena"]
    for name in ("lower bound", "tflm_greedy"):
        assert name in found.sections["arena"]
    assert len(found.layers) == len(from_tflite.read_file(FILES[-1]).layers)
    assert found.latency == {}


def test_a_quantized_network_keeps_its_own_width():
    g = from_tflite.read_file(FILES[-1])
    plain = tflm.estimate_graph(g, estimate.Options())
    asked = tflm.estimate_graph(g, estimate.Options(activation_bits=16))
    assert asked.memory == plain.memory


def _estimate(path):
    return tflm.estimate_graph(from_tflite.read_file(path), estimate.Options())
