"""JSON that anybody may have written."""

import json
import math
import os
from typing import Any

from tfpipeline.untrusted import content, damage

MAX_BYTES = 1 << 27
# Far deeper than anything that is written here.
MAX_DEPTH = 100
# Nothing is counted beyond 64 bits, and Python prints no more than 4,300 digits.
MAX_INTEGER = (1 << 64) - 1
_KIND = "valid JSON"


def read(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> Any:
    """Reads a file.

    Raises:
        StorageError: as `content.read`.
        DamagedFileError: as `parse`.
    """
    return parse(content.read(path, limit), os.fspath(path))


def parse(text: bytes | str, what: str) -> Any:
    """The value of a JSON text.

    Args:
        text: bytes are UTF-8.
        what: names the text in an error.

    Raises:
        DamagedFileError: it is not JSON, has a key twice, nests deeper than `MAX_DEPTH`
            or holds a number that is not finite or of over 64 bits.
    """
    with damage.reported(what, _KIND):
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        try:
            value = json.loads(
                text, parse_constant=_refuse, object_pairs_hook=_unique_keys
            )
        except RecursionError:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels") from None
        _require_plain(value)
        # Escapes of half a character, which no file and no terminal takes.
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not finite")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is there twice")
            seen.add(key)
    return value


def _require_plain(value: Any) -> None:
    """Checks depth and numbers, level by level: no recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
            elif isinstance(each, float) and not math.isfinite(each):
                raise ValueError("a number is not finite")
            elif isinstance(each, int) and abs(each) > MAX_INTEGER:
                raise ValueError("a number has over 64 bits")
        if not below:
            return
        level = below
    raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
