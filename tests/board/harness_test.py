"""The firmware on a PC, by `exec:`: answers, bad lines, MLPerf Tiny's commands."""

import contextlib
import subprocess
import zlib

import numpy as np
import pytest

from export.c import literals
from tests.board import firmware
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.board import frames, messages, networks, ports, session
from tfpipeline.ir import fingerprint
from tfpipeline.simulate import execution

pytestmark = firmware.needs_compiler


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Of the small network, with sanitizers."""
    folder = tmp_path_factory.mktemp("harness")
    harness = firmware.exported(folder / "net", firmware.network())
    return firmware.built(harness, "pc")


@pytest.fixture
def port(program):
    opened = ports.opened(firmware.command_of(program))
    yield opened
    opened.close()


def asked(count, seed=0):
    """Inputs of the small network and the simulated answers, as bytes."""
    g = firmware.network()
    images = micro.random_images(g, count, seed)
    return networks.to_bytes([images]), networks.to_bytes(execution.run(g, [images]))


def test_the_greeting_says_which_network_and_which_board(port):
    greeting = session.Session(port).hello()
    assert greeting == messages.Greeting(
        is_ready=True,
        digest=fingerprint.of(firmware.network()),
        input_bytes=72,
        output_bytes=5,
        clock_hz=1_000_000_000,
        network=literals.plain(firmware.network().name),
        export="c",
        board="PC",
    )


def test_answers_are_the_simulated_ones(port):
    talk = session.Session(port)
    for given, expected in zip(*asked(5), strict=True):
        answer = talk.run(given, 5)
        assert answer.outputs == expected
        assert answer.cycles > 0
    assert (talk.traffic.repeated, talk.traffic.damaged) == (0, 0)


def test_one_spoiled_byte_in_a_hundred_changes_no_answer(port):
    noisy = firmware.Noisy(port, 0.01)
    talk = session.Session(noisy)
    for given, expected in zip(*asked(8), strict=True):
        assert talk.run(given, 5).outputs == expected
    assert noisy.spoiled > 5
    assert talk.traffic.repeated > 0


def test_garbage_does_not_stop_it(program):
    # A megabyte of it, with the sanitizers watching; then a question.
    garbage = np.random.default_rng(1).bytes(200_000)
    question = frames.encode(frames.Frame(messages.Type.HELLO, 77))
    done = subprocess.run(
        [str(program)],
        input=garbage + question,
        capture_output=True,
        env=firmware.environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-500:]
    found = frames.Decoder().feed(done.stdout)
    greeting = messages.Type.HELLO | messages.REPLY
    assert [x.sequence for x in found if getattr(x, "type", 0) == greeting] == [77]


def test_a_run_that_is_asked_twice_runs_once(port):
    [given], [expected] = asked(1)
    talk = session.Session(port)
    talk.run(given, 5)
    data = messages.run(given)
    replies = []
    decoder = frames.Decoder()
    for number in (900, 900, 901):
        port.write(frames.encode(frames.Frame(messages.Type.RUN, number, data)))
        while not (found := decoder.feed(port.read(5.0))):
            pass
        replies.append(messages.ran(found[0].data))
    first, again, other = replies
    assert again == first
    assert other.cycles != first.cycles
    assert {each.output_crc for each in replies} == {zlib.crc32(expected)}


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        (messages.Type.WRITE, messages.write(72, b"x"), messages.Status.OUT_OF_RANGE),
        (messages.Type.WRITE, b"\1\2", messages.Status.OUT_OF_RANGE),
        (messages.Type.WRITE, messages.write(2**32 - 1, b"xx"), 2),
        (messages.Type.READ, messages.read(0, 6), messages.Status.OUT_OF_RANGE),
        (messages.Type.READ, messages.read(6, 0), messages.Status.OUT_OF_RANGE),
        (messages.Type.READ, b"", messages.Status.OUT_OF_RANGE),
        (messages.Type.READ, messages.read(5, 0), messages.Status.DONE),
        (messages.Type.RUN, messages.run(b"another"), messages.Status.OTHER_INPUT),
        (messages.Type.RUN, b"", messages.Status.OTHER_INPUT),
        (9, b"", messages.Status.UNKNOWN),
    ],
)
def test_what_cannot_be_is_refused(port, kind, data, status):
    port.write(frames.encode(frames.Frame(kind, 5, data)))
    [reply] = next(filter(None, map(frames.Decoder().feed, iter_reads(port))))
    assert (reply.type, reply.sequence) == (kind | messages.REPLY, 5)
    assert messages.status(reply.data) == status


def iter_reads(port):
    while True:
        yield port.read(5.0)


def test_another_version_is_told_so(port):
    port.write(frames.encode(frames.Frame(messages.Type.HELLO, 5, version=2)))
    [reply] = next(filter(None, map(frames.Decoder().feed, iter_reads(port))))
    assert messages.status(reply.data) is messages.Status.UNKNOWN


def test_silence_ends():
    port = ports.opened("exec:sleep 60")
    try:
        talk = session.Session(port, silence_seconds=0.2)
        with pytest.raises(
            session.SilenceError, match=r"60' for 0\.2 s: is the harness"
        ):
            talk.hello()
    finally:
        port.close()


def test_a_board_that_is_reset_is_given_its_input_again(program):
    class Reset:
        """Another process in place of the first, after so many writes."""

        name, baud = "reset", None

        def __init__(self):
            self.writes = 0
            self.port = ports.opened(firmware.command_of(program))

        def read(self, seconds):
            return self.port.read(seconds)

        def write(self, data):
            self.writes += 1
            if self.writes == 3:
                self.close()
                self.port = ports.opened(firmware.command_of(program))
            self.port.write(data)

        def close(self):
            self.port.close()

    [given], [expected] = asked(1)
    line = Reset()
    try:
        talk = session.Session(line)
        talk.hello()
        # The third is the RUN: the new process has no input.
        assert talk.run(given, 5).outputs == expected
        assert line.writes > 3
    finally:
        line.close()


def test_a_program_that_ends_is_told_at_once():
    port = ports.opened("exec:true")
    try:
        with pytest.raises(ports.LineError, match="the program ended with 0"):
            session.Session(port).hello()
    finally:
        port.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exec:", "names no program"),
        ("exec:/nowhere/program", "cannot start the program"),
        ("exec:'open", "cannot start the program"),
        ("tcp:localhost", "is tcp:HOST:PORT"),
        ("tcp:127.0.0.1:1", "nothing answers at '127.0.0.1:1'"),
        ("/dev/nowhere", "there is no such device. Serial ports here:"),
    ],
)
def test_a_line_that_is_not_there_is_named(text, expected):
    if text.startswith("/dev"):
        pytest.importorskip("serial")
    with pytest.raises(errors.UsageError) as raised:
        ports.opened(text)
    assert expected in str(raised.value)
    assert len(str(raised.value)) < errors.MAX_LINE_CHARACTERS


def test_only_serial_lines_are_slow():
    pytest.importorskip("serial")
    with contextlib.closing(ports.opened("loop://", 9_600)) as line:
        assert line.baud == 9_600
        line.write(b"ab")
        assert line.read(1.0) == b"ab" and line.read(0.01) == b""
    with contextlib.closing(ports.opened("exec:cat", 9_600)) as line:
        assert line.baud is None


def say(program, text):
    """What the firmware says to text, line by line, after its start."""
    done = subprocess.run(
        [str(program)],
        input=text.encode("latin-1"),
        capture_output=True,
        env=firmware.environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-500:]
    lines = done.stdout.decode("ascii").split("\r\n")
    assert lines[0] == "m-timestamp-mode-performance"
    assert lines[1].startswith("m-lap-us-")
    assert lines[2:4] == ["m-init-done", "m-ready"]
    assert lines[-1] == ""
    return lines[4:-1]


def test_commands_of_mlperf_tiny_are_answered_as_by_its_reference(program):
    """Replies of benchmark/api/internally_implemented.cpp, mlcommons/tiny 1afd2c9."""
    assert say(program, "name%") == ["m-name-dut-[PC]", "m-ready"]
    [lap, ready] = say(program, "timestamp%")
    assert lap.removeprefix("m-lap-us-").isdecimal() and ready == "m-ready"
    assert say(program, "profile%") == [
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        f"m-model-[{literals.plain(firmware.network().name)}]",
        "m-ready",
    ]
    assert say(program, "no such%") == ["e-[Unknown command: no]", "m-ready"]
    assert say(program, "db%")[0] == "e-[Command 'db' requires a subcommand]"
    assert say(program, "db load%")[0].startswith("e-[Command 'db load' requires")
    assert say(program, "db load 0%")[0] == "e-[Command 'db load' must be >0 bytes]"
    assert say(program, "db load 72%")[0] == "m-[Expecting 72 bytes]"
    assert say(program, "db load 9%")[0].startswith("e-[The input has 72 bytes")
    assert say(program, "db load 72%db 123%")[2].startswith("e-[Insufficent number")
    assert say(program, "db load 72%db 1g%")[2] == "e-[Invalid hex digit '1g']"
    assert say(program, "db 12%")[0].startswith("e-[Nothing is expected")
    assert say(program, "infer 0%")[0] == "e-[Inference iterations must be >0]"
    assert say(program, "help%")[0] == "ULPMark for tinyML Firmware V0.0.1"
    # Noise is no command, nor is anything too long.
    assert say(program, "na\x80me%name%") == ["m-name-dut-[PC]", "m-ready"]
    assert say(program, f"{'x' * 200}%\r\nname%\n") == ["m-name-dut-[PC]", "m-ready"]


def loaded(data):
    """`db` commands as the runner's device_under_test.py sends them."""
    parts = [data[i : i + 31].hex() for i in range(0, len(data), 31)]
    return f"db load {len(data)}%" + "".join(f"db {part}%" for part in parts)


