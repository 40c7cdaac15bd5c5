"""`export --targets=ethosu`: files, what is told, and what is refused."""

import csv
import io

import pytest

from export import catalog
from export.ethosu import command, files, network
from export.given import Given
from tests.targets.ethosu import compiled_networks as networks
from tfpipeline import errors
from tfpipeline.ir import tflite_file
from tfpipeline.targets.ethosu import placement, vela

pytestmark = networks.NEEDS_VELA


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    path = tmp_path_factory.mktemp("ethosu") / "far.tflite"
    path.write_bytes(networks.refused_file())
    return catalog.named("ethosu").prepare(Given(str(path)), command.Flags())


def test_files_and_what_is_told(prepared, tmp_path):
    assert list(prepared.contents) == [
        "far_vela.tflite",
        files.SUMMARY_CSV,
        files.LAYERS_CSV,
        "README.md",
    ]
    lines = prepared.report(tmp_path)
    assert lines[1] == "operators  4 on the NPU, 1 on the CPU, 0 merged into others"
    assert any(
        "DepthwiseConv2D 'layer1' (DEPTHWISE_CONV_2D) is left to the CPU" in line
        for line in lines
    )
    assert "Ethos_U55_High_End_Embedded with Shared_Sram" in lines[0]


def test_the_compiled_file_is_vela_s_of_the_network_s_own_names(prepared):
    program = tflite_file.parse(prepared.contents["far_vela.tflite"])
    assert [each.name for each in program.operators] == [
        placement.CUSTOM,
        "DEPTHWISE_CONV_2D",
        placement.CUSTOM,
    ]
    names = {tensor.name for tensor in program.tensors}
    assert {"input", "layer0/output", "layer1/output", "layer4/output"} <= names


def test_tables_say_what_the_summary_does(prepared):
    [summary] = csv.DictReader(io.StringIO(prepared.contents[files.SUMMARY_CSV]))
    rows = list(csv.DictReader(io.StringIO(prepared.contents[files.LAYERS_CSV])))
    assert sum(int(row["npu_cycles"]) for row in rows) == int(summary["cycles_total"])
    assert [row["layer"] for row in rows] == [f"layer{i}" for i in range(5)]
    assert [row["where"] for row in rows] == ["NPU", "CPU", "NPU", "NPU", "NPU"]
    readme = prepared.contents["README.md"]
    sram = round(1024 * float(summary["sram_memory_used"]))
    assert f"| SRAM | {sram:,} bytes |" in readme
    assert "Activations lie in SRAM, constants in off-chip flash" in readme
    assert "kernels of DEPTHWISE_CONV_2D, which the CPU runs" in readme


def test_float_files_are_refused_with_what_to_do(tmp_path):
    from export.tflite import from_graph

    path = tmp_path / "float.tflite"
    path.write_bytes(from_graph.to_bytes(networks.refused_stride()))
    with pytest.raises(errors.UsageError, match="--calibration=DATA"):
        command.prepare(Given(str(path)), command.Flags())


def test_a_compiled_file_with_other_ends_is_refused(monkeypatch):
    placed = networks.placed("refused")
    other = networks.placed("mlperf_int8/squeeze").compiled
    monkeypatch.setattr(placement, "place", lambda model, config: placed)
    monkeypatch.setattr(vela, "compile_file", lambda model, config: other)
    with pytest.raises(errors.VerificationError, match="has other inputs"):
        network.prepare(networks.refused_file(), "far", networks.U55)


def test_systems_can_be_chosen():
    flags = command.Flags(
        accelerator="ethos-u85-256", system_config="Ethos_U85_SYS_Flash_Low"
    )
    config = flags.config()
    assert config.name == "ethos-u85-256"
    assert config.system_config == "Ethos_U85_SYS_Flash_Low"
    assert config.memory_mode == "Dedicated_Sram_384KB"
    with pytest.raises(errors.UsageError, match="of ethos-u55-128 must be one of Eth"):
        command.Flags(system_config="Ethos_U85_SYS_Flash_Low")
    with pytest.raises(errors.UsageError, match="--accelerator must be one of"):
        command.Flags(accelerator="ethos-u55-1")
