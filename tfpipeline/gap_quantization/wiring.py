"""The layers of a description as a graph without integers, and which file is whose."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.gap_quantization import description, layer_file
from tfpipeline.ir import geometry, graph, verify
from tfpipeline.targets.gap8 import fusion, steps

Shape = tuple[int, ...]
_DIGITS = re.compile(r"(\d+)")


def of_layers(
    described: description.Description,
    files: Mapping[str, layer_file.Layer],
    name: str,
) -> graph.Graph:
    """The graph that a description spells out; its kernels are ones.

    Raises:
        GraphError: shapes that do not fit together.
    """
    assert described.input_shape is not None
    channels, rows, columns = described.input_shape
    made = _Made()
    made.tensor("input", (1, rows, columns, channels))
    for operation in described.layers:
        made.add(operation, files.get(operation.file))
    read = {each for layer in made.layers for each in layer.inputs}
    outputs = (layer.output for layer in made.layers if layer.output not in read)
    return verify.require(
        graph.Graph(
            name,
            made.tensors,
            made.constants,
            tuple(made.layers),
            ("input",),
            tuple(outputs),
        )
    )


class _Made:
    """Layers so far, their tensors and their constants."""

    def __init__(self) -> None:
        self.tensors: dict[str, graph.Tensor] = {}
        self.constants: dict[str, graph.Array] = {}
        self.layers: list[graph.Layer] = []

    def tensor(self, name: str, shape: Shape) -> None:
        self.tensors[name] = graph.Tensor(name, shape, "float32")

    def add(
        self, operation: description.Operation, file: layer_file.Layer | None
    ) -> None:
        """Adds the layer of an operation, whose inputs are there."""
        shapes = [self.tensors[name].shape for name in operation.inputs]
        clamp = graph.RELU if operation.relu else graph.NO_CLAMP
        named: dict[str, Any] = {
            "name": operation.name,
            "inputs": operation.inputs,
            "output": operation.name,
        }
        _, *plane, channels = shapes[0]
        match operation.kind:
            case "conv":
                self._convolution(operation, file, shapes[0], named, clamp)
            case "max_pool" | "avg_pool":
                kind = {"max_pool": graph.MaxPool, "avg_pool": graph.AveragePool}
                size = operation.kernel_size or (plane[0], plane[1])
                self.layers.append(
                    kind[operation.kind](
                        **named,
                        kernel_size=size,
                        strides=operation.strides,
                        padding=operation.padding,
                        clamp=clamp,
                    )
                )
                self._windowed(operation, shapes[0], size, channels)
            case "concat":
                if len({shape[:-1] for shape in shapes}) > 1:
                    raise errors.GraphError(
                        f"concat {errors.brief(operation.name)} joins planes of "
                        f"{errors.listed([shape[1:-1] for shape in shapes])}"
                    )
                total = sum(shape[-1] for shape in shapes)
                self.layers.append(graph.Concat(**named, axis=3))
                self.tensor(operation.name, (*shapes[0][:-1], total))
            case "add":
                self.layers.append(graph.Add(**named, clamp=clamp))
                self.tensor(operation.name, shapes[0])
            case _:
                self.layers.append(graph.Activation(**named, function="relu"))
                self.tensor(operation.name, shapes[0])

    def _convolution(
        self,
        operation: description.Operation,
        file: layer_file.Layer | None,
        shape: Shape,
        named: Mapping[str, Any],
        clamp: graph.Clamp,
    ) -> None:
        if not isinstance(file, layer_file.Convolution):
            raise errors.GraphError(
                f"conv {errors.brief(operation.name)}: {operation.file}.json is "
                f"{'absent' if file is None else 'no convolution'}"
            )
        outputs, inputs, *size = file.weights.shape
        groups, channels = operation.groups, shape[-1]
        if inputs * groups != channels:
            raise errors.GraphError(
                f"conv {errors.brief(operation.name)} has kernels of {inputs} "
                f"channels, in {groups} groups; it reads {channels}"
            )
        is_depthwise = groups == channels > 1
        kernel = (1, *size, outputs) if is_depthwise else (outputs, *size, inputs)
        weights, bias = f"{operation.name}/weights", f"{operation.name}/bias"
        for name, constant in ((weights, kernel), (bias, (outputs,))):
            self.tensor(name, constant)
            self.constants[name] = np.ones(constant, np.float32)
        kind = graph.DepthwiseConv2D if is_depthwise else graph.Conv2D
        fields = {
            **named,
            "weights": weights,
            "bias": bias,
            "clamp": clamp,
            "strides": operation.strides,
            "padding": operation.padding,
            "dilation": operation.dilation,
        }
        self.layers.append(kind(**fields))
        self._windowed(operation, shape, (size[0], size[1]), outputs)

    def _windowed(
        self,
        operation: description.Operation,
        shape: Shape,
        size: description.Pair,
        channels: int,
    ) -> None:
        plane = tuple(
            geometry.output_size(*axis)
            for axis in zip(
                shape[1:-1],
                size,
                operation.strides,
                operation.padding,
                operation.dilation,
                strict=True,
            )
        )
        if min(plane) < 1:
            raise errors.GraphError(
                f"{operation.kind} {errors.brief(operation.name)}: a window of "
                f"{size[0]}x{size[1]} does not fit a plane of {shape[1]}x{shape[2]}"
            )
        self.tensor(operation.name, (1, *plane, channels))


def weighted_steps(g: graph.Graph) -> dict[str, steps.Step]:
    """The chip's steps with weights, by name of the graph's layer, as they run."""
    found = (step for step in fusion.fuse(g).steps)
    return {step.name: step for step in found if isinstance(step.layer, graph.Weighted)}


def kernel_shape(g: graph.Graph, step: steps.Step) -> Shape:
    """The kernel of a step as the tool has it: outputs, inputs of a group, window.

    A matrix product has a window as large as the plane.
    """
    assert isinstance(step.layer, graph.Weighted)
    kernel = g.tensors[step.layer.weights].shape
    if step.operation == steps.LINEAR:
        return (kernel[0], *step.source)
    if isinstance(step.layer, graph.DepthwiseConv2D):
        return (kernel[-1], 1, *kernel[1:-1])
    if isinstance(step.layer, graph.Dense):
        return (*kernel, 1, 1)
    return (kernel[0], kernel[-1], *(1, *kernel[1:-1])[-2:])


def kernels(g: graph.Graph) -> list[Shape]:
    """The kernels of a graph, sorted: whether files can be a network's."""
    found = weighted_steps(g).values()
    return sorted(kernel_shape(g, step) for step in found)


