"""Networks that gap_quantization quantized: a graph, and a program of its integers.

What is read is a `quant.json` (`description`), or the folder of the tool's files where
a registered network has just these kernels, such as that of the re-identification demo.

The graph has the weights that the integers stand for, so that any target's cost model
and exporter takes it; the program has the integers themselves.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.gap_quantization import description, layer_file, wiring
from tfpipeline.ir import from_tflite, graph, serialize, verify
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import (
    fixed_point,
    kernels,
    lowering,
    program,
    steps,
)
from tfpipeline.untrusted import json_values

Array = graph.Array

_GRAPHS = {".json": serialize.read, ".tflite": from_tflite.read_file}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Quantized:
    """A network with the tool's integers.

    Attributes:
        graph: of floats, with the weights that the integers stand for.
        num_bits: 8 or 16, of data and weights.
        convolutions: the integers by name of the graph's layer.
        joined: how far sums and concatenations shift, by name, where files say so.
        input_q: fraction bits of the input; None where its readers tell.
        notes: what a reader should know, one line each.
    """

    graph: graph.Graph
    num_bits: int
    convolutions: Mapping[str, layer_file.Convolution]
    joined: Mapping[str, layer_file.Joined]
    input_q: int | None
    notes: tuple[str, ...]

    @property
    def takes_pixels(self) -> bool:
        """Whether pixels are taken as they are, 0 to 255: the tool's `raw_input`."""
        return self.program.input.q == 0

    @functools.cached_property
    def program(self) -> program.Program:
        """The integers as the chip computes with them.

        Raises:
            TargetError: the chip cannot run the network.
            GraphError: formats that do not fit together; names the layer.
        """
        return _Program(self).made()


def find(path: str | pathlib.Path) -> Quantized | None:
    """The network at a path; None where it is no description and no such folder.

    Raises:
        StorageError: a file cannot be read, or is damaged.
        GraphError: layers and wiring that do not fit together.
        UsageError: layers alone, whose wiring nobody knows.
    """
    place = pathlib.Path(path)
    if place.is_dir():
        if (place / description.FILE_NAME).is_file():
            return find(place / description.FILE_NAME)
        return _of_folder(place) if layer_file.is_folder(place) else None
    if place.suffix.lower() != layer_file.SUFFIX or not place.is_file():
        return None
    return of_value(json_values.read(place), place)


def of_value(value: Any, path: pathlib.Path) -> Quantized | None:
    """As `find`, of a file's JSON."""
    if layer_file.is_one(value):
        raise errors.UsageError(
            f"{path} is one layer of gap_quantization: give the folder, or a "
            f"{description.FILE_NAME} that says how its layers are connected "
            "(docs/targets/gap8_export.md)"
        )
    if not description.is_one(value):
        return None
    described = description.of_value(value, path)
    if described.network:
        g = _network(described.network)
        files = layer_file.folder(described.folder)
        return _made(g, files, described, path.parent.name)
    files = _read_by_name(described)
    g = wiring.of_layers(described, files, path.parent.resolve().name or path.stem)
    given = {each.name: each.file for each in described.layers if each.file in files}
    return _made(g, files, dataclasses.replace(described, files=given), g.name)


def _read_by_name(
    described: description.Description,
) -> dict[str, layer_file.Layer]:
    files = {}
    for each in described.layers:
        path = described.folder / f"{each.file}{layer_file.SUFFIX}"
        if each.kind == "conv" or (each.kind in ("concat", "add") and path.is_file()):
            files[each.file] = layer_file.read(path)
    return files


def _of_folder(folder: pathlib.Path) -> Quantized:
    """By the registered network that has just these kernels."""
    files = layer_file.folder(folder)
    shapes = sorted(
        file.weights.shape
        for file in files.values()
        if isinstance(file, layer_file.Convolution)
    )
    found = [
        name for name in catalog.names() if wiring.kernels(catalog.load(name)) == shapes
    ]
    if len(found) != 1:
        raise errors.UsageError(
            f"'{folder}' has {len(shapes)} layers of gap_quantization, which do not "
            f"say how they are connected, and {len(found) or 'no'} registered networks "
            f"have such kernels: write a {description.FILE_NAME} "
            "(docs/targets/gap8_export.md)"
        )
    described = description.Description(folder=folder, network=found[0])
    return _made(catalog.load(found[0]), files, described, found[0])


def _network(name: str) -> graph.Graph:
    """A network to be wired like: data alone, which no code is run for."""
    if name in catalog.names():
        return catalog.load(name)
    path = pathlib.Path(name)
    reader = _GRAPHS.get(path.suffix.lower())
    if reader is None:
        raise errors.UsageError(
            f"network {errors.brief(name)} is no registered network, graph.json or "
            ".tflite file"
        )
    g = reader(path)
    if any(tensor.dtype != "float32" for tensor in g.tensors.values()):
        raise errors.UsageError(f"network {errors.brief(name)} is not of floats")
    return g


def _made(
    g: graph.Graph,
    files: Mapping[str, layer_file.Layer],
    described: description.Description,
    name: str,
) -> Quantized:
    convolutions, notes = wiring.matched(g, files, described.files)
    by_layer = {layer: files[file] for layer, file in described.files.items()}
    num_bits = described.bits or _width(convolutions)
    off = [layer for layer, file in convolutions.items() if file.is_bias_off]
    if off:
        notes += (
            "the tool adds biases at another scale than they have, and so do these "
            f"integers: {errors.listed(off, 4)}",
        )
    return Quantized(
        graph=dataclasses.replace(_filled(g, convolutions), name=name or g.name),
        num_bits=num_bits,
        convolutions=convolutions,
        joined={
            layer: file
            for layer, file in by_layer.items()
            if isinstance(file, layer_file.Joined)
        },
        input_q=described.input_q,
        notes=(f"integers of {num_bits} bits, by gap_quantization", *notes),
    )


