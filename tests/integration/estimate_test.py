"""`python -m tfpipeline.estimate`, as users call it."""

import csv
import dataclasses
import io
import json
import math
import pathlib
import subprocess
import sys

import pytest

from tests import graph_builder, programs
from tests.ir import tflite_values
from tests.report import costs_test
from tfpipeline import errors, estimate
from tfpipeline.ir import serialize
from tfpipeline.networks import catalog as networks
from tfpipeline.report import costs
from tfpipeline.targets import catalog

ROOT = pathlib.Path(__file__).resolve().parents[2]
TFLITE = ROOT / "experiments" / "cifar10" / "cmsisnet" / "model.tflite"


def _run(*flags):
    return programs.run("tfpipeline.estimate", *flags)


def _json(*flags):
    done = _run(*flags, "--format=json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    costs_test.require_schema(value)
    return value


def _error(*flags, code=2):
    done = _run(*flags)
    assert done.returncode == code, done.stdout
    [line] = done.stderr.splitlines()
    return line


def test_names_of_the_targets():
    assert {
        *("max78000", "max78002", "stm32f746", "stm32l4r5", "stm32h7a3", "tflm"),
        "gap8",
    } <= set(catalog.NAMES)


def test_face_networks_of_the_study():
    expected = {
        "facenet_v1": (16_972, 89_400),
        "facenet_v2": (98_648, 148_507),
        "facenet_v3": (49_324, 148_507),
    }
    for name, (weight_bytes, cycles) in expected.items():
        found = _json(f"--model={name}", "--target=max78000")["targets"]["max78000"]
        assert found["totals"]["weight_bytes"] == weight_bytes
        assert found["memory"]["bias_bytes"] == 2
        assert found["latency"]["ai8x"]["cycles"] == cycles
        assert found["violations"] == []


@pytest.mark.parametrize(
    "name, microseconds",
    [("facenet_v2", 3081.31), ("facenet_v6", 1307.51), ("facenet_v7", 658.95)],
)
def test_expected_inference_times_of_the_study(name, microseconds):
    found = _json(
        f"--model={name}", "--target=max78000", "--latency_model=kernel_parallel"
    )["targets"]["max78000"]
    assert set(found["latency"]) == {"kernel_parallel"}
    seconds = found["latency"]["kernel_parallel"]["seconds"]
    assert round(1e6 * seconds, 2) == microseconds


def test_the_stm32_baseline():
    found = _json("--model=cmsis_cifar10", "--target=stm32f746")["targets"]["stm32f746"]
    latency = found["latency"]["cmsis-nn-q7-2018"]
    assert round(1e3 * latency["seconds"], 1) == 99.1
    assert found["memory"]["q7_2018_total_bytes"] // 1024 == 133


def test_the_descriptor_network_on_gap8():
    found = _json("--model=reid_squeezenet", "--target=gap8")["targets"]["gap8"]
    assert found["memory"]["ram_bytes"] == 351_872
    assert found["totals"]["macs"] == 80_140_992
    milliseconds = {n: 1e3 * each["seconds"] for n, each in found["latency"].items()}
    # The fitted constants have three digits.
    assert milliseconds == pytest.approx({"async": 380, "sync": 780}, rel=0.005)
    narrow = _json("--model=reid_squeezenet", "--target=gap8", "--activation_bits=8")
    assert narrow["targets"]["gap8"]["memory"]["ram_bytes"] == 175_936


def test_all_targets_on_a_tflite_file():
    value = _json(f"--model={TFLITE}")
    assert list(value["targets"]) == list(catalog.SURVEYED)
    for name, found in value["targets"].items():
        assert found["totals"]["macs"] == 16_820_224, name
        assert found["totals"]["weight_bytes"] == 94_048, name
    named = _json("--model=cmsisnet")
    for name, found in value["targets"].items():
        other = named["targets"][name]
        for each in ("latency", "violations"):
            assert found[each] == other[each], (name, each)


def test_text_and_csv():
    done = _run("--model=facenet_v7", "--target=max78000,tflm")
    assert done.returncode == 0, done.stderr
    for part in (
        "SUMMARY OF OPS\nHardware: ",
        "RESOURCE USAGE\nWeight memory: ",
        "== tflm ==",
        "lower bound",
        "tflm_greedy",
    ):
        assert part in done.stdout
    done = _run("--model=facenet_v7", "--target=max78000,tflm", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(rows[0]) == costs.CSV_COLUMNS
    assert {row["target"] for row in rows} == {"max78000", "tflm"}


def test_folding_makes_the_first_layers_cheaper():
    plain, folded = (
        _json("--model=facenet_v6", "--target=max78000", f"--fold={fold}")
        for fold in (1, 2)
    )
    cycles = [
        value["targets"]["max78000"]["latency"]["ai8x"]["cycles"]
        for value in (plain, folded)
    ]
    assert cycles == [72_544, 31_360]


def test_weight_bits_and_clock():
    found = _json(
        "--model=cmsisnet", "--target=max78000", "--weight_bits=2", "--clock_mhz=25"
    )["targets"]["max78000"]
    assert found["totals"]["weight_bytes"] == 94_048 // 4
    latency = found["latency"]["ai8x"]
    assert latency["seconds"] == latency["cycles"] / 25e6


def test_weight_bits_by_layer():
    text = "{start_epoch: 1, weight_bits: 8, overrides: {conv1: {weight_bits: 4}}}"
    name, target = "facenet_v6", ("max78000",)
    command = estimate.Command(model=name, target=target, policy=text)
    _, [found] = estimate.run(command)
    _, [plain] = estimate.run(estimate.Command(model=name, target=target))
    bytes_of = [[layer.weight_bytes for layer in x.layers] for x in (found, plain)]
    halved = [a for a, b in zip(*bytes_of, strict=True) if 2 * a == b]
    assert len(halved) == 1
    with pytest.raises(errors.UsageError, match="leave out --weight_bits"):
        estimate.run(dataclasses.replace(command, weight_bits=4))


@pytest.mark.parametrize("clock", ["1e-3", "1e4"])
def test_any_clock_gives_figures(clock):
    for each in _json("--model=cmsisnet", f"--clock_mhz={clock}")["targets"].values():
        for latency in each["latency"].values():
            assert 0 < latency["seconds"] < math.inf


def test_a_clock_that_leaves_a_cycle_no_time_is_refused():
    with pytest.raises(errors.UsageError, match=r"from 0\.001 to 10000; found 1e"):
        estimate.Command(clock_mhz=1e308)


def test_a_graph_and_the_folder_of_a_run(tmp_path):
    builder = graph_builder.Builder((16, 16, 3), "mine")
    builder.conv(8)
    builder.dense(2)
    serialize.write(builder.build(), tmp_path / "graph")
    for path in (tmp_path, tmp_path / "graph", tmp_path / "graph" / "graph.json"):
        value = _json(f"--model={path}", "--target=tflm")
        assert value["model"] == "mine"
        assert value["targets"]["tflm"]["totals"]["macs"] == 16 * 16 * 216 + 4096


def test_unknown_names_list_the_choices(tmp_path):
    line = _error("--model=cmsisnets")
    assert line.startswith(
        "estimate: error: no network and no file is called 'cmsisnets'; give the name"
    )
    assert all(name.partition("_")[0] in line for name in networks.names())
    line = _error("--model=cmsisnet", "--target=max78000,esp32")
    assert "--target must be one of max78000, max78002, stm32f746" in line
    assert "found 'esp32'" in line
    assert "say what to estimate: --model=NAME_OR_PATH" in _error()
    assert "holds no network: none of graph.json" in _error(f"--model={tmp_path}")
    other = tmp_path / "network.onnx"
    other.write_bytes(b"x")
    line = _error(f"--model={other}")
    assert f"'{other}' is no network by its name: give the name" in line
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(TFLITE.read_bytes()[:5000])
    assert str(damaged) in _error(f"--model={damaged}")


@pytest.mark.slow
def test_a_network_that_does_not_fit_fails_where_it_was_asked_for(tmp_path):
    builder = graph_builder.Builder((512, 512, 3), "large")
    builder.conv(64)
    builder.conv(64)
    builder.dense(2)
    serialize.write(builder.build(), tmp_path)
    done = _run(f"--model={tmp_path}", "--target=max78000,stm32f746", "--format=json")
    assert done.returncode == 2
    # The report is there all the same.
    value = json.loads(done.stdout)
    costs_test.require_schema(value)
    assert value["targets"]["stm32f746"]["violations"]
    [line] = done.stderr.splitlines()
    assert line.startswith(
        f"estimate: error: '{tmp_path}' does not fit max78000, stm32f746: "
    )
    # In the survey of all targets it is an answer, as long as one of them runs it.
    assert _run(f"--model={tmp_path}").returncode == 0


def test_tensorflow_stays_out():
    code = (
        "import sys\n"
        "from tfpipeline import estimate, model_source\n"
        f"model_source.load({str(TFLITE)!r}); model_source.load('cmsisnet')\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", code), cwd=ROOT, timeout=120)
    assert done.returncode == 0


def test_operators_that_are_missing_from_the_figures_are_told(tmp_path):
    file = tmp_path / "partly.tflite"
    file.write_bytes(tflite_values.partly_unknown())

    found = _json(f"--model={file}", "--target=tflm")["targets"]["tflm"]

    assert found["totals"]["add"] == 8
    assert "2 CUMSUM" in found["notes"][0]
    assert "missing from the figures" in found["notes"][0]
    line = _error(f"--model={file}", "--target=max78000")
    assert "CUMSUM is not supported" in line
