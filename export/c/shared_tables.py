"""Tables that are the same for several layers, written once.

A layer in patches is several layers with one kernel; so are most of their windows.
"""

import dataclasses
import re
from collections.abc import Sequence

from export.c import place


def once(
    codes: Sequence[place.Code], labels: Sequence[str], origins: Sequence[str]
) -> list[place.Code]:
    """The code of layers, without tables that another one of the same origin has.

    Args:
        codes: of layers in order.
        labels: what names of each one's tables begin with.
        origins: tables are only shared where this is the same.
    """
    known: dict[tuple[str, str], str] = {}
    found = []
    for code, label, origin in zip(codes, labels, origins, strict=True):
        new_names: dict[str, str] = {}
        tables = []
        for table in code.tables:
            text = _renamed(table, new_names)
            name = _declared(text, label)
            # Lines break elsewhere where names are longer.
            key = origin, " ".join(text.replace(name, "").split())
            if key in known:
                new_names[name] = known[key]
            else:
                known[key] = name
                tables.append(text)
        statements = tuple(_renamed(text, new_names) for text in code.statements)
        found.append(
            dataclasses.replace(code, tables=tuple(tables), statements=statements)
        )
    return found


def _declared(table: str, label: str) -> str:
    """The name of a table."""
    found = re.search(rf"\b{label}_\w+", table)
    assert found is not None, table
    return found.group()


def _renamed(text: str, new_names: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda found: new_names.get(found[0], found[0]), text)
