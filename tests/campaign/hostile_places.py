"""Full disks, read-only folders, clocks that go back, files that were cut."""

import ctypes
import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable

from tests.campaign import commands, kills, part, whole_files

_CLONE_NEWNS = 0x20000
_DAY = 86400


class Case:
    """A command in a place of its own, and what goes wrong there.

    Attributes:
        command: to be hindered.
        place: where; a file system of its own where `mounted`.
        finished: a folder with what the command writes.
        choice: of what goes wrong.
        spoiled: names of files that were made bad on purpose.
    """

    def __init__(
        self,
        ground: kills.Ground,
        command: commands.Command,
        choice: random.Random,
        mounted: bool,
    ) -> None:
        self.command = command
        self.finished = ground.reference(command).folder
        self.mounted = mounted
        self.place = ground.place(command, _mount if mounted else lambda root: None)
        self.choice = choice
        self.spoiled: set[str] = set()

    def remount(self, options: str) -> None:
        """Changes the file system of the place."""
        _call("mount", "-o", f"remount,{options}", str(self.place.root))

    def remove(self) -> None:
        """Takes the place away."""
        if self.mounted:
            _call("umount", "--lazy", str(self.place.root))
        shutil.rmtree(self.place.root)


# What is done in the command's process, and what ends the hindrance.
Hindrance = tuple[str, Callable[[], None], Callable[[], None]]


def _nothing() -> None:
    pass


def _call(*command: str) -> None:
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def _mount(root: pathlib.Path) -> None:
    _call("mount", "-t", "tmpfs", "-o", "size=1g", "none", str(root))


def may_mount() -> bool:
    """Whether a file system may be mounted here, from now on for this process alone."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNS):
        return False
    try:
        _call("mount", "--make-rprivate", "/")
        with tempfile.TemporaryDirectory() as folder:
            _mount(pathlib.Path(folder))
            _call("umount", folder)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _full_disk(case: Case) -> Hindrance:
    """A file system that has place for a part of what is written."""
    needed = sum(path.stat().st_size for path in case.finished.rglob("*"))
    free = 4096 + int(case.choice.random() * needed)
    about = os.statvfs(case.place.root)
    used = (about.f_blocks - about.f_bfree) * about.f_frsize
    case.remount(f"size={used + free}")
    return f"{free:,} bytes are free", _nothing, lambda: case.remount("size=1g")


def _read_only(case: Case) -> Hindrance:
    """A folder that is there and cannot be written to."""
    _finish(case)
    case.place.out.mkdir(exist_ok=True)
    case.remount("ro")
    return "the folder is read-only", _nothing, lambda: case.remount("rw")


def _file_size(case: Case) -> Hindrance:
    """A limit on each file's bytes: what a full disk is where none can be mounted."""
    files = [path for path in case.finished.rglob("*") if path.is_file()]
    # What the command prints goes into a file too.
    most = max(path.stat().st_size for path in files)
    limit = 4096 + case.choice.randint(0, most)

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return f"files have {limit:,} bytes at most", before, _nothing


def _clock_back(case: Case) -> Hindrance:
    """Time as Python sees it goes back by a year, at once or in the middle."""
    calls = case.choice.choice([0, 1, 5, 20])
    _finish(case)
    # As written by a clock that was ahead.
    later = time.time() + 3 * _DAY
    for path in case.place.ours().values():
        os.utime(path, (later, later))

    def before() -> None:
        right, seen = time.time, [0]

        def now() -> float:
            seen[0] += 1
            return right() - (365 * _DAY if seen[0] > calls else 0)

        time.time = now
        time.time_ns = lambda: int(now() * 1e9)

    return f"the clock goes back after {calls} readings", before, _nothing


def _finish(case: Case) -> None:
    """The place as the command leaves it, or with a part of its files."""
    if case.choice.random() < 0.5:
        shutil.copytree(case.finished, case.place.out, dirs_exist_ok=True)
        case.place.add_foreign()


def _cut_file(case: Case) -> Hindrance:
    """A file of a finished command is cut, emptied, or has a byte changed."""
    shutil.copytree(case.finished, case.place.out, dirs_exist_ok=True)
    case.place.add_foreign()
    ours = [path for path in case.place.ours().values() if path.stat().st_size]
    path = case.choice.choice(ours)
    data = path.read_bytes()
    match case.choice.randrange(3):
        case 0:
            how, data = "is cut", data[: case.choice.randrange(len(data))]
        case 1:
            how, data = "is empty", b""
        case _:
            at = case.choice.randrange(len(data))
            how = f"has another byte {at}"
            data = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
    path.write_bytes(data)
    name = path.relative_to(case.place.out).as_posix()
    case.spoiled.add(name)
    return f"{name} {how}", _nothing, _nothing


_HINDRANCES = {
    "full disk": _full_disk,
    "limit of file size": _file_size,
    "read-only folder": _read_only,
    "clock backwards": _clock_back,
    "cut file": _cut_file,
}
_NEED_MOUNT = ("full disk", "read-only folder")


def run(limits: part.Limits, found: part.Findings) -> None:
    """Hinders commands, checks what they say and leave, and lets them go on."""
    names = list(_HINDRANCES)
    mounts = may_mount()
    if not mounts:
        names = [name for name in names if name not in _NEED_MOUNT]
        found.notes.append(
            f"no {' and no '.join(_NEED_MOUNT)}: a file system cannot be mounted here"
        )
    choice = random.Random(limits.seed)
    turns = commands.in_turn(choice)
    with tempfile.TemporaryDirectory() as folder:
        ground = kills.Ground(pathlib.Path(folder) / "ground")
        while limits.allow(found.counts["hindrances"]):
            name = names[found.counts["hindrances"] % len(names)]
            needs = mounts and name in _NEED_MOUNT
            case = Case(ground, next(turns), choice, needs)
            _hindered(case, name, found, limits)
            case.remove()


def _hindered(case: Case, name: str, found: part.Findings, limits: part.Limits) -> None:
    told, before, undo = _HINDRANCES[name](case)
    command, place = case.command, case.place

    def fault(what: str) -> None:
        found.fault(
            f"{command.name}, {name}: {what}",
            seed=limits.seed,
            hindrance=told,
            printed=kills.last_lines(place),
        )

    def ended(turn: str, before: Callable[[], None]) -> int:
        number = commands.begun(command, place, before)
        code = commands.ended(number, time.monotonic() + kills.LIMIT_SECONDS)
        if wrong := kills.wrong_ending(place, code):
            fault(f"{turn}: {wrong}")
        for other in place.changed_foreign():
            fault(f"{turn}: touched a file of others: {other}")
        for broken in whole_files.broken(place.ours()):
            if broken.partition(":")[0] not in case.spoiled:
                fault(f"{turn}: half written: {broken}")
        return code

    found.counts["hindrances"] += 1
    found.counts[name] += 1
    code = ended("hindered", before)
    found.counts["took it" if code == 0 else "said why not"] += 1
    undo()
    if ended("afterwards", _nothing) == 0:
        found.counts["went on afterwards"] += 1
    else:
        found.counts["said afterwards what to do"] += 1
        line = kills.last_lines(place).splitlines()[-1]
        found.notes.append(f"{command.name}, {told}: {line}")
