"""Reads a `.tflite` network, float or integer, into a verified graph.

Float, int8, int16x8 (int16 activations, int8 weights) and packed INT4 weights; every
operator of `tflite_operators.READERS`. Needs neither TensorFlow nor any C++.
"""

import collections
import dataclasses
import math
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import (
    graph,
    tflite_file,
    tflite_names,
    tflite_operation,
    tflite_operators,
    tflite_rewrites,
    verify,
)
from tfpipeline.untrusted import content

_STORAGE = {"int4": "int8"}
_NUM_BITS = {"int4": 4, "int8": 8, "uint8": 8, "int16": 16, "int32": 32, "int64": 64}


@dataclasses.dataclass(frozen=True)
class Partly:
    """A network as far as it is known, to be priced.

    Attributes:
        graph: with a layer `Unknown` for an operator that has no kind.
        missing: how many operators of each name have none; empty for most networks.
        subgraphs: of the file; the first one is read.
    """

    graph: graph.Graph
    missing: Mapping[str, int]
    subgraphs: int


def read_file(path: str | os.PathLike[str]) -> graph.Graph:
    """Reads the network in the file at `path`, named as the file.

    Raises:
        StorageError: the file cannot be read.
        GraphError: as `read`.
    """
    return _read_file(path, partly=False).graph


def read_file_partly(path: str | os.PathLike[str]) -> Partly:
    """As `read_file`, for figures that may leave out operators without a kind.

    Raises:
        StorageError: the file cannot be read.
        GraphError: the file is damaged, or more is in the way than operators that can
            be left out: a tensor that a graph cannot hold, convolutions of a form that
            is not supported.
    """
    return _read_file(path, partly=True)


def _read_file(path: str | os.PathLike[str], *, partly: bool) -> Partly:
    file = pathlib.Path(path)
    model = content.read(file)
    try:
        return _read(model, file.stem, partly=partly)
    except errors.GraphError as error:
        raise errors.GraphError(f"{file}: {error}") from error


def read(model: bytes, *, name: str = "tflite") -> graph.Graph:
    """Reads the network in the bytes of a `.tflite` file.

    Tensors carry the file's names, layers those of Keras (`tflite_names`). Layers keep
    the file's order. An integer network that takes and gives real values, or
    bytes, begins and ends with its integers.

    Raises:
        GraphError: the file is damaged, or an operator, shape or type is not
            supported; names the operator, tensor or offset.
    """
    return _read(model, name, partly=False).graph


def read_partly(model: bytes, *, name: str = "tflite") -> Partly:
    """As `read`, for what may leave out operators without a kind.

    Raises:
        GraphError: as `read_file_partly`.
    """
    return _read(model, name, partly=True)


def _read(model: bytes, name: str, *, partly: bool) -> Partly:
    stored = tflite_rewrites.without_shapes(
        tflite_rewrites.without_border(tflite_file.parse(model))
    )
    program = tflite_rewrites.rewritten(
        stored, tflite_names.tensor_names(stored.tensors), partly=partly
    )
    names = tflite_names.tensor_names(program.tensors)
    unnamed: list[graph.Layer] = []
    missing: collections.Counter[str] = collections.Counter()
    for operator in program.operators:
        operation = tflite_operation.Operation(operator, program, names)
        try:
            unnamed.append(tflite_operators.layer(operation))
        except errors.GraphError:
            if not partly or not tflite_operators.can_be_missing(operation):
                raise
            missing[operator.name] += 1
            if (found := tflite_operators.unknown(operation)) is not None:
                unnamed.append(found)
    if missing.total() == len(program.operators):
        raise errors.GraphError(
            f"no operator is supported; found {', '.join(missing)}. docs/ir.md lists "
            "the operators of TFLite that are"
        )
    layers = tuple(
        dataclasses.replace(unnamed[i], name=short)
        for i, short in tflite_names.layer_names(unnamed).items()
    )
    inputs = tuple(names[index] for index in program.inputs)
    outputs = tuple(names[index] for index in program.outputs)
    indices = {name: index for index, name in names.items()}
    shell = graph.Graph(name, {}, {}, layers, inputs, outputs)
    # The file's order, by which TFLite Micro's planner decides between equal sizes.
    used = [
        program.tensors[index]
        for index in sorted(indices[n] for n in graph.tensor_names(shell))
    ]
    result = graph.Graph(
        name=name,
        tensors={names[t.index]: _tensor(t, names[t.index]) for t in used},
        constants={
            names[t.index]: tflite_operation.constant(t)
            for t in used
            if t.data is not None
        },
        layers=layers,
        inputs=inputs,
        outputs=outputs,
    )
    return Partly(verify.require(result), missing, program.subgraphs)


def _tensor(tensor: tflite_file.FileTensor, name: str) -> graph.Tensor:
    where = f"tensor {tensor.index} '{name}'"
    if tensor.is_dynamic:
        raise errors.GraphError(
            f"{where} has a dynamic shape, stored as {tensor.shape}; convert from a "
            "function of fixed shapes and batch 1"
        )
    dtype = _STORAGE.get(tensor.dtype, tensor.dtype)
    if dtype not in graph.DTYPES:
        raise errors.GraphError(
            f"{where} has the type {tensor.dtype}; supported are int4 and "
            f"{', '.join(graph.DTYPES)}"
        )
    return graph.Tensor(name, tensor.shape, dtype, _quant(tensor, where))


def _quant(tensor: tflite_file.FileTensor, where: str) -> graph.QuantParams | None:
    if not tensor.scales or tensor.dtype not in _NUM_BITS:
        return None
    if not all(math.isfinite(scale) for scale in tensor.scales):
        raise errors.GraphError(f"{where} has a scale that is not finite")
    if len(tensor.zero_points) != len(tensor.scales):
        raise errors.GraphError(
            f"{where} has {len(tensor.scales)} scales and "
            f"{len(tensor.zero_points)} zero points"
        )
    return graph.QuantParams(
        scale=tuple(float(np.float32(scale)) for scale in tensor.scales),
        zero_point=tensor.zero_points,
        num_bits=_NUM_BITS[tensor.dtype],
        axis=tensor.axis if len(tensor.scales) > 1 else None,
    )
