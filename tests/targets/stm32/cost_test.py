"""The paper's network to the published digits, and the fit against measurements."""

import dataclasses
import json
import math
import os
import pathlib

import pytest

from tfpipeline import errors
from tfpipeline.targets.stm32 import board_files, cost, spec

SHARED = pathlib.Path(
    os.environ.get("TFPIPELINE_SHARED")
    or pathlib.Path(__file__).resolve().parents[4] / "shared"
)
STM32 = SHARED / "reference" / "stm32"

# The CIFAR-10 network of the CMSIS-NN paper; shapes as in Arm's generated code for it
# (ML-examples efd006b^, cmsisnn-cifar10/code/m7/parameter.h).
PAPER = (
    cost.Layer("conv1", cost.CONV, (32, 32, 32), 3, (5, 5)),
    cost.Layer("pool1", cost.POOL, (16, 16, 32), 32, (3, 3)),
    cost.Layer("conv2", cost.CONV, (16, 16, 32), 32, (5, 5)),
    cost.Layer("pool2", cost.POOL, (8, 8, 32), 32, (3, 3)),
    cost.Layer("conv3", cost.CONV, (8, 8, 64), 32, (5, 5)),
    cost.Layer("pool3", cost.POOL, (4, 4, 64), 64, (3, 3)),
    cost.Layer("fc", cost.DENSE, (1, 1, 10), 4 * 4 * 64),
)

# Instructions counted in QEMU for the paper's network with the s8 kernels
# (qemu_cortexm.json of the reference data).
PAPER_S8_INSTRUCTIONS = {
    "cortex-m4": 25_441_120,
    "cortex-m7": 25_504_640,
    "cortex-m33": 25_428_600,
    "cortex-m55": 3_693_907,
}

# Errors of single layers cancel: a whole network is fitted within this share.
FIT_ERROR = {
    "cortex-m4": 0.055,
    "cortex-m7": 0.055,
    "cortex-m33": 0.055,
    "cortex-m55": 0.13,
}

FILES = {
    "ic": "image_classification/pretrainedResnet_quant.tflite",
    "vww": "visual_wake_words/vww_96_int8.tflite",
    "kws": "keyword_spotting/kws_ref_model.tflite",
    "ad": "anomaly_detection/ad01_int8.tflite",
}
QEMU_NAMES = {name: pathlib.PurePath(file).stem for name, file in FILES.items()}

# Milliseconds of MLPerf Tiny v1.0, OctoML, microTVM with CMSIS-NN (mlcommons/
# tiny_results_v1.0 at c7761cf840).
MEASURED_MS = {
    ("cortex-m4", 120e6): {"ic": 389.56, "vww": 301.20, "kws": 99.81, "ad": 8.605},
    ("cortex-m33", 128e6): {"ic": 316.16, "vww": 232.02, "kws": 76.09, "ad": 6.267},
}

_KINDS = {
    "CONV_2D": cost.CONV,
    "DEPTHWISE_CONV_2D": cost.DEPTHWISE,
    "FULLY_CONNECTED": cost.DENSE,
    "AVERAGE_POOL_2D": cost.POOL,
    "ADD": cost.ADD,
    "RESHAPE": cost.FREE,
    "SOFTMAX": cost.FREE,
}


def _reference(name: str):
    path = STM32 / name
    if not path.exists():
        pytest.skip(f"no {name}: set TFPIPELINE_SHARED to the reference data's folder")
    return json.loads(path.read_text(encoding="utf-8"))


def _mlperf(name: str) -> tuple[dict, list[cost.Layer]]:
    [model] = [m for m in _reference("mlperf_models.json") if m["file"] == FILES[name]]
    layers = []
    for layer in model["layers"]:
        shape = (1, 1, *layer["out_shape"][1:])[-3:]
        kernel = tuple(layer.get("kernel", (1, 1)))
        layers.append(
            cost.Layer(
                f"{layer['op']}_{layer['index']}",
                _KINDS[layer["op"]],
                shape,
                layer["in_shape"][-1],
                kernel,
            )
        )
    return model, layers


def _board(core: str, clock_hz: float) -> spec.Board:
    board = board_files.load("stm32l4r5")
    return dataclasses.replace(board, core=spec.CORES[core], clock_hz=int(clock_hz))


def test_q7_reproduces_the_paper():
    latency = cost.estimate_q7(PAPER, clock_hz=216e6)
    assert round(latency.seconds * 1e3, 1) == 99.1
    ops = sum(layer.ops for layer in PAPER)
    assert round(ops / latency.seconds / 1e6, 1) == 249.2
    assert round(1 / latency.seconds, 1) == 10.1
    milliseconds = [round(c / 216e3, 1) for c in latency.cycles]
    assert milliseconds == [31.4, 1.6, 43.6, 0.4, 21.8, 0.2, 0.1]
    assert round(latency.macs_per_cycle, 3) == 0.575


def test_paper_counts():
    assert sum(layer.macs for layer in PAPER) == 12_298_240
    assert sum(layer.ops for layer in PAPER) == 24_697_856
    assert sum(layer.weights + layer.biases for layer in PAPER) == 89_578


