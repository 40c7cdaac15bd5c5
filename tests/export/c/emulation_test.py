"""Counts of instructions: what is asked for and what is printed; no emulator."""

import subprocess

import numpy as np
import pytest

from export.c import emulation, files, network
from export.c.cores import catalog
from tests import graph_builder
from tests.export.c import random_graphs
from tfpipeline import errors

PRINTED = """\
layer 0: 2200 instructions, Conv2D layer0
layer 1: 440 instructions, Mean layer1
all layers: 2640 instructions
stack: 308 bytes
exit code: 0
"""


def small():
    net = graph_builder.Builder((6, 6, 4))
    net.conv(3)
    net.mean()
    g = random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")
    return network.prepare(g, "net")


def printing(monkeypatch, text):
    """Every command prints `text`."""
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, **options: subprocess.CompletedProcess(command, 0, "", text),
    )


def test_all_that_is_missing_is_said_at_once(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(errors.UsageError) as caught:
        emulation.require(["cortex-m4", "cortex-m0", "esp32"])
    for part in ("'cortex-m0'", "'esp32'", *catalog.family("cortex-m4").tools):
        assert part in str(caught.value)
    assert "choose of cortex-m3, cortex-m4, cortex-m7, cortex-m55, rv32imac" in str(
        caught.value
    )
    emulation.require([])


def test_counts_are_read_and_stand_beside_the_prediction(monkeypatch, tmp_path):
    found = small()
    printing(monkeypatch, PRINTED)
    ran = emulation.run(tmp_path, found, "cortex-m4")
    assert ran == emulation.Run("cortex-m4", "-O2", 0, (2200, 440), 308)
    lines = emulation.to_text(found, ran)
    # 6 x 6 pixels, 3 x 3 x 4 taps, 3 channels.
    macs = 6 * 6 * 36 * 3
    assert lines[2].split()[:4] == ["layer0", "(Conv2D)", "2,200", f"{2200 / macs:.2f}"]
    model = emulation.predicted(found, "cortex-m4")
    assert lines[4].split()[-1] == f"{sum(model):,.0f}"
    assert "cycles at 1.57 an instruction" in lines[-1]


def test_cores_without_a_model_have_counts_alone(monkeypatch, tmp_path):
    printing(monkeypatch, PRINTED)
    ran = emulation.run(tmp_path, small(), "cortex-m3")
    text = "\n".join(emulation.to_text(small(), ran))
    assert "2,640" in text
    assert "CMSIS-NN" not in text


def test_tools_are_those_of_the_cores_that_are_asked_for(monkeypatch):
    monkeypatch.setenv("PATH", "")
    arm, riscv = (emulation.missing_tools([core]) for core in ("cortex-m4", "rv32imac"))
    assert [line.split()[0] for line in arm] == list(catalog.family("cortex-m4").tools)
    assert (
        "qemu-system-riscv32 is not installed (Debian: apt install qemu-sys"
        in (riscv[2])
    )
    # Make is named once.
    assert len(emulation.missing_tools(["cortex-m4", "rv32imac", "cortex-m3"])) == 5


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("fault\n", "faulted"),
        ("ld: region `RAM' overflowed by 96 bytes\n", "`RAM' overflowed by 96 bytes"),
        ("startup.c:1: fatal error: stdint.h: No such file\n", "No such file"),
    ],
)
def test_failures_say_what_went_wrong(monkeypatch, tmp_path, printed, message):
    printing(monkeypatch, printed)
    with pytest.raises(errors.TargetError, match=message):
        emulation.run(tmp_path, small(), "cortex-m4")


def test_wrong_answers_and_bytes_outside_are_not_overlooked():
    found = small()
    for exit_code, words in ((1, "ANSWER IS NOT MET"), (2, "OUTSIDE OF THE ARENA")):
        ran = emulation.Run("cortex-m4", "-O2", exit_code, (2200, 440), 308)
        assert words in emulation.to_text(found, ran)[0]


def test_names_of_layers_are_plain_text(tmp_path):
    net = graph_builder.Builder((6, 6, 4))
    net.conv(3)
    g = random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")
    files.write(tmp_path / "net", g, "net")
    for family in catalog.FAMILIES:
        folder = tmp_path / "net" / family.folder
        assert '    "Conv2D layer0",\n' in (folder / "profile.c").read_text()
        makefile = (folder / "Makefile").read_text()
        for core in family.cores:
            assert f"MACHINE_{core.name} := {core.machine}\n" in makefile
            assert f"OPTIONS_{core.name} := {core.options}\n" in makefile
