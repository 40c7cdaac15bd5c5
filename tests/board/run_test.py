"""The command: what it finds and prints, where it goes on, what it says in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rich.console

from tests.board import firmware
from tests.report.run_pages import made_runs
from tests.simulate import micro
from tfpipeline import api, errors, markers, run
from tfpipeline import estimate as estimate_command
from tfpipeline.board import (
    answers,
    measured,
    measurement,
    messages,
    networks,
    ports,
    watching,
)
from tfpipeline.cost import estimate
from tfpipeline.ir import fingerprint, serialize
from tfpipeline.targets import catalog

pytestmark = firmware.needs_compiler


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The C of the small network, compiled."""
    folder = tmp_path_factory.mktemp("run") / "net"
    firmware.built(firmware.exported(folder, firmware.network()), "pc", "-O1")
    return folder


@pytest.fixture
def command(export):
    """What the command line says, with other flags as keywords."""
    port = firmware.command_of(export / "harness" / "build" / "pc")

    def made(**flags):
        return run.Command(**{"model": str(export), "port": port, **flags})

    return made


def test_an_export_is_run_on_random_inputs(command, capsys):
    run.main(command(limit=7))
    lines = capsys.readouterr().out.splitlines()
    digest = fingerprint.of(firmware.network()).hex()[:8]
    assert lines[0] == f"board      PC: net ({digest}), exported to c"
    assert lines[1] == "answers    7 of 7 random inputs as simulated, to the last bit"
    assert lines[2].startswith("ticks      median ") and lines[2].endswith(" 1000 MHz")
    assert "nanoseconds of this machine" in lines[3]
    assert "7 answers in" in lines[4] and len(lines) == 5


def test_json_says_the_same(command, capsys):
    run.main(command(limit=3, output="json"))
    found = json.loads(capsys.readouterr().out)
    assert (found["inputs"], found["differing"], found["board"]) == (3, [], "PC")
    assert found["cycles"]["least"] <= found["cycles"]["median"]
    assert found["line"]["answers"] == 3


def test_the_page_of_a_run_has_what_boards_answered(command, tmp_path, capsys):
    folder = made_runs.write(tmp_path, "classification", findings=False)
    serialize.write(firmware.network(), folder.graph)
    asked = {"model": str(folder.root), "random": True}
    run.main(command(**asked, limit=2))
    run.main(command(**asked, limit=3))
    assert f"page       {folder.report}" in capsys.readouterr().out
    # The second answer of the same board takes the first one's place.
    [kept] = json.loads(folder.boards_json.read_text())["boards"]
    assert (kept["board"], kept["inputs"], kept["differing"]) == ("PC", 3, [])
    said = re.sub(r"<[^>]*>", " ", folder.report.read_text())
    assert re.search(r"PC\s+c\s+3 random inputs\s+all", said)
    assert "nanoseconds of this machine" in said


@pytest.mark.slow
def test_accuracy_on_the_board_is_the_simulated_one(command, tmp_path, capsys):
    # The network's input has no pixels here: arrays as it reads them.
    g = firmware.network()
    quant = g.tensors[g.inputs[0]].quant
    random = np.random.default_rng(5)
    integers = random.integers(-128, 128, (60, 6, 6, 2))
    x = ((integers - quant.zero_point[0]) * quant.scale[0]).astype(np.float32)
    y = random.integers(0, 5, 60)
    np.savez(
        tmp_path / "d.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:]
    )
    data = run.measured_data.Data(dataset=str(tmp_path / "d.npz"))
    found = run.run(command(data=data, limit=30, task="classification"))
    assert found.differing == () and found.inputs == 30
    assert found.figures == found.simulated
    board, simulated = found.shown["accuracy"]
    assert board == simulated


def test_an_answer_that_differs_is_named(command, monkeypatch):
    real = run.execution.run

    def other(g, inputs):
        [found] = real(g, inputs)
        found[2] ^= 1
        return (found,)

    monkeypatch.setattr(run.execution, "run", other)
    with pytest.raises(errors.VerificationError, match=r"1 of 4 answers .* examples 2"):
        run.main(command(limit=4))


