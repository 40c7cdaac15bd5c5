"""Names of the files of a program's layers."""

import re

from tfpipeline.targets.gap8 import program

FOLDER = "weights"


def stems(p: program.Program) -> dict[str, str]:
    """A file name without suffix for each layer, by name: as the layer's, dotted.

    Two layers never share one, not even where file systems ignore case.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for index, layer in enumerate(p.layers):
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", layer.name.replace("/", "."))
        stem = plain.lstrip(".-") or "layer"
        while stem.lower() in taken:
            stem += f".{index}"
        taken.add(stem.lower())
        found[layer.name] = stem
    return found