def _width(convolutions: Mapping[str, layer_file.Convolution]) -> int:
    """8 where all integers have as many bits, else 16."""
    low, high = fixed_point.value_range(8)
    arrays = (a for f in convolutions.values() for a in (f.weights, f.bias))
    return 8 if all(low <= a.min() and a.max() <= high for a in arrays) else 16


def _filled(
    g: graph.Graph, convolutions: Mapping[str, layer_file.Convolution]
) -> graph.Graph:
    """The graph with what the integers stand for as its weights and biases."""
    found = wiring.weighted_steps(g)
    constants, tensors = dict(g.constants), dict(g.tensors)
    layers = {layer.name: layer for layer in g.layers}
    for name, file in convolutions.items():
        layer = found[name].layer
        assert isinstance(layer, graph.Weighted)
        shape = tensors[layer.weights].shape
        constants[layer.weights] = _real(
            _ordered(found[name], file.weights).reshape(shape), file.weight_q
        )
        bias = layer.bias or f"{layer.name}/bias"
        bias_shape = tensors[bias].shape if layer.bias else file.bias.shape
        tensors[bias] = graph.Tensor(bias, bias_shape, "float32")
        constants[bias] = _real(file.bias.reshape(bias_shape), file.out_q)
        layers[layer.name] = dataclasses.replace(layer, bias=bias)
    return verify.require(
        dataclasses.replace(
            g, tensors=tensors, constants=constants, layers=tuple(layers.values())
        )
    )


def _ordered(step: steps.Step, weights: Array) -> Array:
    """The tool's kernel in the order of the graph's layer."""
    if isinstance(step.layer, graph.DepthwiseConv2D):
        return weights.transpose(1, 2, 3, 0)
    return weights.transpose(0, 2, 3, 1)


def _real(integers: Array, q: int) -> Array:
    """What integers of up to 16 bits stand for, exactly."""
    return np.ldexp(integers.astype(np.float32), -q).astype(np.float32)


class _Program:
    """Layers so far, with the fraction bits of what they write."""

    def __init__(self, quantized: Quantized) -> None:
        self._of = quantized
        self._draft = lowering.lower(quantized.graph, quantized.num_bits)
        self._q = {self._draft.input: self._input_q()}

    def made(self) -> program.Program:
        """The program."""
        draft = self._draft
        layers = tuple(self._layer(step) for step in draft.steps)
        shapes = {draft.input: draft.input_shape}
        shapes |= {step.output: step.shape for step in draft.steps}
        return program.Program(
            name=draft.name,
            num_bits=self._of.num_bits,
            tensors={
                name: program.Tensor(name, shape, self._q[name])
                for name, shape in shapes.items()
            },
            layers=layers,
            inputs=(draft.input,),
            outputs=draft.outputs,
            notes=(*draft.notes, *self._of.notes),
        )

    def _input_q(self) -> int:
        """As the first layer with weights has it that reads the input through pools."""
        if self._of.input_q is not None:
            return self._of.input_q
        same = {self._draft.input}
        for step in self._draft.steps:
            if not same.intersection(step.inputs):
                continue
            if step.weights is not None:
                return self._of.convolutions[step.name].in_q
            if not issubclass(step.kind, program.Joined):
                same.add(step.output)
        raise errors.GraphError(
            "no layer with weights reads the input: say input_frac_bits in the "
            f"{description.FILE_NAME}"
        )

    def _layer(self, step: lowering.Step) -> program.Layer:
        fields = {**step.fields, "inputs": step.inputs, "output": step.output}
        read = [self._q[name] for name in step.inputs]
        result = read[0]
        if step.weights is not None:
            file = self._of.convolutions[step.name]
            result = file.out_q
            if file.in_q != read[0]:
                raise errors.GraphError(
                    f"layer '{step.name}' ({file.name}) reads {file.in_q} fraction "
                    f"bits; what it reads has {read[0]}: it is another layer's file, "
                    "or the tool clamped a shift"
                )
            fields["format"] = fixed_point.Format(
                file.in_q, file.weight_q, result, result
            )
            fields["weights"] = self._integers(step, step.weights, file.weight_q)
            fields["bias"] = self._integers(step, step.bias, result)
        elif issubclass(step.kind, program.Joined):
            result = self._joined_q(step, read)
            fields["norms"] = tuple(q - result for q in read)
        elif step.kind is program.AvgPool:
            factor = kernels.average_factor(self._of.num_bits, step.fields["window"])
            fields["factor"], fields["shift"], fields["rounds"] = factor
        self._q[step.output] = result
        return step.kind(name=step.name, **fields)

    def _joined_q(self, step: lowering.Step, read: list[int]) -> int:
        """As the file says, else that of the input with the fewest fraction bits."""
        file = self._of.joined.get(step.name)
        if file is None:
            return min(read)
        results = {q - norm for q, norm in zip(read, file.norms, strict=False)}
        if len(file.norms) != len(read) or len(results) > 1:
            raise errors.GraphError(
                f"layer '{step.name}' ({file.name}) shifts its inputs by "
                f"{errors.listed(file.norms)}; they have {errors.listed(read)} "
                "fraction bits"
            )
        return results.pop()

    def _integers(self, step: lowering.Step, reals: Array | None, q: int) -> Array:
        assert reals is not None
        whole = np.ldexp(reals.astype(np.float64), q)
        low, high = fixed_point.value_range(self._of.num_bits)
        if whole.min() < low or whole.max() > high:
            raise errors.GraphError(
                f"layer '{step.name}' has integers of over {self._of.num_bits} bits"
            )
        result: Array = whole.astype(fixed_point.WIDTHS[self._of.num_bits])
        return result