def test_another_network_is_refused_by_its_digest(command, tmp_path):
    serialize.write(firmware.network(2, 4), tmp_path)
    with pytest.raises(errors.TargetError, match="the board runs another network"):
        run.run(command(model=str(tmp_path / "graph.json")))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"port": None}, "say what and where"),
        ({"model": "nowhere"}, "no file and no folder is called 'nowhere': give"),
        ({"model": __file__}, "run_test.py' is no network of integers by its name"),
        ({"port": "exec:true"}, "the program ended with 0"),
        ({"port": "exec:cat", "silence": 0.2}, "nothing answers"),
    ],
)
def test_what_is_missing_is_one_line(command, flags, expected):
    with pytest.raises(errors.PipelineError, match=expected) as raised:
        run.run(command(**flags))
    assert len(str(raised.value)) < errors.MAX_LINE_CHARACTERS


def cut_after(monkeypatch, count):
    """The next line is gone after so many bytes."""
    opened = ports.opened
    monkeypatch.setattr(ports, "opened", lambda *a: firmware.Cut(opened(*a), count))


def test_a_cable_that_is_pulled_leaves_what_was_answered(
    command, tmp_path, monkeypatch
):
    records = tmp_path / "answers.jsonl"
    with monkeypatch.context() as patch:
        cut_after(patch, 1000)
        with pytest.raises(errors.TargetError, match=r"cut by a test.*keeps the ans"):
            run.run(command(records=str(records), limit=20))
    kept = len(records.read_text().splitlines()) - 1
    assert 0 < kept < 20
    found = run.run(command(records=str(records), limit=20))
    assert found.answered == 20 - kept
    assert found.inputs == 20 and not found.differing
    again = run.run(command(records=str(records), limit=20))
    assert again.answered == 0 and not again.differing
    with monkeypatch.context() as patch:
        cut_after(patch, 300)
        with pytest.raises(errors.TargetError, match=r"With --records=FILE\.jsonl"):
            run.run(command())


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on(command, tmp_path):
    records = tmp_path / "answers.jsonl"
    asked = command(records=str(records), limit=3000)
    arguments = [f"--{x}={getattr(asked, x)}" for x in ("model", "port", "limit")]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfpipeline.run", *arguments, f"--records={records}"],
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not records.exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.wait()
    kept = len(records.read_text().splitlines()) - 1
    assert 0 < kept < 3000
    found = run.run(asked)
    assert found.answered <= 3000 - kept and not found.differing


def test_a_measurement_scales_what_models_say(tmp_path):
    greeting = messages.Greeting(True, bytes(16), 72, 5, 16_000_000, "n", "c", "STM32")
    kept = [answers.Answer(i, 0, b"", cycles, 0.1) for i, cycles in enumerate((9, 6))]
    cycles = measured.cycles_of(kept, greeting)
    assert (cycles.least, cycles.median, cycles.most) == (6, 7.5, 9)
    assert (cycles.spread, cycles.counted) == (0.4, "")
    assert cycles.seconds == 7.5 / 16e6
    options = estimate.Options()
    [costs] = catalog.estimate_all(firmware.network(), ("stm32f746",), options)
    compared = measured.compared(cycles, costs)
    for each in compared:
        assert each.error == costs.latency[each.model].cycles / 7.5 - 1
    path = tmp_path / "mine.json"
    measurement.write(path, measurement.of("stm32f746", greeting, cycles, compared))
    known = measurement.read(path)
    scaled = measurement.applied(costs, known)
    for model, latency in costs.latency.items():
        assert scaled.latency[model] == latency
        mine = scaled.latency[f"{model} (yours)"]
        assert mine.cycles == pytest.approx(7.5, rel=1e-12)  # Of one rounding.
        assert mine.relative_error is None
    assert "your measurement of 'n' on STM32" in scaled.notes[-1]
    [other] = catalog.estimate_all(firmware.network(), ("stm32l4r5",), options)
    assert measurement.applied(other, known) == other
    path.write_text('{"format": "tfpipeline-measurement 1"}')
    with pytest.raises(errors.DamagedFileError, match="a measurement of"):
        measurement.read(path)


