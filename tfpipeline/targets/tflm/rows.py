"""All outputs of a network as one array, as tasks take them.

Of one output it is that one; of several, one row an image: each output flattened, one
behind the other.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.targets.tflm import flatbuffer, ports

IntArray = npt.NDArray[np.signedinteger[Any]]


def joined(arrays: ports.Arrays) -> IntArray:
    """`[N, ...]` of each output as one array."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate([each.reshape(len(each), -1) for each in arrays], axis=1)


def parted(program: flatbuffer.Program, values: npt.NDArray[Any]) -> ports.Arrays:
    """Each output `[N, ...]` of what `joined` gave, or of real numbers in its order."""
    shapes = [program.tensors[index].shape[1:] for index in program.outputs]
    if len(shapes) == 1:
        return (values.reshape(len(values), *shapes[0]),)
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return tuple(
        part.reshape(len(values), *shape)
        for part, shape in zip(np.split(values, ends, axis=1), shapes, strict=True)
    )


def real(program: flatbuffer.Program, values: IntArray) -> npt.NDArray[np.float64]:
    """What integers stand for, by the scale of their output; of the same shape."""
    tensors = [program.tensors[index] for index in program.outputs]
    parts = [values] if len(tensors) == 1 else parted(program, values)
    found = [
        (part.astype(np.float64) - tensor.zero_points[0]) * tensor.scales[0]
        for part, tensor in zip(parts, tensors, strict=True)
    ]
    return np.asarray(joined(tuple(found)), np.float64)
