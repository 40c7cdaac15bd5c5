"""The commands of a page, in order, and what it shows of their output."""

import dataclasses
import pathlib
import re

_FENCE = "```"
_START = re.compile(r"(\$ )?(python|tfpipeline|make|PYTHONPATH=)\b")
_PROMPT = "$ "


@dataclasses.dataclass(frozen=True)
class Step:
    """Commands that stand together, and the lines that the page shows of them.

    Attributes:
        commands: each on one line, without a prompt.
        shown: (number of the line in the page, from 0; its text); empty where the page
            shows nothing.
    """

    commands: tuple[str, ...]
    shown: tuple[tuple[int, str], ...] = ()


def steps(text: str) -> list[Step]:
    """Steps of a page of Markdown.

    A block without a language that begins with a command holds commands; a line of it
    without `$ `, where the first one has that, is output. A block without a language
    behind it under the same heading, that begins with no command, is the output of all
    its commands.
    """
    result: list[Step] = []
    section = None
    for block in _blocks(text):
        if _START.match(block.lines[0][1]):
            result.append(_step(block.lines))
            section = block.section
            continue
        if block.section == section and not block.language:
            result[-1] = dataclasses.replace(result[-1], shown=tuple(block.lines))
        section = None
    return result


@dataclasses.dataclass(frozen=True)
class _Block:
    """A fenced block: its language, heading and numbered lines."""

    language: str
    section: int
    lines: list[tuple[int, str]]


def _blocks(text: str) -> list[_Block]:
    """All fenced blocks that are not empty."""
    blocks: list[_Block] = []
    is_inside, section = False, 0
    for number, line in enumerate(text.splitlines()):
        if line.startswith(_FENCE):
            is_inside = not is_inside
            if is_inside:
                blocks.append(_Block(line.removeprefix(_FENCE), section, []))
        elif is_inside:
            blocks[-1].lines.append((number, line))
        elif line.startswith("#"):
            section += 1
    return [block for block in blocks if block.lines]


def _step(lines: list[tuple[int, str]]) -> Step:
    has_prompt = lines[0][1].startswith(_PROMPT)
    commands: list[str] = []
    shown: list[tuple[int, str]] = []
    goes_on = False
    for number, line in lines:
        if goes_on:
            commands[-1] += " " + line.strip().removesuffix("\\").strip()
        elif has_prompt and not line.startswith(_PROMPT):
            shown.append((number, line))
            continue
        elif line.strip() and not line.startswith("#"):
            commands.append(line.removeprefix(_PROMPT).removesuffix("\\").strip())
        goes_on = line.endswith("\\")
    return Step(tuple(commands), tuple(shown))


def replaced(path: pathlib.Path, lines: dict[int, str]) -> None:
    """Writes other text into lines of a page, by their numbers."""
    text = path.read_text(encoding="utf-8").splitlines()
    for number, line in lines.items():
        text[number] = line
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
