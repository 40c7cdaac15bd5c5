"""What boards answered for a run, kept in its folder for its page."""

from collections.abc import Mapping
from typing import Any

from tfpipeline import atomic_files, errors, run_folder

# What tells an entry from all others: a newer one takes the place of its like.
_LIKE = ("board", "export", "digest", "title")
# And what the page shows of it.
_NAMES = {
    *_LIKE,
    *("inputs", "differing", "figures", "simulated", "cycles", "estimates"),
}
_ENTRIES = "boards"


def add(folder: run_folder.RunFolder, result: Mapping[str, Any]) -> None:
    """Keeps a result, in place of an older one of its like.

    Args:
        folder: of a run.
        result: as JSON, of `run.Found.to_dict`.

    Raises:
        DamagedFileError: what is kept there is none of ours.
        StorageError: it cannot be read or written.
    """
    run_folder.claim(folder)
    others = [
        each
        for each in read(folder)
        if any(each.get(name) != result[name] for name in _LIKE)
    ]
    atomic_files.write_json(folder.boards_json, {_ENTRIES: [*others, dict(result)]})


def read(folder: run_folder.RunFolder) -> list[dict[str, Any]]:
    """The results of a run, the oldest first; none where no board answered.

    Raises:
        DamagedFileError: they are none of ours.
        StorageError: they cannot be read.
    """
    if not folder.boards_json.exists():
        return []
    kept = atomic_files.read_json(folder.boards_json)
    entries = kept.get(_ENTRIES) if isinstance(kept, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and each.keys() >= _NAMES for each in entries
    ):
        raise errors.DamagedFileError(
            f"{folder.boards_json} holds no answers of boards: remove it"
        )
    return entries
