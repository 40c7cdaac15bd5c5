"""Runs the commands of pages in order, and compares what they print with the pages.

    python -m tests.walk [--write] [--folder=FOLDER] [PAGE ...]

All pages without any; in a new folder, or in FOLDER, which must be empty. A line that
was printed with other numbers is told (a training's last digits depend on the machine)
and with `--write` put into the page; a line that was not printed, or a command that
fails where the page shows no error, makes the exit code 1. Commands that need what only
a reader has are told and left out.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from tests.walk import comparison, page, stand_ins

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Data, boards, tools, other machines and hours, which a reader has or not.
_OF_A_READER = re.compile(
    r"FOLDER|\bDATA\b|NAME\b|capture\.img|dump\.bin|mobilefacenet|ai8xize|postgresql"
    r"|layers\.py|own\.py:data|space\.yaml|FILE|INPUT|runs/reid_0_4|yunet|FaceReID"
    r"|make campaign"
)
_DEMO = "python -m tfpipeline.train --flagfile=experiments/demo/demo.flags"
_IN_PLACE_OF = {"make demo": f"{_DEMO} --workdir=runs/demo"}
_TIMEOUT_SECONDS = 3600


def main(arguments: list[str]) -> int:
    """Walks pages; returns how many of them are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    given = parser.parse_args(arguments)
    pages = [path.resolve() for path in given.pages] or _all_pages()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            parser.error(f"{folder} is not empty")
        stand_ins.write(folder)
        wrong = [path for path in pages if not _walk(path, folder, given.write)]
    for path in wrong:
        print(f"wrong: {path.relative_to(ROOT)}")
    return 1 if wrong else 0


def _all_pages() -> list[pathlib.Path]:
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "experiments").rglob("README.md")),
    ]


def _walk(path: pathlib.Path, folder: pathlib.Path, writes: bool) -> bool:
    """Whether a page holds."""
    holds = True
    print(f"== {path.relative_to(ROOT)}", flush=True)
    other: dict[int, str] = {}
    for step in page.steps(path.read_text(encoding="utf-8")):
        runs = [_run(command, folder, step) for command in step.commands]
        ran = [each for each in runs if each is not None]
        holds = holds and all(each.succeeded for each in ran)
        if len(ran) < len(runs):
            # What the page shows may be of what was left out.
            continue
        printed = [line for each in ran for line in each.printed]
        compared = comparison.compare(step.shown, printed)
        other |= compared.other
        for number, line in compared.absent.items():
            holds = False
            print(f"  line {number + 1}: not printed: {line}")
        for number, line in compared.other.items():
            print(f"  line {number + 1}: now: {line}")
    if writes:
        page.replaced(path, other)
    return holds


@dataclasses.dataclass(frozen=True)
class _Ran:
    """What a command printed, and whether it ended as its page says."""

    printed: list[str]
    succeeded: bool


def _run(command: str, folder: pathlib.Path, step: page.Step) -> _Ran | None:
    """What a command printed; None of one that is not run."""
    command = _IN_PLACE_OF.get(command, command)
    is_ours = re.match(r"(PYTHONPATH=\. )?(python|tfpipeline)\b", command)
    if not is_ours or _OF_A_READER.search(command):
        print(f"  left out: {command}", flush=True)
        return None
    start = time.monotonic()
    python = pathlib.Path(sys.executable).parent
    done = subprocess.run(
        ("bash", "-c", command.replace("PYTHONPATH=. ", "")),
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PATH": f"{python}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT_SECONDS,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    print(f"  {seconds:6.1f} s, exit code {done.returncode}: {command}", flush=True)
    lines = done.stdout.splitlines()
    shows_error = any(": error: " in line for _, line in step.shown)
    succeeded = not done.returncode or shows_error
    if not succeeded:
        print("\n".join(f"    {line}" for line in lines[-3:]), flush=True)
    return _Ran(lines, succeeded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
