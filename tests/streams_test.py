"""A program whose output nobody takes, and one that is asked to end."""

import functools
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tfpipeline import errors, streams

_ROOT = pathlib.Path(__file__).resolve().parents[1]

# Prints its argument, and then waits for a signal where that is "wait".
_PROGRAM = """
import sys, time
from tfpipeline import entry
from tests.configs import example

def main(config):
    for text in config.export:
        try:
            print(text, flush=text == "wait")
            if text == "wait":
                time.sleep(60)
        finally:
            print("cleaned", file=sys.stderr)

entry.start(main, "tool", example.Run())
"""


def _start(*arguments, **options):
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=_ROOT, text=True, **options)


def _end(process):
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "Exception ignored" not in err
    return process.returncode, out, err


# Python's own setting for a stream without a buffer.
_BUFFERS = pytest.mark.parametrize("unbuffered", ["", "1"])


@_BUFFERS
def test_a_reader_that_leaves_ends_a_program_quietly(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    for arguments in ("--export=text", f"--export={'x' * 100_000}", "--help"):
        reading, writing = os.pipe()
        os.close(reading)
        code, _, err = _end(_start(arguments, stdout=writing, env=environment))
        os.close(writing)
        assert code == streams.EXIT_CLOSED == 141
        assert err.replace("cleaned\n", "") == ""


@_BUFFERS
def test_a_full_disk_behind_standard_output_is_said(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        code, _, err = _end(_start("--export=text", stdout=full, env=environment))
    assert code == 2
    line = "tool: error: cannot write to standard output: No space left on device"
    assert err.splitlines() == ["cleaned", line]


def test_closed_streams_are_nowhere():
    closed = f'exec "{sys.executable}" -c "$0" --export=text <&- >&- 2>&-'
    done = subprocess.run(["bash", "-c", closed, _PROGRAM], cwd=_ROOT, timeout=60)
    assert done.returncode == 0


def test_characters_that_an_encoding_lacks_are_escapes():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:strict"}
    process = _start("--export=\u6f22\xe9", env=environment, encoding="latin-1")
    assert _end(process)[:2] == (0, "\\u6f22\xe9\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_program_as_the_keyboard_does(number):
    # Tests that run under nohup would hand their program an ignored SIGHUP.
    as_at_login = functools.partial(signal.signal, number, signal.SIG_DFL)
    process = _start("--export=wait", preexec_fn=as_at_login)
    assert process.stdout.readline() == "wait\n"
    process.send_signal(number)
    code, _, err = _end(process)
    assert code == 128 + number
    text = f"tool: error: ended by {number.name}; the same command resumes"
    assert err.splitlines() == ["cleaned", text]


def test_a_signal_that_is_ignored_stays_so():
    ignoring = f'trap "" HUP; exec "{sys.executable}" -c "$0" --export=wait'
    process = subprocess.Popen(
        ["bash", "-c", ignoring, _PROGRAM],
        cwd=_ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == "wait\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert _end(process)[0] == 143


def test_signals_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with streams.prepared():
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def test_no_library_stops_the_end():
    assert not issubclass(streams.EndedError, (Exception, errors.PipelineError))
