"""The epochs of all stages, a list a quantity, as a picture and a table take them."""

from collections.abc import Mapping, Sequence
from typing import Any


def columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Quantity -> its value in each epoch, None where one lacks it."""
    names = dict.fromkeys(name for record in history for name in record)
    names.pop("stage", None)
    return {name: [record.get(name) for record in history] for name in names}


def stages(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Any]]]:
    """Stage -> `columns` of it, from the lines of metrics.jsonl."""
    names = dict.fromkeys(str(record.get("stage", "")) for record in records)
    return {
        name: columns([each for each in records if each.get("stage", "") == name])
        for name in names
    }
