"""Folders that a command fills, and fills again, beside files that are not its own.

A marker (`markers`) lists what we wrote. Only that is ever replaced or removed, and
only while it is as we wrote it; a folder that holds anything and has no marker is
refused. All is checked before anything changes. A command that is killed leaves a
marker that lists old and new files, so that the same command goes on from there.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Collection, Iterator, Mapping

from tfpipeline import disk, errors, markers, run_folder

# What `write` does not say of who writes.
EXPORT = "export"

# A command that is killed may leave its temporary files behind.
_STAGED = re.compile(re.escape(markers.NAME) + r"-(\d{1,6})\.tmp")


def require(
    path: str | os.PathLike[str],
    contents: Collection[str] | None = None,
    writer: str = EXPORT,
) -> None:
    """Checks that `write` may fill a folder, before anything is written.

    Args:
        path: of the folder.
        contents: names of the files; as much is checked as can be without.
        writer: the command.

    Raises:
        ForeignFileError: it holds what this program did not write, or what was edited
            since; or it is the folder of a run.
        StorageError: it cannot be read.
    """
    folder = pathlib.Path(path)
    with _as_storage_errors(folder):
        marker, _ = _standing(folder, writer)
        if contents is not None and folder.is_dir():
            _require_free(folder, contents, marker)


def write(
    path: str | os.PathLike[str],
    contents: Mapping[str, str | bytes],
    writer: str = EXPORT,
) -> None:
    """Makes `contents` the files of ours in a folder; all other files stay.

    Each file appears whole or not at all, and is left alone where it is the same. Files
    of an earlier call that `contents` lacks are removed.

    Args:
        path: of the folder, which is made if need be.
        contents: name, with "/" between folder and file -> text (UTF-8) or bytes.
        writer: the command, which only takes a folder that it filled itself.

    Raises:
        ForeignFileError: as `require`, or a name is taken by a file that is not ours;
            nothing was changed.
        StorageError: the folder cannot be written; the same command may be repeated.
    """
    folder = pathlib.Path(path)
    files = {
        name: content.encode("utf-8") if isinstance(content, str) else content
        for name, content in contents.items()
    }
    for name in files:
        if not markers.is_name(name):
            raise ValueError(f"no name of a file below a folder: {name!r}")
    with _as_storage_errors(folder):
        _standing(folder, writer)
        is_new = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        with disk.locked(folder):
            marker, standing = _standing(folder, writer)
            done = markers.Marker(
                writer, {name: (disk.digest(files[name]),) for name in files}
            )
            if marker == done and standing.keys() == files.keys():
                return
            special = _special(folder)
            # One that was killed goes on.
            if special and not marker.staged and _is_filled(folder):
                raise _refusal(folder, f"is {special}, and not empty")
            _require_free(folder, files, marker)
            try:
                _replace(folder, files, marker, standing, done)
            except BaseException:
                _clean(folder, is_new)
                raise


def _standing(
    folder: pathlib.Path, writer: str
) -> tuple[markers.Marker, dict[str, str]]:
    """The folder's marker, and the files of ours in it with their digests."""
    empty = markers.Marker(writer), dict[str, str]()
    if not os.path.lexists(folder):
        return empty
    if not folder.is_dir():
        raise _refusal(folder, "is no folder")
    names = set(os.listdir(folder))
    if markers.is_leftover(folder / markers.TEMPORARY):
        names.discard(markers.TEMPORARY)
    if not names:
        return empty
    marker = markers.read(folder)
    is_run = run_folder.RunFolder(folder).run_json.name in names
    if is_run or (marker and marker.writer == markers.RUN):
        raise _refusal(folder, "is the folder of a run")
    if marker is None:
        raise _refusal(folder, f"is not empty, and `{writer}` did not write it")
    if marker.writer != writer:
        raise _refusal(folder, f"holds what `{marker.writer}` wrote, not `{writer}`")
    found = {}
    for name, digests in marker.files.items():
        _require_own_folders(folder, name)
        digest = disk.digest_at(folder / name)
        if digest is not None and digest not in digests:
            raise errors.ForeignFileError(
                f"{disk.shown(folder / name)} was edited since we wrote it: move it "
                "away, or choose another folder. Nothing was changed"
            )
        if digest is not None:
            found[name] = digest
    return marker, found


