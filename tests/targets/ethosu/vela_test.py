"""Vela's absence, and what is left on the disk; without Vela."""

import subprocess
import tempfile

import pytest

from tfpipeline import errors
from tfpipeline.targets.ethosu import spec, vela


def test_where_vela_is_absent_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(vela.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.UsageError, match=r"ethos-u-vela 5\.2\.0") as found:
        vela.compile_file(b"", spec.CONFIGS["ethos-u55-128"])
    assert "pip install 'tfpipeline[ethosu]'" in str(found.value)


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (
            subprocess.CompletedProcess([], -11, b"", b""),
            r"exit -11\): it says nothing",
        ),
        (
            subprocess.CompletedProcess([], 1, b"first\nlast line\n", b""),
            r"exit 1\): last line",
        ),
        (subprocess.CompletedProcess([], 0, b"", b""), "ended without the files"),
        (subprocess.TimeoutExpired("vela", 600), "not compiled .* in 600 seconds"),
    ],
)
def test_a_failing_compiler_is_one_line_and_leaves_nothing(
    done, message, monkeypatch, tmp_path
):
    def run(*arguments, **options):
        if isinstance(done, Exception):
            raise done
        return done

    monkeypatch.setattr(vela, "require_installed", lambda: None)
    monkeypatch.setattr(vela.tflite_file, "parse", lambda model: None)
    monkeypatch.setattr(vela.subprocess, "run", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(errors.ExportError, match=message):
        vela.compile_file(b"model", spec.CONFIGS["ethos-u55-128"])
    assert list(tmp_path.iterdir()) == []


def test_refusals_are_read_from_the_console():
    printed = (
        "\nWarning (supported operators) operator: DEPTHWISE_CONV_2D, ofm: '@7@_act'\n"
        "Reason: Unsupported kernel stride: 4, 4\nKernel stride must be small.\n\n"
        "Warning (supported operators) operator: SVDF, ofm: 'a, 'b''\nReason: no\n"
        "Warning (supported operators) operator: ADD, ofm: '@9@'\n"
    )
    compiled = vela.Compiled(b"", {}, "", printed)
    assert vela.refusals(compiled) == {
        "@7@_act": "Unsupported kernel stride: 4, 4; Kernel stride must be small.",
        "a, 'b'": "no",
        "@9@": "",
    }


def test_configurations_are_named_as_vela_names_them():
    assert list(spec.CONFIGS) == [
        *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
        *(f"ethos-u65-{macs}" for macs in (256, 512)),
        *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
    ]
    for config in spec.CONFIGS.values():
        assert config.system_config in spec.SYSTEM_CONFIGS
        assert config.memory_mode in spec.MEMORY_MODES


@pytest.mark.parametrize("steps", ["a,b\n1,2\n", "Original Operator\nConv2D\n"])
def test_other_tables_are_refused_with_the_version_that_was_tested(steps):
    with pytest.raises(errors.ExportError, match=r"not that of ethos-u-vela 5\.2\.0"):
        vela.rows(vela.Compiled(b"", {}, steps, ""))


def test_a_summary_without_a_figure_is_refused():
    compiled = vela.Compiled(b"", {"cycles_total": "many"}, "", "")
    for column in ("cycles_total", "sram_memory_used"):
        with pytest.raises(errors.ExportError, match=f"no number '{column}'"):
            compiled.number(column)
