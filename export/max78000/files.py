"""The folder that the vendor's synthesis tool takes, and what it must compute."""

import io
import os

import numpy as np

from export.max78000 import checkpoint, description, network, text, weights
from tfpipeline import marked_folder
from tfpipeline.ir import graph

DESCRIPTION_FILE = "network.yaml"
CHECKPOINT_FILE = "checkpoint.pth.tar"
KNOWN_ANSWER_FILE = "known_answer.npz"
REPORT_FILE = "report.txt"
README_FILE = "README.txt"


def write(path: str | os.PathLike[str], found: network.Network, name: str) -> None:
    """Writes `contents`, in place of those of an earlier export to `path`.

    Raises:
        ForeignFileError: the folder holds what is not ours.
        StorageError: the folder cannot be written.
    """
    marked_folder.write(path, contents(found, name))


def contents(found: network.Network, name: str) -> dict[str, str | bytes]:
    """All files by name.

    Args:
        found: the network.
        name: of network and data set, for the tool and for names of files.
    """
    name = description.identifier(name)
    sample_file = f"sample_{name}.npy"
    state = weights.state(found.lowered, found.program)
    return {
        sample_file: _sample(found),
        KNOWN_ANSWER_FILE: _known_answer(found),
        DESCRIPTION_FILE: description.text(
            found.lowered, found.placed, found.program, name
        ),
        REPORT_FILE: text.report(found),
        README_FILE: text.readme(found, name, sample_file),
        CHECKPOINT_FILE: checkpoint.to_bytes(arch=name, state=state),
    }


def channels_first(values: graph.Array, is_line: bool = False) -> graph.Array:
    """`[channels, rows, columns]` of `[rows, columns, channels]`; a line has rows."""
    turned = values.transpose(2, 0, 1)
    return turned.reshape(len(turned), -1) if is_line else turned


def _sample(found: network.Network) -> bytes:
    """int64, the one type that the tool reads."""
    first = found.lowered.steps[0].layer
    values = channels_first(found.sample, is_line=first.in_dim[1] == 1)
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values, np.int64), allow_pickle=False)
    return stream.getvalue()


def _known_answer(found: network.Network) -> bytes:
    """`input` and `layer_<i>` of every layer, channels first."""
    arrays = {"input": channels_first(found.sample)}
    for index, values in enumerate(found.outputs):
        arrays[f"layer_{index}"] = channels_first(values)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()
