"""An exported network in C, compiled for this machine and called here.

The same integers as everywhere, some ten times as fast as our execution in NumPy. Needs
a C compiler; nothing is kept on the disk.
"""

import ctypes
import shutil
from collections.abc import Callable

import numpy as np

from export.c import host, network
from tfpipeline import errors, leftovers
from tfpipeline.ir import graph

Array = graph.Array
# Integers [N, ...] -> integers of every output, each [N, ...].
Run = Callable[[Array], tuple[Array, ...]]

_NAME = "net"


def runner(g: graph.Graph) -> Run | None:
    """What computes an integer graph; `None` without a compiler, or where C does not.

    Args:
        g: of one input and batch 1, as `network.prepare` takes it, without a state.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    is_simple = len(g.inputs) == 1 and not any(
        isinstance(layer, graph.Stateful) for layer in g.layers
    )
    if compiler is None or not is_simple:
        return None
    try:
        found = network.prepare(g, _NAME)
    except (errors.ExportError, errors.GraphError):
        return None
    library = _compiled(found, compiler)
    return None if library is None else _calling(library, found)


def _compiled(found: network.Network, compiler: str) -> ctypes.CDLL | None:
    library = f"{_NAME}.so"
    arguments = ("-O3", "-march=native", "-shared", "-fPIC", "-o", library)
    with leftovers.scratch_folder() as folder:
        try:
            host.build(found, folder, compiler, arguments)
        except errors.TargetError:
            return None
        # Once it is loaded, the file may go.
        return ctypes.CDLL(str(folder / library))


def _calling(library: ctypes.CDLL, found: network.Network) -> Run:
    function = getattr(library, f"{_NAME}_run")
    [source] = found.inputs.values()
    outputs = list(found.outputs.values())

    def run(inputs: Array) -> tuple[Array, ...]:
        given = np.ascontiguousarray(inputs, source.dtype)
        results = [
            np.empty((len(given), *each.shape[1:]), each.dtype) for each in outputs
        ]
        for row in range(len(given)):
            pointers = [array[row].ctypes.data for array in (given, *results)]
            function(*map(ctypes.c_void_p, pointers))
        return tuple(results)

    return run
