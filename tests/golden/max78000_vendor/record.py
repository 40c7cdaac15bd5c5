"""Records what the vendor's tool makes of our files: `CASE.json` beside this file.

AI8X_SYNTHESIS=CHECKOUT AI8X_PYTHON=PYTHON \
    python -m tests.golden.max78000_vendor.record [CASE ...]

The tool is not part of this project. The files hold the hashes of the outputs of all
layers (where the tool cannot log them, of the last one's) and the lines that it prints.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import numpy as np

from export.max78000 import files, network, text
from tests.export.max78000 import vendor_networks, vendor_tool

_FOLDER = pathlib.Path(__file__).parent


def read(case: str) -> dict:
    """What the tool made of a network."""
    return json.loads((_FOLDER / f"{case}.json").read_text(encoding="utf-8"))


def digest(values: np.ndarray) -> str:
    """SHA-256 of values as little-endian int32 in C order."""
    return hashlib.sha256(np.ascontiguousarray(values, "<i4").tobytes()).hexdigest()


def prepare(case: str) -> network.Network:
    """A network of the list, ready to be written."""
    found = vendor_networks.CASES[case]
    return network.prepare(found.graph(), weights=found.weights, spec=found.spec)


def _record(case: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "files"
        found = prepare(case)
        files.write(folder, found, case)
        result = vendor_tool.run(
            folder,
            pathlib.Path(temporary) / "synthesized",
            logs_all=vendor_networks.CASES[case].logs_all,
        )
    content = {
        "tool": text.TOOL,
        "input": digest(files.channels_first(found.sample)),
        "outputs": [digest(values) for values in result.outputs],
        "summary": result.summary.splitlines(),
    }
    path = _FOLDER / f"{case}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or vendor_networks.CASES:
        _record(name)