def results(lines):
    [line] = [each for each in lines if each.startswith("m-results-[")]
    return [float(x) for x in line[len("m-results-[") : -1].split(",")]


def test_inference_by_commands_gives_the_simulated_results(program):
    g = firmware.network()
    [given], _ = asked(1)
    image = networks.to_arrays([given], [g.tensors[g.inputs[0]]])
    quant = g.tensors[g.outputs[0]].quant
    [answer] = execution.run(g, image)
    real = (answer.astype(np.int64) - quant.zero_point[0]).ravel() * np.float32(
        quant.scale[0]
    )
    lines = say(program, loaded(given) + "infer 3 1%results%")
    assert lines[:2] == ["m-[Expecting 72 bytes]", "m-ready"]
    assert "m-load-done" in lines
    start = lines.index("m-warmup-start-1")
    assert lines[start + 1 : start + 3] == ["m-warmup-done", "m-infer-start-3"]
    laps = [int(x.removeprefix("m-lap-us-")) for x in lines[start + 3 : start + 5]]
    assert laps == sorted(laps)
    assert lines[start + 5] == "m-infer-done"
    first, again = (x for x in lines if x.startswith("m-results-"))
    assert first == again
    np.testing.assert_array_equal(results([first]), [float(f"{x:.3f}") for x in real])


