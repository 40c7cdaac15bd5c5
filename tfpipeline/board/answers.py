"""What a board answered, kept as it comes, so that a run goes on where it ended.

A file of JSON lines: the first says of which network and board, each other one is an
answer. The whole file is written anew, atomically, once a second at most.
"""

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from tfpipeline import atomic_files, errors
from tfpipeline.board import messages
from tfpipeline.untrusted import content, damage, json_values

FORMAT = "tfpipeline-board-answers 1"
_EVERY_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        example: its number in the test data.
        input_crc: CRC-32 of the input's bytes.
        outputs: bytes of all outputs.
        cycles: of the board's counter.
        seconds: from the input's first byte to the answer's last one.
    """

    example: int
    input_crc: int
    outputs: bytes
    cycles: int
    seconds: float


class Answers:
    """Those of one network on one board."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        greeting: messages.Greeting,
    ) -> None:
        """Reads what is there already.

        Args:
            path: of the file; without one nothing is kept.
            greeting: of the board.

        Raises:
            UsageError: the file is of another network or board.
            ForeignFileError: it is no such file.
            DamagedFileError: it is damaged.
        """
        self._path = None if path is None else pathlib.Path(path)
        self._head = {
            "format": FORMAT,
            "digest": greeting.digest.hex(),
            "network": greeting.network,
            "board": greeting.board,
            "clock_hz": greeting.clock_hz,
        }
        self._known: dict[int, Answer] = {}
        self._written_at = 0.0
        if self._path is not None and content.exists(self._path):
            self._known = _read(self._path, self._head)

    def known(self, example: int, input_crc: int) -> Answer | None:
        """The answer to an example, if there is one to this very input.

        Raises:
            UsageError: there is one, to another input.
        """
        found = self._known.get(example)
        if found is not None and found.input_crc != input_crc:
            raise errors.UsageError(
                f"{self._path} has answers to other data: example {example} is another "
                "input; name another --records"
            )
        return found

    def add(self, answer: Answer) -> None:
        """Takes an answer; writes it soon."""
        self._known[answer.example] = answer
        if time.monotonic() - self._written_at > _EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes all of them.

        Raises:
            StorageError: the file cannot be written.
        """
        if self._path is None:
            return
        lines = [self._head, *map(_to_json, self._known.values())]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        atomic_files.write_text(self._path, text, _is_ours)
        self._written_at = time.monotonic()


def _to_json(answer: Answer) -> dict[str, Any]:
    return {
        "example": answer.example,
        "input": f"{answer.input_crc:08x}",
        "outputs": answer.outputs.hex(),
        "cycles": answer.cycles,
        "seconds": round(answer.seconds, 6),
    }


def _is_ours(path: pathlib.Path) -> bool:
    try:
        first, *_ = content.read_text(path).splitlines() or [""]
        value = json_values.parse(first, str(path))
    except errors.StorageError:
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


def _read(path: pathlib.Path, head: Mapping[str, Any]) -> dict[int, Answer]:
    if not _is_ours(path):
        raise errors.ForeignFileError(
            f"{path} is no file of a board's answers, and stays as it is: name another "
            "--records"
        )
    first, *lines = content.read_text(path).splitlines()
    there = json_values.parse(first, str(path))
    for key, value in head.items():
        if there.get(key) != value:
            raise errors.UsageError(
                f"{path} has answers of another {key}: {errors.brief(there.get(key))}; "
                f"this is {errors.brief(value)}. Name another --records"
            )
    with damage.reported(str(path), "of a board's answers"):
        found = [_answer(json_values.parse(line, str(path))) for line in lines]
    return {answer.example: answer for answer in found}


def _answer(value: Mapping[str, Any]) -> Answer:
    return Answer(
        int(value["example"]),
        int(value["input"], 16),
        bytes.fromhex(value["outputs"]),
        int(value["cycles"]),
        float(value["seconds"]),
    )
