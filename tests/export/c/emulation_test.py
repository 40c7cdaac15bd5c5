"""Counts of instructions: what is asked for and what is printed; no emulator."""

import subprocess

import numpy as np
import pytest

from export.c import cortex_m, emulation, files, network
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
    for part in ("'cortex-m0'", "'esp32'", *emulation.TOOLS):
        assert part in str(caught.value)
    assert "choose of cortex-m3, cortex-m4, cortex-m7" in str(caught.value)
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
    text = (tmp_path / "net" / cortex_m.FOLDER / "profile.c").read_text()
    assert '    "Conv2D layer0",\n' in text
    makefile = (tmp_path / "net" / cortex_m.FOLDER / "Makefile").read_text()
    for core, machine in cortex_m.MACHINES.items():
        assert f"MACHINE_{core} := {machine}\n" in makefile
