"""From the recorded flags of a run back to a command line."""

import shlex
from collections.abc import Mapping
from typing import Any

from tfpipeline.configs import fields

# Of a flag whose field is the text of a file: the text is recorded, its place is not.
_FILE = "FILE"


def of(program: str, flags: Mapping[str, Any], defaults: fields.Config) -> str:
    """The command that does the same in another folder, one flag a line.

    Args:
        program: module that `python -m` starts.
        flags: by name, as `fields.identity` has them; those at their default are left
            out.
        defaults: of the program.
    """
    words = [f"python -m {program}"]
    for leaf, default in fields.leaves(defaults):
        value = flags.get(leaf.name)
        same = list(default) if leaf.is_tuple else default
        if value is None or value == same:
            continue
        words += _given(leaf, value)
    return " \\\n  ".join([*words, "--workdir=NEW_FOLDER"])


def _given(leaf: fields.Leaf, value: Any) -> list[str]:
    if leaf.flag.reads_file:
        return [f"--{leaf.name}={_FILE}"]
    if isinstance(value, bool):
        return [f"--{'' if value else 'no'}{leaf.name}"]
    if leaf.is_tuple and leaf.flag.repeats:
        return [shlex.quote(f"--{leaf.name}={each}") for each in value]
    text = ",".join(map(str, value)) if leaf.is_tuple else value
    return [shlex.quote(f"--{leaf.name}={text}")]
