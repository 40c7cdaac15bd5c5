"""What a run keeps of its test examples, so that nothing has to be computed again.

In `predictions.npz`: what every form of the network answered (parts that the kind of
task names), what was right, and the inputs that the page shows.
"""

import dataclasses
import io
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from tfpipeline import atomic_files, errors
from tfpipeline.tasks import kind as kinds
from tfpipeline.untrusted import arrays

Parts = dict[str, kinds.Array]

_FORMS, _TARGETS, _SHOWN = "forms", "targets", "shown"
_POSITIONS, _INPUTS = "positions", "inputs"


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """Answers on the test examples.

    Attributes:
        targets: part -> what is right, [N, ...].
        forms: form of the network -> part -> what it answers, float32 first.
    """

    targets: Parts
    forms: Mapping[str, Parts]

    @property
    def reference(self) -> str:
        """The form that others are compared with: the first."""
        return next(iter(self.forms))


def write(
    path: str | os.PathLike[str],
    evidence: Evidence,
    positions: Sequence[int],
    inputs: kinds.Array,
) -> None:
    """Writes the file, atomically; the same values give the same bytes.

    Args:
        path: of the file.
        evidence: of the run.
        positions: of the test examples that the page shows.
        inputs: those examples as they are stored, [len(positions), ...].

    Raises:
        StorageError: it cannot be written.
    """
    named = {
        f"{_SHOWN}/{_POSITIONS}": np.asarray(positions, np.int64),
        f"{_SHOWN}/{_INPUTS}": inputs,
        f"{_FORMS}/names": np.array(list(evidence.forms), np.str_),
    }
    named |= {f"{_TARGETS}/{part}": each for part, each in evidence.targets.items()}
    for place, parts in enumerate(evidence.forms.values()):
        named |= {f"{_FORMS}/{place}/{part}": each for part, each in parts.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **named)
    atomic_files.write_bytes(path, stream.getvalue())


def read(path: pathlib.Path) -> Evidence:
    """What `write` wrote.

    Raises:
        StorageError: it is absent, or damaged.
    """
    found = arrays.read_npz(path, kinds=f"{arrays.NUMBERS}U")
    try:
        names = [str(name) for name in found[f"{_FORMS}/names"]]
    except (KeyError, TypeError) as error:
        raise errors.DamagedFileError(f"{path} names no forms of a network") from error
    return Evidence(
        _below(found, f"{_TARGETS}/"),
        {name: _below(found, f"{_FORMS}/{i}/") for i, name in enumerate(names)},
    )


def read_shown(path: pathlib.Path) -> dict[int, kinds.Array]:
    """Position of a test example -> the example as it is stored; {} without the file.

    Raises:
        StorageError: the file is damaged.
    """
    if not path.exists():
        return {}
    positions, inputs = f"{_SHOWN}/{_POSITIONS}", f"{_SHOWN}/{_INPUTS}"
    found = arrays.read_npz(path, only=(positions, inputs))
    if found.keys() != {positions, inputs}:
        raise errors.DamagedFileError(f"{path} has no inputs that were shown")
    return dict(zip(found[positions].tolist(), found[inputs], strict=True))


def _below(found: Mapping[str, kinds.Array], prefix: str) -> Parts:
    return {
        name.removeprefix(prefix): each
        for name, each in found.items()
        if name.startswith(prefix)
    }
