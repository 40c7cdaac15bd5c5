"""Whether the files of a run still are what the run wrote.

Two places say what it wrote: the markers (`markers`), while it goes on, and the entry
"artifacts" of results.json, {name: sha256}, once it is complete. What is another file
now gets another name, so that the run can make its own again and nothing is lost.
"""

import logging
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfpipeline import atomic_files, disk, errors, marked_folder, markers, run_folder

ENTRY = "artifacts"
# File -> bytes, of the same files.
SIZES = "sizes"
_LOG = logging.getLogger(__name__)


def digests(folder: run_folder.RunFolder) -> dict[str, str]:
    """SHA-256 of every artifact that is as the run wrote it, by name below the folder.

    Not of results.json, which is to hold them, and of the summary, which comes last.
    """
    later = (folder.results_json.name, folder.summary.name)
    standing = {}
    for name, valid in sorted(_marked(folder).items()):
        digest = _digest(folder.root / name)
        if name not in later and digest in valid:
            standing[name] = str(digest)
    return standing


def changed(
    folder: run_folder.RunFolder, within: pathlib.Path | None = None
) -> list[str]:
    """Names of artifacts that are not what the run wrote, or are gone since it ended.

    Args:
        folder: of the run.
        within: a folder of it, of which alone names are wanted.
    """
    below = "" if within is None else f"{_name(folder, within)}/"
    recorded, marked = _recorded(folder), _marked(folder)
    names = []
    for name in sorted(recorded.keys() | marked.keys()):
        if not name.startswith(below):
            continue
        # While a run goes on, a file may be listed before it is there.
        valid = (recorded[name],) if name in recorded else (None, *marked[name])
        if _digest(folder.root / name) not in valid:
            names.append(name)
    return names


def was_written(folder: run_folder.RunFolder, path: pathlib.Path, data: bytes) -> bool:
    """Whether the run once wrote these bytes to a file that may be gone or changed."""
    name = _name(folder, path)
    return disk.digest(data) in (
        *_marked(folder).get(name, ()),
        _recorded(folder).get(name),
    )


def is_complete(folder: run_folder.RunFolder) -> bool:
    """Whether the run has ended, and all that it wrote is there as it wrote it."""
    if not folder.summary.exists() or _results(folder) is None:
        return False
    return not changed(folder)


def restore(folder: run_folder.RunFolder) -> None:
    """Sets aside what is not as the run wrote it, and says so.

    The results of a run that are older than their digests get those of its files.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        _restore_markers(folder)
        _add_digests(folder)
        for name in changed(folder):
            path = folder.root / name
            if not os.path.lexists(path):
                _LOG.warning("%s is gone, and is made again", path)
                continue
            _LOG.warning(
                "%s is not as this run wrote it: it is called %s now, and made again",
                *(path, disk.set_aside(path).name),
            )
    except OSError as error:
        raise errors.WriteError(os.fspath(folder.root), error) from error


def _restore_markers(folder: run_folder.RunFolder) -> None:
    """Writes markers again that are damaged or gone, where results.json has digests."""
    recorded = _recorded(folder)
    if not recorded:
        return
    root = _marker(folder.root)
    for place in _exports(folder):
        below = f"{_name(folder, place)}/"
        names = {name for name in recorded if name.startswith(below)}
        # Files that the run's own marker lists have none of their folder.
        is_marked = os.path.lexists(place / markers.NAME)
        if root is not None:
            is_marked = is_marked or not names & root.files.keys()
        if names and is_marked and _marker(place) is None:
            files = {name.removeprefix(below): (recorded[name],) for name in names}
            _write_marker(place, marked_folder.EXPORT, files)
    if root is None:
        # Read a moment ago, and believed.
        results = folder.results_json.name
        digest = disk.digest_at(folder.root / results) or ""
        files = {name: (each,) for name, each in recorded.items()}
        _write_marker(folder.root, markers.RUN, {**files, results: (digest,)})


def _write_marker(
    place: pathlib.Path, writer: str, files: Mapping[str, tuple[str, ...]]
) -> None:
    path = place / markers.NAME
    if os.path.lexists(path):
        _LOG.warning(
            "%s is damaged: it is now called %s, and is made again",
            *(path, disk.set_aside(path).name),
        )
    markers.write(place, markers.Marker(writer, files))


def _marker(place: pathlib.Path) -> markers.Marker | None:
    """The marker of a folder; None if it is absent or damaged."""
    try:
        return markers.read(place)
    except errors.ForeignFileError:
        return None


def _add_digests(folder: run_folder.RunFolder) -> None:
    results = _results(folder)
    if results is None or ENTRY in results or not os.path.lexists(folder.summary):
        return
    found = {}
    for name, valid in _marked(folder).items():
        digest = _digest(folder.root / name)
        # A damaged one gets the digest that it should have.
        if digest is not None and valid and name != folder.results_json.name:
            found[name] = digest if digest in valid else valid[-1]
    if found:
        _LOG.info("%s had no digests of the files; they are added", folder.results_json)
        atomic_files.write_json(folder.results_json, {**results, ENTRY: found})


def _results(folder: run_folder.RunFolder) -> dict[str, Any] | None:
    """What results.json holds; None if it is absent or damaged."""
    try:
        results = atomic_files.read_json(folder.results_json)
    except errors.StorageError:
        return None
    return results if isinstance(results, dict) else None


def _recorded(folder: run_folder.RunFolder) -> dict[str, str]:
    recorded = (_results(folder) or {}).get(ENTRY)
    if not isinstance(recorded, dict):
        return {}
    return {name: digest for name, digest in recorded.items() if markers.is_name(name)}


def _marked(folder: run_folder.RunFolder) -> Mapping[str, tuple[str, ...]]:
    """What the markers of the run and of its exports list, by name below the run."""
    # What other commands write into it is no artifact of the run.
    others = tuple(path.name for path in folder.remade)
    files: dict[str, tuple[str, ...]] = {}
    for place in (folder.root, *_exports(folder)):
        marker = _marker(place)
        if marker is not None:
            below = place.relative_to(folder.root)
            files |= {(below / name).as_posix(): x for name, x in marker.files.items()}
    return {name: valid for name, valid in files.items() if name not in others}


def _exports(folder: run_folder.RunFolder) -> Iterator[pathlib.Path]:
    parent = folder.exports
    if parent.is_dir():
        yield from sorted(path for path in parent.iterdir() if path.is_dir())


def _name(folder: run_folder.RunFolder, path: pathlib.Path) -> str:
    return path.relative_to(folder.root).as_posix()


def _digest(path: pathlib.Path) -> str | None:
    """None where nothing stands; empty for what is no file, or cannot be read."""
    try:
        return disk.digest_at(path)
    except (OSError, errors.ForeignFileError):
        return ""
