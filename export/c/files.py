"""The folder with a network in C: NAME.c, NAME.h, NAME_test.c, and `harness`."""

import os
from collections.abc import Sequence

import numpy as np

from export.c import harness, network
from export.c.cores import catalog, family
from tfpipeline import marked_folder
from tfpipeline.ir import graph
from tfpipeline.simulate import execution

# Random inputs of the known answers.
KNOWN_ANSWERS = 2


def write(
    path: str | os.PathLike[str],
    g: graph.Graph,
    name: str,
    inputs: Sequence[graph.Array] | None = None,
) -> network.Network:
    """Writes all files, in place of those of an earlier export to `path`.

    Args:
        path: of the folder.
        g: of int8, or of int16 with int8 weights.
        name: of files and functions; spelled in lower case with underscores.
        inputs: for each of the graph's inputs `[N, ...]` of its shape and type, whose
            answers are recorded; without them two of random integers.

    Returns:
        What was written, with its plan of the arena.

    Raises:
        GraphError: the graph is not well formed.
        ExportError: naming everything in the graph that cannot be written.
        UsageError: `inputs` do not fit the graph's.
        ForeignFileError: the folder holds what is not ours.
        StorageError: the folder cannot be written.
    """
    found = network.prepare(g, name)
    marked_folder.write(path, contents(found, inputs))
    return found


def contents(
    found: network.Network, inputs: Sequence[graph.Array] | None = None
) -> dict[str, str | bytes]:
    """All files by their place in the folder; `inputs` as for `write`."""
    if inputs is None:
        random = np.random.default_rng(0)
        inputs = [_random_images(each, random) for each in found.inputs.values()]
    answers = execution.run(found.g, inputs)
    boards = {
        f"{cores.folder}/{file}": text
        for cores in catalog.FAMILIES
        for file, text in family.texts(cores, found).items()
    }
    return {
        f"{found.name}.c": network.source(found),
        f"{found.name}.h": network.header(found),
        f"{found.name}_test.c": network.test(found, inputs, answers),
        **boards,
        **harness.contents(found),
    }


def _random_images(tensor: graph.Tensor, random: np.random.Generator) -> graph.Array:
    """Integers of the whole range of the type."""
    limits = np.iinfo(tensor.dtype)
    shape = (KNOWN_ANSWERS, *tensor.shape[1:])
    return random.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)