def test_estimate_takes_a_measurement(tmp_path, capsys):
    path = tmp_path / "mine.json"
    known = measurement.Measurement("stm32f746", "B", "n", 1.0, {"cmsis-nn-s8": 2.0})
    measurement.write(path, known)
    command = estimate_command.Command(
        model="cmsisnet", target=("stm32f746",), measurement=str(path)
    )
    estimate_command.main(command)
    text = capsys.readouterr().out
    assert "cmsis-nn-s8 (yours)" in text
    assert "times 0.500, your measurement of 'n' on B" in text


def test_no_measurement_is_kept_of_what_is_no_chip(command, tmp_path):
    with pytest.raises(errors.UsageError, match="counts no cycles of a chip"):
        run.main(command(target="stm32f746", measurement=str(tmp_path / "m.json")))
    with pytest.raises(errors.UsageError, match="give --target"):
        command(measurement="m.json").check()


def test_the_command_is_a_function(export):
    program = export / "harness" / "build" / "pc"
    found = api.run_on_board(str(export), firmware.command_of(program), limit=3)
    assert (found.board, found.inputs, found.differing) == ("PC", 3, ())
    [row] = found.rows()
    assert row["differing"] == 0 and row["cycles"] > 0
    assert found.to_dict()["line"]["answers"] == 3


GREETING = messages.Greeting(True, bytes(16), 72, 5, 1, "net", "c", "PC")


def test_records_of_another_network_or_of_others_stay(tmp_path):
    path = tmp_path / "a.jsonl"
    kept = answers.Answers(path, GREETING)
    kept.add(answers.Answer(4, 7, b"\1\2", 99, 0.5))
    kept.flush()
    again = answers.Answers(path, GREETING)
    assert again.known(4, 7) == answers.Answer(4, 7, b"\1\2", 99, 0.5)
    assert again.known(5, 7) is None
    with pytest.raises(errors.UsageError, match="example 4 is another input"):
        again.known(4, 8)
    other = messages.Greeting(True, bytes(16), 72, 5, 1, "net", "c", "STM32")
    with pytest.raises(errors.UsageError, match="answers of another board"):
        answers.Answers(path, other)
    text = path.read_text()
    path.write_text(text + '{"example": 1}\n')
    with pytest.raises(errors.DamagedFileError, match="of a board's answers"):
        answers.Answers(path, GREETING)
    path.write_text("mine\n")
    with pytest.raises(errors.ForeignFileError):
        answers.Answers(path, GREETING)
    assert path.read_text() == "mine\n"
    assert not (tmp_path / markers.NAME).exists()


def test_networks_of_several_ends_are_one_run_of_bytes():
    from tests import several_ends
    from tfpipeline.ir import from_tflite

    g = from_tflite.read(several_ends.model())
    inputs = micro.random_inputs(g, 3)
    data = networks.to_bytes(inputs)
    assert len(data) == 3
    back = networks.to_arrays(data, [g.tensors[name] for name in g.inputs])
    for one, other in zip(inputs, back, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_greeting_of_something_else_is_told():
    for data in (b"", b"\x63", bytes(10)):
        with pytest.raises(errors.TargetError, match="of another harness"):
            messages.greeting(data)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.zeros((8, 6, 3), np.uint8), "▀▀▀▀▀▀"),
        (np.linspace(-1, 1, 5 * 96 * 1).reshape(5, 96, 1), "▀" * 48),
        (np.linspace(0, 1, 30).reshape(10, 3), " ▁▂▃▄▄▅▆▇█"),
        (np.ones(4), "    "),
    ],
)
def test_an_input_and_its_answer_are_shown(stored, expected):
    console = rich.console.Console(record=True, width=80, force_terminal=True)
    with watching.live(("no", "yes"), 9, console) as show:
        show(stored, np.array([0.25, 0.75], np.float32), True, 3, 12.5)
    text = console.export_text()
    assert expected in text
    assert "yes 0.75, no 0.25" in text
    assert "as simulated, 3 of 9, 12.5 a second" in text


def test_watching_shows_every_answer(command, capsys):
    run.main(command(limit=2, watch=True))
    shown = capsys.readouterr()
    assert "2 of 2" in shown.err
    assert "2 of 2 random inputs as simulated" in shown.out