def test_an_input_of_reals_is_quantized(program):
    g = firmware.network()
    source = g.tensors[g.inputs[0]].quant
    [given], _ = asked(1, seed=4)
    integers = np.frombuffer(given, np.int8).astype(np.float32)
    reals = (integers - source.zero_point[0]) * np.float32(source.scale[0])
    by_reals = say(program, loaded(reals.astype("<f4").tobytes()) + "infer 1 0%")
    by_bytes = say(program, loaded(given) + "infer 1 0%")
    assert results(by_reals) == results(by_bytes)


def test_text_and_frames_go_over_one_line(port):
    [given], [expected] = asked(1)
    talk = session.Session(port)
    port.write(b"name%")
    assert talk.run(given, 5).outputs == expected
    port.write(b"name%")
    heard = b""
    while b"m-ready" not in heard:
        heard += port.read(5.0)
    assert b"m-name-dut-[PC]\r\nm-ready\r\n" in heard


@pytest.mark.slow
def test_networks_of_states_and_of_several_ends_are_run_anew_each_time(tmp_path):
    from tests import several_ends
    from tests.simulate import recurrent_test
    from tfpipeline.ir import from_tflite

    recurrent = next(iter(recurrent_test.CASES.values()))
    for name, model in (("several", several_ends.model()), ("states", recurrent)):
        g = from_tflite.read(model, name=name)
        harness = firmware.exported(tmp_path / name, g, name)
        port = ports.opened(firmware.command_of(firmware.built(harness, "pc")))
        inputs = micro.random_inputs(g, 3)
        expected = networks.to_bytes(execution.run(g, inputs))
        try:
            talk = session.Session(port)
            size = talk.hello().output_bytes
            for given, right in zip(networks.to_bytes(inputs), expected, strict=True):
                assert talk.run(given, size).outputs == right
        finally:
            port.close()