def test_paper_footprint():
    memory = cost.footprint_q7(PAPER)
    assert memory == cost.Memory(89_440, 138, 40_960, 6_400)
    assert memory.total_bytes == 136_938
    # "133 kB" in the paper: KiB, cut off.
    assert math.floor(memory.total_bytes / 1024) == 133


@pytest.mark.parametrize("core", spec.CORES)
def test_fit_of_the_paper_network(core):
    fitted = sum(cost.count_instructions(layer, spec.CORES[core]) for layer in PAPER)
    assert fitted == pytest.approx(PAPER_S8_INSTRUCTIONS[core], rel=FIT_ERROR[core])


def test_s8_on_the_board_of_the_paper():
    latency = cost.estimate_s8(PAPER, board_files.load("stm32f746"))
    # 25.5 M instructions x 0.91 at 216 MHz are 107 ms; the fit counts 3 % fewer.
    assert latency.seconds == pytest.approx(0.107, rel=0.04)
    assert latency.relative_error == 0.25
    assert latency.clock_hz == 216e6
    half = cost.estimate_s8(PAPER, board_files.load("stm32f746"), clock_hz=108e6)
    assert half.seconds == pytest.approx(2 * latency.seconds)


@pytest.mark.parametrize("name", FILES)
def test_macs_of_mlperf_tiny(name):
    model, layers = _mlperf(name)
    assert sum(layer.macs for layer in layers) == model["total_macs"]
    assert [layer.macs for layer in layers] == [x["macs"] for x in model["layers"]]


@pytest.mark.parametrize("core", spec.CORES)
@pytest.mark.parametrize("name", FILES)
def test_fit_of_mlperf_tiny(name, core):
    _, layers = _mlperf(name)
    short = core.replace("cortex-", "")
    counted = _reference("qemu_cortexm.json")["cmsis_nn_s8_layers"]
    counted = counted[f"{short}|tfl_{QEMU_NAMES[name]}"]["total_instructions"]
    fitted = sum(cost.count_instructions(layer, spec.CORES[core]) for layer in layers)
    assert fitted == pytest.approx(counted, rel=FIT_ERROR[core])


@pytest.mark.parametrize("core", spec.CORES)
def test_coefficients_are_those_of_the_reference(core):
    fit = spec.CORES[core].fit
    reference = _reference("qemu_cortexm.json")["fit"][core.replace("cortex-", "")]
    expected = [
        reference[kind]["coef"][name]
        for kind, name in (
            ("conv_kxk", "per_mac"),
            ("conv_kxk", "per_im2col_elem"),
            ("conv_kxk", "per_output"),
            ("conv_1x1", "per_mac"),
            ("conv_1x1", "per_output"),
            ("dw", "per_mac"),
            ("dw", "per_output"),
            ("fc", "per_mac"),
            ("fc", "per_output"),
            ("fc", "const"),
            ("maxpool", "per_compare"),
            ("maxpool", "per_output"),
            ("add", "per_output"),
        )
    ]
    assert list(dataclasses.astuple(fit)) == expected


@pytest.mark.parametrize("core, clock_hz", MEASURED_MS)
@pytest.mark.parametrize("name", FILES)
def test_measured_boards_lie_within_the_band(name, core, clock_hz):
    _, layers = _mlperf(name)
    latency = cost.estimate_s8(layers, _board(core, clock_hz))
    measured = MEASURED_MS[core, clock_hz][name] / 1e3
    assert measured == pytest.approx(latency.seconds, rel=latency.relative_error)


def test_energy_only_where_it_was_measured():
    board = board_files.load("stm32l4r5")
    latency = cost.estimate_s8(PAPER, board)
    assert cost.energy_joules(latency, board) == pytest.approx(
        20_236e-6 * latency.seconds / 389.6e-3
    )
    slower = cost.estimate_s8(PAPER, board, clock_hz=60e6)
    assert cost.energy_joules(slower, board) is None
    f746 = board_files.load("stm32f746")
    assert cost.energy_joules(cost.estimate_s8(PAPER, f746), f746) is None


def test_q7_refuses_what_the_paper_did_not_measure():
    layer = cost.Layer("dw", cost.DEPTHWISE, (8, 8, 16), 16, (3, 3))
    with pytest.raises(errors.UsageError, match="no constant for layer 'dw' of kind"):
        cost.estimate_q7([layer], clock_hz=216e6)


def test_every_kind_has_an_instruction_count():
    core = spec.CORES["cortex-m7"]
    for kind in cost.KINDS:
        layer = cost.Layer("any", kind, (4, 4, 8), 8, (3, 3))
        assert (cost.count_instructions(layer, core) > 0) == (kind != cost.FREE)


def test_nothing_to_compute_is_refused():
    with pytest.raises(errors.UsageError, match="needs a layer that computes"):
        cost.estimate_q7([], clock_hz=216e6)


@pytest.mark.parametrize(
    "values, message",
    [
        (("a", "conv3d", (1, 1, 1)), "unknown kind 'conv3d'; known are conv, "),
        (("a", cost.CONV, (0, 1, 1)), "sizes of 1 or more"),
    ],
)
def test_bad_layers_are_refused(values, message):
    with pytest.raises(errors.UsageError, match=message):
        cost.Layer(*values)


def test_cores_lie_within_their_range():
    for core in spec.CORES.values():
        low, high = core.cycles_per_instruction_range
        assert low <= core.cycles_per_instruction <= high
