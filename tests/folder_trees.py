"""What lies in a folder, for comparisons before and after."""

import pathlib

from tfpipeline import markers


def files(folder: pathlib.Path) -> dict[str, bytes]:
    """Plain files by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def ours(folder: pathlib.Path) -> list[str]:
    """Names of files but the marker, in order."""
    return [name for name in files(folder) if name != markers.NAME]


def tree(folder: pathlib.Path) -> dict[str, object]:
    """Everything by name: bytes of a file, the target of a link, else its mode."""
    found: dict[str, object] = dict(files(folder))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = path.readlink()
        elif name not in found:
            found[name] = path.stat().st_mode
    return found
