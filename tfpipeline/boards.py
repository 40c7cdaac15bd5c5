"""The boards that a network can be estimated on: all of them, or one's file to copy.

    tfpipeline boards
    tfpipeline boards nrf5340 > mine.yaml
    tfpipeline estimate --model=cmsisnet --board=mine.yaml

`measured` is how far the model was from published figures with the kernels that it is
of, of the lowest and the highest network; `unmeasured`, that there are none.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from tfpipeline import entry
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.report import costs
from tfpipeline.targets.stm32 import board_files, spec


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    board: Annotated[
        str | None, Flag("The board whose file to print; all are listed without.")
    ] = None


def main(command: Command) -> None:
    """Prints the file of one board, or a line for each."""
    if command.board is not None:
        print(board_files.text(command.board), end="")
        return
    boards = [board_files.load(name) for name in board_files.names()]
    print(listed(boards))


def listed(boards: Sequence[spec.Board]) -> str:
    """A table with a line for each board; no trailing newline."""
    header = ("board", "core", "clock", "flash", "RAM", "known", "compared with")
    return costs.table(header, [_row(board) for board in boards], len(header))


def _row(board: spec.Board) -> tuple[str, ...]:
    known = board.evidence
    if board.is_measured:
        known = f"{known}, {board.error_text}"
    elif board.compared:
        known = f"{known} (other software: {board.error_text})"
    return (
        board.name,
        board.core.name,
        f"{board.clock_hz / 1e6:g} MHz",
        f"{board.flash_bytes // 1024:,} KiB",
        " + ".join(f"{each.num_bytes // 1024:,}" for each in board.ram) + " KiB",
        known,
        "; ".join(f"{each.software}: {each.source}" for each in board.compared) or "-",
    )


if __name__ == "__main__":
    entry.start(main, "boards", Command(), arguments=("board",))
