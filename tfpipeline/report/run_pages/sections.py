"""What parts of a page have in common."""

import pathlib
from typing import Any

from tfpipeline import atomic_files


def stored(path: pathlib.Path) -> dict[str, Any]:
    """What a JSON file of the run holds; {} where there is none.

    Raises:
        StorageError: it is damaged.
    """
    if not path.exists():
        return {}
    value = atomic_files.read_json(path)
    return value if isinstance(value, dict) else {}


def percent(value: float | None, digits: int = 2) -> str:
    """A share as tables show it."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"
