"""Which network a board runs, of those that `--model` may mean."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from tfpipeline import errors, run_folder
from tfpipeline.ir import fingerprint, from_tflite, graph, serialize
from tfpipeline.untrusted import content

# Of an export for TensorFlow Lite Micro, and of one in C.
_OF_EXPORTS = ("model.tflite", "harness/model.tflite")
_GIVE = "give the folder of a run or of an export, or a .tflite"
# Characters of a digest that are shown.
_SHOWN = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A network of integers.

    Attributes:
        path: of its file.
        graph: the network.
        digest: as a board's greeting has it.
    """

    path: pathlib.Path
    graph: graph.Graph
    digest: bytes


def source(model: str) -> str:
    """What other commands take as `--model`: of an export, the network in it."""
    for name in _OF_EXPORTS:
        path = pathlib.Path(model, name)
        if path.is_file():
            return str(path)
    return model


def candidates(model: str) -> list[Candidate]:
    """The networks of integers in an export, a run or a file.

    Raises:
        UsageError: there is none.
        GraphError, StorageError: a file is damaged.
    """
    found = [
        Candidate(path, g, fingerprint.of(g))
        for path in _files(pathlib.Path(source(model)))
        if _is_of_integers(g := _read(path))
    ]
    if not found:
        raise errors.UsageError(
            f"{errors.brief(model)} has no network of integers, which boards run: "
            f"{_GIVE}"
        )
    return found


def of_board(found: Sequence[Candidate], digest: bytes, named: str) -> Candidate:
    """The candidate that a board runs.

    Args:
        found: those that there are.
        digest: of the greeting.
        named: the network as the board names it.

    Raises:
        TargetError: it runs another one.
    """
    for each in found:
        if each.digest == digest:
            return each
    ours = ", ".join(f"{shown(each.digest)} of {each.path.name}" for each in found)
    raise errors.TargetError(
        f"the board runs another network: {errors.brief(named)} ({shown(digest)}); "
        f"--model has {errors.one_line(ours, 120)}. Export it, build harness/ and load "
        "it onto the board"
    )


def shown(digest: bytes) -> str:
    """The beginning of a digest, for people."""
    return digest.hex()[:_SHOWN]


def to_bytes(arrays: Sequence[graph.Array]) -> list[bytes]:
    """Arrays `[N, ...]`, one of each end of a network, as N runs of bytes."""
    rows = [
        np.ascontiguousarray(each).reshape(len(each), -1).view(np.uint8)
        for each in arrays
    ]
    return [row.tobytes() for row in np.concatenate(rows, axis=1)]


def to_arrays(
    data: Sequence[bytes], tensors: Sequence[graph.Tensor]
) -> list[graph.Array]:
    """The reverse: for each tensor `[N, ...]`."""
    sizes = [each.num_elements * np.dtype(each.dtype).itemsize for each in tensors]
    rows = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), sum(sizes))
    return [
        np.frombuffer(part.tobytes(), tensor.dtype).reshape(
            len(data), *tensor.shape[1:]
        )
        for part, tensor in zip(
            np.split(rows, np.cumsum(sizes)[:-1], axis=1), tensors, strict=True
        )
    ]


def _files(path: pathlib.Path) -> Iterator[pathlib.Path]:
    if not content.exists(path):
        raise errors.UsageError(
            f"no file and no folder is called {errors.brief(str(path))}: {_GIVE}"
        )
    if not path.is_dir():
        yield path
        return
    run = run_folder.RunFolder(path)
    listed = (
        path / serialize.FILE_NAME,
        *sorted(run.exports.glob("*/model.tflite")),
        run.graph / serialize.FILE_NAME,
    )
    yield from (each for each in listed if each.is_file())


def _read(path: pathlib.Path) -> graph.Graph:
    if path.suffix.lower() == ".json":
        return serialize.read(path)
    if path.suffix.lower() != ".tflite":
        raise errors.UsageError(
            f"{errors.brief(str(path))} is no network of integers by its name: {_GIVE}"
        )
    return from_tflite.read_file(path)


def _is_of_integers(g: graph.Graph) -> bool:
    return all(g.tensors[name].dtype != "float32" for name in g.inputs)
