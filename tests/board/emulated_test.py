"""A trained network's 200 test pictures over the serial lines of emulated boards."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from export.c import files
from export.harness import building
from tests.board import firmware
from tests.export.c import emulated_program
from tfpipeline import errors, model_source, run

pytestmark = [
    pytest.mark.emulated,
    emulated_program.needs("cortex-m4"),
]

TEST = 200
# Of QEMU to start, and to open its line.
_START_SECONDS = 30


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The run, and the harness of its C."""
    from tests.board import trained  # TensorFlow, for what is left out by default.

    folder = tmp_path_factory.mktemp("trained")
    path = trained.train(folder, TEST)
    g = model_source.with_weights(str(path)).graph
    files.write(folder / "c", g, "small")
    return path, folder / "c" / "harness"


@contextlib.contextmanager
def board(harness, machine, serial):
    """QEMU with a board's program; yields the process and its standard error."""
    program = firmware.built(harness, machine, "-O2 -Werror -pedantic")
    with subprocess.Popen(
        building.qemu(machine, str(program), serial),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def pty_of(process):
    """The device that QEMU says."""
    said = b""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        if ready:
            said += os.read(process.stdout.fileno(), 4096)
        if found := re.search(rb"redirected to (/dev/\S+)", said):
            return found[1].decode()
    raise AssertionError(said)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_until_listening(number):
    """Until QEMU's line can be connected to; a connection would be its only one."""
    # The local address, then state 0A: LISTEN (proc(5), /proc/net/tcp).
    listening = re.compile(rf"0100007F:{number:04X} \S+ 0A ")
    end = time.monotonic() + _START_SECONDS
    while not listening.search(pathlib.Path("/proc/net/tcp").read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)


class Bridge:
    """A TCP line to a board that spoils a share of the bytes in both directions."""

    def __init__(self, number, share):
        self._number, self._share = number, share
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self.spoiled = self.passed = 0
        self._lines = [self._server]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        """Ends the lines, which ends the threads that wait on them."""
        for each in self._lines:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self):
        host, _ = self._server.accept()
        self._lines.append(host)
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                line = socket.create_connection(("127.0.0.1", self._number))
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)
        self._lines.append(line)
        for source, sink, seed in ((host, line, 0), (line, host, 1)):
            place = (source, sink, np.random.default_rng(seed))
            threading.Thread(target=self._pass, args=place, daemon=True).start()

    def _pass(self, source, sink, random):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                values = np.frombuffer(data, np.uint8).copy()
                hit = random.random(len(values)) < self._share
                values[hit] ^= random.integers(1, 256, int(hit.sum()), np.uint8)
                self.spoiled += int(hit.sum())
                self.passed += len(values)
                sink.sendall(values.tobytes())
            sink.shutdown(socket.SHUT_RDWR)


def command(path, port, **flags):
    return run.Command(model=str(path), port=port, limit=TEST, **flags)


def require_equal(found, capsys, title):
    assert found.inputs == TEST and found.differing == ()
    board, simulated = found.shown["accuracy"]
    assert board == simulated
    assert found.figures["accuracy"] > 0.4  # Of 4 classes: it has learned.
    with capsys.disabled():
        print(f"\n{title}\n" + "\n".join(run._lines(found)))


@pytest.mark.parametrize("machine", ["mps2-an386", "mps2-an500", "mps3-an547"])
def test_a_trained_network_answers_over_a_pty(network, machine, capsys):
    pytest.importorskip("serial")
    path, harness = network
    with board(harness, machine, "pty") as process:
        found = run.run(command(path, pty_of(process)))
    require_equal(found, capsys, f"{machine}, pty")
    assert found.traffic.damaged == 0
    # Instructions, by -icount: hardly any depend on the input.
    assert 0 < found.cycles.spread < 0.01


# On one board: a request in two is repeated, which takes an emulator minutes.
@pytest.mark.parametrize("machine", ["mps2-an500"])
def test_one_spoiled_byte_in_a_hundred_changes_no_answer(network, machine, capsys):
    path, harness = network
    number = free_port()
    serial = f"tcp:127.0.0.1:{number},server=on,wait=off"
    with (
        board(harness, machine, serial),
        contextlib.closing(Bridge(number, 0.01)) as bridge,
    ):
        found = run.run(command(path, bridge.port))
    require_equal(found, capsys, f"{machine}, TCP, 1 % of the bytes spoiled")
    assert 0.005 < bridge.spoiled / bridge.passed < 0.02
    assert found.traffic.repeated > TEST


def test_killed_boards_and_commands_go_on(network, tmp_path, capsys):
    path, harness = network
    records = tmp_path / "answers.jsonl"
    number = free_port()
    serial = f"tcp:127.0.0.1:{number},server=on,wait=off"
    port = f"tcp:127.0.0.1:{number}"

    def kept():
        with contextlib.suppress(OSError):
            return len(records.read_text().splitlines()) - 1
        return 0

    def wait_for(count):
        end = time.monotonic() + 300
        while kept() < count and time.monotonic() < end:
            time.sleep(0.05)
        assert kept() >= count

    arguments = [f"--model={path}", f"--port={port}", f"--records={records}"]
    arguments += [f"--limit={TEST}"]
    program = [sys.executable, "-m", "tfpipeline.run", *arguments]
    root = pathlib.Path(run.__file__).parents[1]
    with board(harness, "mps2-an386", serial):
        wait_until_listening(number)
        process = subprocess.Popen(program, cwd=root)
        wait_for(20)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kept() < TEST
    # Another board of the same kind, which dies too.
    with board(harness, "mps2-an386", serial) as emulator:
        wait_until_listening(number)
        process = subprocess.Popen(program, cwd=root, stderr=subprocess.PIPE)
        wait_for(kept() + 20)
        emulator.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    [line] = said.decode().splitlines()
    assert "is gone" in line and "the same command goes on from there" in line
    assert len(line) < errors.MAX_LINE_CHARACTERS
    assert kept() < TEST
    before = kept()
    with board(harness, "mps2-an386", serial):
        wait_until_listening(number)
        found = run.run(command(path, port, records=str(records)))
    assert found.answered == TEST - before
    require_equal(found, capsys, "mps2-an386, killed twice, resumed")