def _is_filled(folder: pathlib.Path) -> bool:
    return os.path.lexists(folder / markers.NAME)


def _special(folder: pathlib.Path) -> str:
    """What a folder is besides; empty for one like any other."""
    if folder.is_symlink():
        return "a symbolic link"
    real = pathlib.Path(os.path.realpath(folder))
    current = pathlib.Path(os.path.realpath(os.curdir))
    if real == current:
        return "the current folder"
    if real in current.parents:
        return "a parent of the current folder"
    return "a mount point" if os.path.ismount(real) else ""


def _require_free(
    folder: pathlib.Path, files: Collection[str], marker: markers.Marker
) -> None:
    """Checks that nobody else's file stands where one of ours goes."""
    for name in files:
        _require_own_folders(folder, name)
        if name not in marker.files and os.path.lexists(folder / name):
            raise _in_the_way(folder / name)
    for name in os.listdir(folder):
        staged = _STAGED.fullmatch(name)
        if not staged or int(staged[1]) < marker.staged:
            continue
        if int(staged[1]) < len(files):
            raise _in_the_way(folder / name)


def _require_own_folders(folder: pathlib.Path, name: str) -> None:
    """Checks that folders between the folder and a file are none of a link's."""
    for parent in reversed(pathlib.PurePosixPath(name).parents[:-1]):
        inner = folder / parent
        if inner.is_symlink() or (inner.exists() and not inner.is_dir()):
            raise _in_the_way(inner)


def _replace(
    folder: pathlib.Path,
    files: Mapping[str, bytes],
    marker: markers.Marker,
    standing: Mapping[str, str],
    done: markers.Marker,
) -> None:
    """Files, once everything is checked: first to temporary ones, then all at once."""
    both = {name: (digest,) for name, digest in standing.items()}
    for name, digests in done.files.items():
        both[name] = tuple(dict.fromkeys((*both.get(name, ()), *digests)))
    staged = max(len(files), marker.staged)
    markers.write(folder, markers.Marker(marker.writer, both, staged))
    _remove_staged(folder, staged)
    ready = {}
    for number, (name, content) in enumerate(files.items()):
        if standing.get(name) not in done.files[name]:
            ready[name] = folder / f"{markers.NAME}-{number}.tmp"
            disk.write_new(ready[name], content)
    for name in standing.keys() - files.keys():
        (folder / name).unlink()
        _remove_empty(folder, name)
    for name, temporary in ready.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, folder / name)
    for changed in {(folder / name).parent for name in files}:
        disk.sync_folder(changed)
    markers.write(folder, done)


def _remove_staged(folder: pathlib.Path, staged: int) -> None:
    for name in os.listdir(folder):
        number = _STAGED.fullmatch(name)
        if number and int(number[1]) < staged:
            (folder / name).unlink()


def _remove_empty(folder: pathlib.Path, name: str) -> None:
    """Removes the folders of a file that is gone, where nothing else is in them."""
    for parent in pathlib.PurePosixPath(name).parents[:-1]:
        try:
            (folder / parent).rmdir()
        except OSError:
            return


def _clean(folder: pathlib.Path, is_new: bool) -> None:
    """After a failure: removes temporary files, and a folder that has no other."""
    with contextlib.suppress(OSError, errors.ForeignFileError):
        marker = markers.read(folder)
        if marker is not None:
            _remove_staged(folder, marker.staged)
        if is_new and set(os.listdir(folder)) <= {markers.NAME}:
            (folder / markers.NAME).unlink(missing_ok=True)
            folder.rmdir()


@contextlib.contextmanager
def _as_storage_errors(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.StorageError(
            f"cannot write {disk.shown(folder)}: {error.strerror or error}. Free space "
            "or choose another folder, and repeat the command"
        ) from error


def _refusal(folder: pathlib.Path, why: str) -> errors.ForeignFileError:
    return errors.ForeignFileError(
        f"{disk.shown(folder)} {why}: choose a new or empty folder. Nothing was changed"
    )


def _in_the_way(path: pathlib.Path) -> errors.ForeignFileError:
    return errors.ForeignFileError(
        f"{disk.shown(path)} stands where a file is to be written, and is not ours: "
        "move it away, or choose another folder. Nothing was changed"
    )
