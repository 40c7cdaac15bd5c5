"""Lines to a board: a serial device, a TCP connection, or a program of this machine.

/dev/ttyACM0         a serial device, a pseudo terminal, or a URL of pyserial, which
                     this needs
tcp:HOST:PORT        what QEMU's -serial tcp:... or a bridge of serial lines offers
exec:COMMAND         a program whose standard input and output are the line
"""

import contextlib
import os
import selectors
import shlex
import signal
import socket
import subprocess
import time
from typing import Any, Protocol

from tfpipeline import errors

BAUD = 115_200
# To reach a TCP port that is there.
_CONNECT_SECONDS = 10.0
# For what a line does not take: no board that reads is so slow, even at 1,200 baud.
_WRITE_SECONDS = 10.0
# Of a program whose line is closed, and of one that is asked to end.
_END_SECONDS = 0.5


class LineError(errors.TargetError):
    """The line is gone: a cable, a board, a program or a connection."""


class Port(Protocol):
    """A line of bytes.

    Attributes:
        name: as the user gave it.
        baud: of a line that takes a byte some time; None of others.
    """

    name: str
    baud: int | None

    def read(self, seconds: float) -> bytes:
        """What has come: at once, or within `seconds`; empty if nothing has.

        Raises:
            LineError: the line is gone.
        """

    def write(self, data: bytes) -> None:
        """Sends all of it.

        Raises:
            LineError: the line is gone, or takes nothing.
        """

    def close(self) -> None:
        """Gives the line back; ends the program of `exec:`."""


def opened(text: str, baud: int = BAUD) -> Port:
    """Opens a line.

    Args:
        text: of --port.
        baud: of a serial device, 8N1.

    Raises:
        UsageError: there is no such line, or it cannot be opened; says why.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind == "tcp":
        return _tcp(text, rest)
    if colon and kind == "exec":
        return _program(text, rest)
    return _serial(text, baud)


class _Descriptors:
    """A line of two file descriptors of this process, which may be one."""

    def __init__(self, name: str, reads: int, writes: int, owner: Any) -> None:
        self.name = name
        self.baud: int | None = None
        self._reads, self._writes, self._owner = reads, writes, owner
        os.set_blocking(reads, False)
        os.set_blocking(writes, False)

    def read(self, seconds: float) -> bytes:
        if not _is_ready(self._reads, selectors.EVENT_READ, seconds):
            return b""
        try:
            found = os.read(self._reads, 65536)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LineError(self._gone(error)) from error
        if not found:
            raise LineError(self._gone(None))
        return found

    def write(self, data: bytes) -> None:
        end = time.monotonic() + _WRITE_SECONDS
        while data:
            left = end - time.monotonic()
            if left <= 0 or not _is_ready(self._writes, selectors.EVENT_WRITE, left):
                raise LineError(f"{self.name} takes nothing for {_WRITE_SECONDS:.0f} s")
            try:
                data = data[os.write(self._writes, data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise LineError(self._gone(error)) from error

    def close(self) -> None:
        if isinstance(self._owner, subprocess.Popen):
            _end(self._owner)
        else:
            self._owner.close()

    def _gone(self, error: OSError | None) -> str:
        reason = "it was closed" if error is None else error.strerror or str(error)
        if isinstance(self._owner, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._owner.wait(_END_SECONDS)
                reason = f"the program ended with {code}"
        return f"the line {errors.brief(self.name)} is gone: {reason}"


def _is_ready(descriptor: int, event: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        return bool(selector.select(max(0.0, seconds)))


def _tcp(text: str, place: str) -> Port:
    host, colon, number = place.rpartition(":")
    if not colon or not host or not number.isdecimal() or int(number) > 65535:
        raise errors.UsageError(
            f"--port={errors.brief(text)}: a TCP line is tcp:HOST:PORT, such as "
            "tcp:127.0.0.1:5555"
        )
    try:
        address = (host.strip("[]"), int(number))
        line = socket.create_connection(address, _CONNECT_SECONDS)
    except OSError as error:
        raise errors.UsageError(
            f"nothing answers at {errors.brief(place)}: {error.strerror or error}. "
            "Start the emulator or the bridge first"
        ) from error
    # A frame is sent whole, and waited for.
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Descriptors(text, line.fileno(), line.fileno(), line)


def _program(text: str, command: str) -> Port:
    try:
        words = shlex.split(command)
        if not words:
            raise errors.UsageError("--port=exec:COMMAND names no program")
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Ctrl-C is for this program, which then ends that one.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.UsageError(
            f"cannot start the program of --port={errors.brief(text)}: {reason}"
        ) from error
    assert process.stdin is not None and process.stdout is not None
    return _Descriptors(text, process.stdout.fileno(), process.stdin.fileno(), process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Closes a program's line; ends it where that does not."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            process.wait(_END_SECONDS)
            return
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
    process.wait()


class _Serial:
    """A line of pyserial."""

    def __init__(
        self, name: str, baud: int, line: Any, failure: type[Exception]
    ) -> None:
        self.name = name
        self.baud: int | None = baud
        self._line, self._failure = line, failure

    def read(self, seconds: float) -> bytes:
        try:
            # Whatever waits; else a byte, or nothing when the time is over.
            self._line.timeout = max(0.0, seconds)
            first: bytes = self._line.read(1)
            rest: bytes = self._line.read(self._line.in_waiting) if first else b""
        except (self._failure, OSError) as error:
            raise LineError(self._gone(error)) from error
        return first + rest

    def write(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except (self._failure, OSError) as error:
            raise LineError(self._gone(error)) from error

    def close(self) -> None:
        with contextlib.suppress(self._failure, OSError):
            self._line.close()

    def _gone(self, error: Exception) -> str:
        reason = errors.one_line(str(error), 100)
        return f"the line {errors.brief(self.name)} is gone: {reason}"


def _serial(text: str, baud: int) -> Port:
    try:
        import serial
        from serial.tools import list_ports
    except ImportError as error:
        raise errors.UsageError(
            "serial lines need pyserial: pip install 'tfpipeline[board]'"
        ) from error
    try:
        line = serial.serial_for_url(
            text, baud, timeout=0, write_timeout=_WRITE_SECONDS
        )
    except (serial.SerialException, OSError, ValueError) as error:
        raise errors.UsageError(
            _unopened(text, error, [port.device for port in list_ports.comports()])
        ) from error
    return _Serial(text, baud, line, serial.SerialException)


def _unopened(text: str, error: Exception, there: list[str]) -> str:
    """Why a serial device was not opened, and what there is instead."""
    number = getattr(error, "errno", None)
    if number == 13:
        reason = "no permission: join the group of the device (Debian: dialout)"
    elif number == 16:
        reason = "another program uses it"
    elif number == 2 or not os.path.exists(text):
        reason = "there is no such device"
    else:
        reason = errors.one_line(str(error), 120)
    listed = errors.listed(there, 4) if there else "none is plugged in"
    return f"cannot open {errors.brief(text)}: {reason}. Serial ports here: {listed}"
