"""Pieces of C that a network's source file is put together from."""

import dataclasses
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True)
class Fragment:
    """A type, a table or a function of C, and the names of the pieces it builds on."""

    text: str
    needs: tuple[str, ...] = ()


def closure(available: Mapping[str, Fragment], used: Iterable[str]) -> list[str]:
    """Texts of the pieces that `used` needs, each once, what is needed first."""
    order: list[str] = []

    def add(name: str) -> None:
        if name not in order:
            for needed in available[name].needs:
                add(needed)
            order.append(name)

    for name in sorted(used):
        add(name)
    return [available[name].text for name in order]