def matched(
    g: graph.Graph,
    files: Mapping[str, layer_file.Layer],
    given: Mapping[str, str],
) -> tuple[dict[str, layer_file.Convolution], tuple[str, ...]]:
    """The file of each layer with weights: as given, else by shape.

    Files of one shape are taken in the order of their names, numbers by their value,
    as modules of PyTorch are numbered in the order in which they run. What the fraction
    bits of each say of its input is checked where integers are made.

    Args:
        g: the network.
        files: all files, by name.
        given: names of files by names of layers.

    Returns:
        Files by name of the layer, and notes of what only the order told apart.

    Raises:
        GraphError: another number of files than of layers of a shape, or a name that
            is not there.
    """
    found = weighted_steps(g)
    result: dict[str, layer_file.Convolution] = {}
    for layer, name in given.items():
        file = files.get(name)
        if layer not in found:
            # Of a sum or a concatenation.
            if file is None or not any(each.name == layer for each in g.layers):
                raise errors.GraphError(
                    f"files: no layer {errors.brief(layer)} or no file "
                    f"{errors.brief(name)}"
                )
        elif not isinstance(file, layer_file.Convolution):
            raise errors.GraphError(f"files: {errors.brief(name)} is no convolution")
        else:
            result[layer] = file
    taken = {file.name for file in result.values()}
    left = [
        file
        for file in files.values()
        if isinstance(file, layer_file.Convolution) and file.name not in taken
    ]
    by_shape: dict[Shape, list[layer_file.Convolution]] = {}
    for file in sorted(left, key=lambda each: natural(each.name)):
        by_shape.setdefault(file.weights.shape, []).append(file)
    wanted: dict[Shape, list[str]] = {}
    for layer, step in found.items():
        if layer not in result:
            wanted.setdefault(kernel_shape(g, step), []).append(layer)
    told = []
    for shape in dict.fromkeys((*wanted, *by_shape)):
        layers, candidates = wanted.get(shape, []), by_shape.get(shape, [])
        if len(layers) != len(candidates):
            raise errors.GraphError(
                f"'{g.name}' has {len(layers)} layers with kernels of "
                f"{_told(shape)} ({errors.listed(layers, 3) or 'none'}); there are "
                f"{len(candidates)} files ({_names(candidates) or 'none'})"
            )
        pairs = list(zip(layers, candidates, strict=True))
        result |= pairs
        if len(pairs) > 1:
            told += [f"{layer} is {file.name}" for layer, file in pairs]
    if not told:
        return result, ()
    note = (
        f"of kernels of one shape, the order of names tells: {errors.listed(told, 4)}"
    )
    return result, (note,)


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value."""
    parts = _DIGITS.split(name)
    return [(int(part[:18]), "") if part.isdigit() else (-1, part) for part in parts]


def _told(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _names(files: Iterable[layer_file.Convolution]) -> str:
    return errors.listed([file.name for file in files], 3)
