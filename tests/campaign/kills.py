"""SIGKILL at random moments: nothing half written, and the same command goes on."""

import dataclasses
import multiprocessing
import os
import pathlib
import random
import signal
import tempfile
import time
from collections.abc import Callable

from tests.campaign import commands, part, timeless, whole_files
from tfpipeline import errors, markers

# Of a command that takes seconds, on a machine that has other work.
LIMIT_SECONDS = 900
# Kills in a row, before a command may end.
_MOST_KILLS = 3


@dataclasses.dataclass(frozen=True)
class Reference:
    """A command that was left alone.

    Attributes:
        seconds: that it took.
        changes: of its folder that could be seen.
        names: of the files that it wrote.
        stable: those which are the same each time, with what they say of anything but
            the time that it took.
        folder: with all of them.
    """

    seconds: float
    changes: int
    names: frozenset[str]
    stable: dict[str, bytes]
    folder: pathlib.Path


class Ground:
    """Places to run commands in, and what they do when they are left alone."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self._references: dict[str, Reference] = {}
        self._count = 0
        commands.prepare(self.inputs)
        writer = multiprocessing.get_context("fork").Process(
            target=commands.save_classifier, args=(self.inputs,)
        )
        writer.start()
        writer.join()
        if writer.exitcode:
            raise RuntimeError("the study's network was not written")

    def place(
        self,
        command: commands.Command,
        begin: Callable[[pathlib.Path], None] = lambda root: None,
    ) -> commands.Place:
        """A new place for a command, in a folder that `begin` may do something to."""
        self._count += 1
        root = self.root / f"place{self._count}"
        root.mkdir()
        begin(root)
        return commands.Place(root, self.inputs, command)

    def reference(self, command: commands.Command) -> Reference:
        """What the command does when it is left alone; runs it twice, once.

        Raises:
            RuntimeError: it fails.
        """
        if command.begins_with == "run" and not (self.inputs / "run").exists():
            train = next(x for x in commands.ALL if x.name == "train")
            place = self.place(train)
            self._left_alone(train, place)
            place.out.rename(self.inputs / "run")
        if command.name not in self._references:
            places = [self.place(command) for _ in range(1 + command.is_compared)]
            runs = [self._left_alone(command, place) for place in places]
            one, other = (
                timeless.read(place.ours(), command.is_timed)
                for place in (places[0], places[-1])
            )
            stable = {
                name: data
                for name, data in one.items()
                if command.is_compared and data == other.get(name)
            }
            self._references[command.name] = Reference(
                seconds=min(seconds for seconds, _ in runs),
                changes=min(changes for _, changes in runs),
                names=frozenset(one) & frozenset(other),
                stable=stable,
                folder=places[0].out,
            )
        return self._references[command.name]

    def _left_alone(
        self, command: commands.Command, place: commands.Place
    ) -> tuple[float, int]:
        begin = time.monotonic()
        watch = Watch(place)
        number = commands.begun(command, place)
        code = commands.ended(number, begin + LIMIT_SECONDS, watch.changed_never)
        if code:
            raise RuntimeError(f"{command.name}: {code}: {last_lines(place)}")
        return time.monotonic() - begin, watch.changes


class Watch:
    """Counts changes of a folder that can be seen from outside."""

    def __init__(self, place: commands.Place, limit: int | None = None) -> None:
        self._place = place
        self._limit = limit
        self._last = self._state()
        self.changes = 0

    def changed(self) -> bool:
        """Whether as many changes as the limit were seen."""
        state = self._state()
        self.changes += state != self._last
        self._last = state
        return self.changes == self._limit

    def changed_never(self) -> bool:
        """Counts, and never says so."""
        self.changed()
        return False

    def _state(self) -> list[tuple[str, int]]:
        found = []
        folders = [str(self._place.out)]
        while folders:
            try:
                entries = list(os.scandir(folders.pop()))
            except OSError:
                continue
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    found.append((entry.path, entry.stat().st_size))
                except OSError:
                    continue
        return found


def last_lines(place: commands.Place) -> str:
    """The end of what a command printed."""
    return place.log.read_text(errors="replace").strip()[-600:]


def wrong_ending(place: commands.Place, code: int) -> str | None:
    """What is wrong with how a command ended: 0, or 2 and one line, are right."""
    text = place.log.read_text(errors="replace")
    if "Traceback (most recent call last)" in text:
        return "a traceback"
    if code == 0:
        return None
    if code != 2:
        return f"exit code {code}"
    lines = text.strip().splitlines() or [""]
    if ": error: " not in lines[-1]:
        return "no line that says why"
    if len(lines[-1]) > errors.MAX_LINE_CHARACTERS:
        return f"a line of {len(lines[-1])} characters"
    return None


def run(limits: part.Limits, found: part.Findings) -> None:
    """Kills commands, checks what is left, and lets them go on."""
    choice = random.Random(limits.seed)
    turns = commands.in_turn(choice)
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(pathlib.Path(folder) / "ground")
        while limits.allow(found.counts["kills"]):
            _killed(next(turns), ground, choice, found, limits)


def _killed(
    command: commands.Command,
    ground: Ground,
    choice: random.Random,
    found: part.Findings,
    limits: part.Limits,
) -> None:
    reference = ground.reference(command)
    place = ground.place(command)
    history = []

    def fault(what: str, **how: object) -> None:
        found.fault(
            f"{command.name}: {what}",
            seed=limits.seed,
            kills=list(history),
            printed=last_lines(place),
            **how,
        )

    for _ in range(choice.randint(1, _MOST_KILLS)):
        told, poll = _moment(reference, place, choice)
        number = commands.begun(command, place)
        code = commands.ended(number, time.monotonic() + LIMIT_SECONDS, poll)
        if code != -signal.SIGKILL:
            if wrong := wrong_ending(place, code):
                fault(f"{wrong} after kills")
            break
        history.append(told)
        found.counts["kills"] += 1
        found.counts[f"{command.name}: kills"] += 1
        for broken in whole_files.broken(place.ours()):
            fault(f"half written: {broken}")
        for name in place.changed_foreign():
            fault(f"touched a file of others: {name}")
        place.add_foreign()
    _goes_on(command, place, reference, found, fault)


def _moment(
    reference: Reference, place: commands.Place, choice: random.Random
) -> tuple[str, Callable[[], bool]]:
    """When to kill: at a time, or as soon as a change of the folder is seen."""
    if choice.random() < 0.5 and reference.changes:
        count = choice.randint(1, reference.changes)
        return f"change {count}", Watch(place, count).changed
    after = choice.uniform(0, reference.seconds)
    end = time.monotonic() + after
    return f"after {after:.3f} s", lambda: time.monotonic() > end


def _goes_on(
    command: commands.Command,
    place: commands.Place,
    reference: Reference,
    found: part.Findings,
    fault: Callable[..., None],
) -> None:
    """Runs the same command to its end, and compares what it left."""
    number = commands.begun(command, place)
    code = commands.ended(number, time.monotonic() + LIMIT_SECONDS)
    if wrong := wrong_ending(place, code):
        fault(f"does not go on: {wrong}")
        return
    found.counts["went on" if code == 0 else "said why not"] += 1
    for name in place.changed_foreign():
        fault(f"touched a file of others: {name}")
    if code:
        found.notes.append(f"{command.name}: {last_lines(place).splitlines()[-1]}")
        return
    ours = place.ours()
    left = [name for name in ours if whole_files.is_temporary(name)]
    left = [name for name in left if name not in reference.names]
    if left:
        fault(f"temporary files stay: {left[:3]}")
    missing = reference.names - set(ours)
    if missing and command.is_compared:
        fault(f"lacks {sorted(missing)[:3]}")
    read = timeless.read(ours, command.is_timed)
    other = [
        name
        for name, data in reference.stable.items()
        if name in read and read[name] != data
    ]
    if other:
        # The marker lists digests of the others.
        first = max(other, key=lambda name: name != markers.NAME)
        fault(
            f"differs from a run that was left alone: {other[:3]}",
            difference=timeless.difference(reference.stable[first], read[first]),
        )
    for broken in whole_files.broken(ours):
        fault(f"not whole at the end: {broken}")
