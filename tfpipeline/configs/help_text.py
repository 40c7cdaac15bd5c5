"""What `--help` prints: the flags of a config in groups."""

import textwrap
from typing import Any

from tfpipeline.configs import fields

_WIDTH = 88
# Column of the explanations; a longer flag has a line of its own.
_INDENT = 26


def render(config: fields.Config, group: str = "flags") -> str:
    """One paragraph a group, in the order in which the groups appear first.

    Args:
        config: its values are shown as defaults.
        group: heading for fields that say none.
    """
    lines: dict[str, list[str]] = {}
    for leaf, default in fields.leaves(config, group):
        lines.setdefault(leaf.group, []).extend(_entry(leaf, default))
    return "\n".join(
        "\n".join([f"{title}:", *entries, ""]) for title, entries in lines.items()
    )


def _entry(leaf: fields.Leaf, default: Any) -> list[str]:
    notes = [
        fields.choices_text(leaf.flag) or fields.bounds_text(leaf.flag),
        "may be given several times" if leaf.flag.repeats else "",
        _default(leaf, default),
    ]
    noted = "; ".join(note for note in notes if note)
    text = f"{leaf.flag.help} [{noted}]" if noted else leaf.flag.help
    wrapped = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False)
    left = f"  {_spelling(leaf)}"
    if len(left) <= _INDENT - 2:
        first, *rest = wrapped
        return [left.ljust(_INDENT) + first, *(" " * _INDENT + line for line in rest)]
    return [left, *(" " * _INDENT + line for line in wrapped)]


def _spelling(leaf: fields.Leaf) -> str:
    if leaf.base is bool:
        return f"--[no]{leaf.name}"
    value = {int: "N", float: "X", str: "FILE" if leaf.flag.reads_file else "TEXT"}
    several = ",..." if leaf.is_tuple else ""
    return f"--{leaf.name}={value[leaf.base]}{several}"


def _default(leaf: fields.Leaf, default: Any) -> str:
    if default is None or default == () or leaf.flag.reads_file:
        return ""
    if leaf.base is bool:
        return f"default {'yes' if default else 'no'}"
    several = default if leaf.is_tuple else (default,)
    return f"default {','.join(map(str, several))}"
