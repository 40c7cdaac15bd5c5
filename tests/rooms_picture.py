"""The picture of the rooms in docs/architecture.md, drawn from BUILD.md's table.

    python -m tests.rooms_picture

writes docs/rooms.svg again after a change of the table; a test holds them together.
"""

import ast
import io
import pathlib

import matplotlib
from matplotlib import figure, patches

from tests import room_table

FILE = room_table.ROOT / "docs" / "rooms.svg"
_COMPAT = "tfpipeline/compat"
_COLORS = {"entry": "#f2c14e", "TensorFlow": "#f6b7a0", "NumPy": "#bcd9ef"}
_LABELS = {
    "entry": "an entry point",
    "TensorFlow": "imports TensorFlow",
    "NumPy": "does not",
}
_WIDTH, _ROW_HEIGHT, _GAP = 12.0, 0.5, 0.08
# Of a letter at the font size below, in inches.
_LETTER = 0.074


def ranks(tree: room_table.Tree) -> dict[str, int]:
    """Room -> floor: 0 imports no room, any other stands one above its highest."""
    floors: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in floors:
            floors[room] = 1 + max(map(floor, tree.rooms[room]), default=-1)
        return floors[room]

    for room in tree.rooms:
        floor(room)
    return floors


def sides(tree: room_table.Tree) -> dict[str, str]:
    """Room -> whether it is an entry point, needs TensorFlow, or does not."""
    entries = {
        tree.room(source.module)
        for source in tree.sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and node.value == "__main__"
    }
    return {
        room: "entry" if room in entries else _below(tree, room) for room in tree.rooms
    }


def _below(tree: room_table.Tree, room: str) -> str:
    reached, ahead = set(), [room]
    while ahead:
        for other in tree.rooms[ahead.pop()] - reached:
            reached.add(other)
            ahead.append(other)
    return "TensorFlow" if _COMPAT in reached | {room} else "NumPy"


def draw(tree: room_table.Tree) -> str:
    """The picture as SVG, the same text for the same table."""
    lines = _lines(tree)
    height = (len(lines) + 1) * _ROW_HEIGHT
    with matplotlib.rc_context({"svg.hashsalt": "rooms", "svg.fonttype": "none"}):
        drawing = figure.Figure(figsize=(_WIDTH, height))
        axes = drawing.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, _WIDTH), ylim=(0, height))
        axes.axis("off")
        kinds = sides(tree)
        for index, rooms in enumerate(lines):
            _row(axes, kinds, rooms, (index + 1) * _ROW_HEIGHT)
        _legend(axes)
        stream = io.StringIO()
        drawing.savefig(stream, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _lines(tree: room_table.Tree) -> list[list[str]]:
    """Rooms a line, lowest floor first; a full floor takes several lines."""
    floors = ranks(tree)
    lines: list[list[str]] = []
    for rank in range(max(floors.values()) + 1):
        line: list[str] = []
        for room in sorted(room for room, each in floors.items() if each == rank):
            if sum(map(_width, [*line, room])) > _WIDTH - 2 * _GAP:
                lines.append(line)
                line = []
            line.append(room)
        lines.append(line)
    return lines


def _width(room: str) -> float:
    return len(_name(room)) * _LETTER + 0.2 + _GAP


def _name(room: str) -> str:
    return room.removeprefix("tfpipeline/")


def _row(axes, kinds: dict[str, str], rooms: list[str], bottom: float) -> None:
    left = (_WIDTH - sum(map(_width, rooms))) / 2
    for room in rooms:
        width = _width(room) - _GAP
        box = patches.FancyBboxPatch(
            (left, bottom),
            width,
            _ROW_HEIGHT * 0.7,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=_COLORS[kinds[room]],
            edgecolor="#555555",
            linewidth=0.7,
        )
        axes.add_patch(box)
        axes.text(
            left + width / 2,
            bottom + _ROW_HEIGHT * 0.35,
            _name(room),
            ha="center",
            va="center",
            fontsize=9,
            family="monospace",
        )
        left += width + _GAP


def _legend(axes) -> None:
    left = 0.3
    for key, color in _COLORS.items():
        axes.add_patch(patches.Rectangle((left, 0.14), 0.25, 0.2, facecolor=color))
        axes.text(left + 0.35, 0.24, _LABELS[key], va="center", fontsize=9)
        left += 2.2
    axes.text(left, 0.24, "a room imports rooms below it only", va="center", fontsize=9)


def main() -> None:
    """Writes the picture."""
    pathlib.Path(FILE).write_text(draw(room_table.read()), encoding="utf-8")


if __name__ == "__main__":
    main()
