"""A float graph in the making: what the reader functions of the layers write to."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph


@dataclasses.dataclass(frozen=True)
class Range:
    """Limits of the values of a tensor, one pair or one a channel.

    A `narrow` range leaves out the smallest of the integers of `num_bits`.
    """

    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    narrow: bool
    is_per_channel: bool
    num_bits: int = 8


@dataclasses.dataclass
class Draft:
    """Tensors, constants and layers so far; every value is float32.

    `owners` says for each layer's output which call it was emitted for, `ranges` which
    tensors, constants included, training rounded to integers.
    """

    tensors: dict[str, graph.Tensor] = dataclasses.field(default_factory=dict)
    constants: dict[str, graph.Array] = dataclasses.field(default_factory=dict)
    layers: list[graph.Layer] = dataclasses.field(default_factory=list)
    owners: dict[str, str] = dataclasses.field(default_factory=dict)
    ranges: dict[str, Range] = dataclasses.field(default_factory=dict)
    call: str = ""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, the batch of one first."""
        return self.tensors[name].shape

    def tensor(self, name: str, shape: tuple[int, ...]) -> str:
        """Adds a tensor called `name`, or so with a number; returns its name."""
        number, free = 0, name
        while free in self.tensors:
            number += 1
            free = f"{name}#{number}"
        self.tensors[free] = graph.Tensor(free, shape, "float32")
        return free

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Adds a constant as `tensor` does."""
        # Not ascontiguousarray, which makes a vector of a scalar.
        array = np.array(values, np.float32, order="C")
        name = self.tensor(name, array.shape)
        self.constants[name] = array
        return name

    def several(
        self,
        kind: type[graph.Several],
        name: str,
        inputs: tuple[str, ...],
        shapes: tuple[tuple[int, ...], ...],
        **fields: Any,
    ) -> tuple[str, ...]:
        """As `add`, for a layer that writes a tensor for each of `shapes`."""
        further = tuple(
            self.tensor(f"{name}:{i}", shape)
            for i, shape in enumerate(shapes[1:], start=1)
        )
        first = self.add(kind, name, inputs, shapes[0], further=further, **fields)
        return (first, *further)

    def add(
        self,
        kind: type[graph.Layer],
        name: str,
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        **fields: Any,
    ) -> str:
        """Adds a layer; it writes the tensor of its own name, which is returned."""
        output = self.tensor(name, shape)
        self.owners[output] = self.call
        self.layers.append(kind(name=name, inputs=inputs, output=output, **fields))
        return output
