"""A conversation with a board: requests that are answered, however bad the line is."""

import dataclasses
import time
import zlib
from collections.abc import Callable

from tfpipeline import errors
from tfpipeline.board import frames, messages, ports

# Without an answer for so long a board is taken for dead.
SILENCE_SECONDS = 10.0
# The first wait for a reply. Later ones go by how long replies took.
_FIRST_WAIT_SECONDS = 0.5
# The shortest wait: of a scheduler, or a USB adapter that collects bytes for 16 ms.
_SHORTEST_WAIT_SECONDS = 0.03
# A reply may take so many times as long as those before it did.
_PATIENCE = 4.0
# Weight of the newest time, as RFC 6298, 2.3 has it for the smoothed time of TCP.
_NEWEST = 1 / 8
# Bits of a byte on a serial line: 8N1.
_BITS = 10
# What a part of an input is grown by after it came through, and what is left of it
# after one that did not; a part has at least so many bytes. Where 1 % of the bytes are
# spoiled, parts become some 70 bytes long, which carry the most.
_GROWN, _LEFT, _SMALLEST = 16, 0.85, 16
# Attempts to make a board take an input.
_ATTEMPTS = 3


class SilenceError(errors.TargetError):
    """A board does not answer."""


class OtherInputError(errors.TargetError):
    """A board was to run another input than it has: it was reset."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a board said of an input.

    Attributes:
        outputs: bytes of all outputs.
        cycles: of its counter.
    """

    outputs: bytes
    cycles: int


@dataclasses.dataclass
class Traffic:
    """What a conversation took.

    Attributes:
        requests: that were answered.
        repeated: requests that were sent once more.
        damaged: replies that did not arrive whole.
    """

    requests: int = 0
    repeated: int = 0
    damaged: int = 0


class Session:
    """One board at the end of a line.

    A request is repeated, with the same number, until its reply comes: replies may be
    lost or damaged like requests, and a board answers a number that it has answered
    before without doing it again.
    """

    def __init__(
        self,
        port: ports.Port,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Says nothing yet.

        Args:
            port: the line.
            silence_seconds: how long no answer is waited for.
            clock: that goes on while it is waited.
        """
        self.traffic = Traffic()
        self._port = port
        self._silence_seconds = silence_seconds
        self._byte_seconds = _BITS / port.baud if port.baud else 0.0
        self._clock = clock
        self._decoder = frames.Decoder()
        self._sequence = 0
        # Beside the time on the line; of runs apart, which compute.
        self._usual: dict[bool, float] = {}
        self._part = messages.MAX_WRITTEN

    def hello(self) -> messages.Greeting:
        """Asks who is there.

        Raises:
            SilenceError: nobody answers.
            LineError: the line is gone.
            TargetError: what answers is no harness of this version.
        """
        reply = self._ask(messages.Type.HELLO)
        if reply.version != frames.VERSION:
            raise errors.TargetError(
                f"the board speaks version {reply.version} of the protocol, this "
                f"program {frames.VERSION}: export the network with this program, "
                "build harness/ and load it onto the board"
            )
        return messages.greeting(reply.data)

    def run(self, given: bytes, output_bytes: int) -> Answer:
        """Has an input computed.

        Args:
            given: bytes of all inputs, as many as the greeting says.
            output_bytes: of all outputs, as the greeting says.

        Raises:
            OtherInputError: the board forgot the input again and again.
            SilenceError, LineError: as `hello`.
            TargetError: the network failed, or what answers is no harness.
        """
        for _ in range(_ATTEMPTS):
            self._send_input(given)
            reply = self._ask(messages.Type.RUN, messages.run(given))
            status = messages.status(reply.data)
            if status is messages.Status.OTHER_INPUT:
                continue
            _require_done(status, "run the network")
            ran = messages.ran(reply.data)
            outputs = self._outputs(output_bytes)
            # Another one where the board was reset in between.
            if zlib.crc32(outputs) == ran.output_crc:
                return Answer(outputs, ran.cycles)
        raise OtherInputError(
            "the board loses its input before it runs it: it resets itself, or another "
            "program writes to the line"
        )

    def _send_input(self, given: bytes) -> None:
        place = 0
        while place < len(given):
            part = given[place : place + self._part]
            before = self.traffic.repeated
            reply = self._ask(messages.Type.WRITE, messages.write(place, part))
            _require_done(messages.status(reply.data), "take the input")
            place += len(part)
            if self.traffic.repeated == before:
                self._part = min(messages.MAX_WRITTEN, self._part + _GROWN)
            else:
                # Short frames are damaged less often.
                self._part = max(_SMALLEST, int(self._part * _LEFT))

    def _outputs(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            count = min(size - len(found), messages.MAX_READ, self._part)
            reply = self._ask(messages.Type.READ, messages.read(len(found), count))
            _require_done(messages.status(reply.data), "give the output")
            if len(reply.data) != 1 + count:
                raise errors.TargetError(
                    f"the board gives {len(reply.data) - 1} bytes of the output for "
                    f"{count}: it has another harness"
                )
            found += reply.data[1:]
        return bytes(found)

    def _ask(self, kind: messages.Type, data: bytes = b"") -> frames.Frame:
        """Sends a request until its reply comes."""
        self._sequence = (self._sequence + 1) % 0x10000
        sent = frames.encode(frames.Frame(kind, self._sequence, data))
        computes = kind is messages.Type.RUN
        line_seconds = self._byte_seconds * (len(sent) + frames.MAX_DATA)
        usual = self._usual.get(computes)
        wait = _FIRST_WAIT_SECONDS
        if usual is not None:
            wait = max(_SHORTEST_WAIT_SECONDS, _PATIENCE * usual)
        start = self._clock()
        attempts = 0
        while self._clock() - start < self._silence_seconds:
            attempts += 1
            begun = self._clock()
            self._port.write(sent)
            reply = self._reply(kind, begun + line_seconds + wait)
            if reply is not None:
                if attempts == 1:
                    took = self._clock() - begun
                    old = took if usual is None else usual
                    self._usual[computes] = old + _NEWEST * (took - old)
                self.traffic.requests += 1
                return reply
            self.traffic.repeated += 1
            if self._clock() - begun >= wait:
                # Nothing came at all; of a damaged reply the time says nothing.
                wait *= 2
        raise SilenceError(
            f"nothing answers on {errors.brief(self._port.name)} for "
            f"{self._silence_seconds:g} s: is the harness on the board, the port "
            "right, and --baud as the board has it?"
        )

    def _reply(self, kind: messages.Type, until: float) -> frames.Frame | None:
        """The reply to the newest request; None if it is lost or late."""
        while (left := until - self._clock()) > 0:
            for found in self._decoder.feed(self._port.read(left)):
                if isinstance(found, frames.Damaged):
                    self.traffic.damaged += 1
                    return None
                if found.type == messages.Type.DAMAGED | messages.REPLY:
                    return None
                is_of_kind = found.type == kind | messages.REPLY
                if is_of_kind and found.sequence == self._sequence:
                    return found
        return None


def _require_done(status: messages.Status, what: str) -> None:
    if status is not messages.Status.DONE:
        reason = status.name.lower().replace("_", " ")
        raise errors.TargetError(f"the board did not {what}: {reason}")
