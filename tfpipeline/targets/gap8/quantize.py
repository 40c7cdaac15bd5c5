"""From a float graph and the magnitudes of its tensors to a program of integers.

The rule is gap_quantization's (see `fixed_point` for the source): the integer bits of
the input, of each kernel and of each layer's sums come from the largest magnitude that
calibration found; what only moves or compares values keeps the format. All inputs of a
concatenation get the format of the widest: the layer that feeds a narrower one, reached
back through ReLU and max pools only, shifts its result by so many places more, and its
bias is rounded by as many. Where that layer is read by others too, or something else is
in between, the concatenation shifts its input itself.

Two things that the tool leaves open are decided here: a sum of two tensors gets the
format of its own magnitude, where calibration has it, and never a finer one than its
inputs, and where the three formats differ, none has more fraction bits than the width
less the sign, which is all that the kernel of such sums takes; and the average pool is
the chip's (see `kernels.average_factor`), not that of the tool's PC emulation, which at
8 bits shifts a 16-bit factor by 8 and saturates.
"""

from collections.abc import Mapping

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import (
    fixed_point,
    fusion,
    kernels,
    lowering,
    program,
    steps,
)

Array = graph.Array

# Operations whose results set formats; the others keep those of their inputs.
_MEASURED = (*steps.WITH_WEIGHTS, steps.ADD)


def quantize(
    g: graph.Graph,
    ranges: Mapping[str, float],
    *,
    num_bits: int = 16,
    raw_input: bool = False,
) -> program.Program:
    """The integers of a network.

    Args:
        g: a well-formed float graph, batch normalizations folded.
        ranges: largest magnitudes over the calibration images, by tensor: of the
            input, and of the output of each layer with weights before its ReLU
            (`measured`). Those of sums are used where they are given.
        num_bits: 16 or 8, of data, weights and biases.
        raw_input: the input is integers 0 to 255, taken as they are.

    Raises:
        TargetError: the network breaks a constraint of the chip.
        QuantizationError: missing or unusable magnitudes, or formats that the kernels
            cannot compute with; all that are found at once.
    """
    if num_bits not in fixed_point.WIDTHS:
        raise errors.QuantizationError(f"num_bits must be 16 or 8; found {num_bits}")
    if raw_input and num_bits < 16:
        raise errors.QuantizationError(
            "a raw input of 0 to 255 needs 16 bits; normalize it for 8"
        )
    draft = lowering.lower(g, num_bits)
    formats = _Formats(draft, ranges, num_bits, raw_input)
    tensors = {
        name: program.Tensor(name, shape, formats.q[name])
        for name, shape in _shapes(draft).items()
    }
    layers = (_layer(step, formats, num_bits) for step in draft.steps)
    return program.Program(
        name=draft.name,
        num_bits=num_bits,
        tensors=tensors,
        layers=tuple(layers),
        inputs=(draft.input,),
        outputs=draft.outputs,
        notes=draft.notes,
    )


def measured(g: graph.Graph) -> tuple[str, ...]:
    """The tensors whose magnitudes `quantize` needs, those of sums included.

    Args:
        g: well-formed, batch normalizations folded; the chip need not run it.
    """
    found = [s for s in fusion.fuse(g).steps if s.operation in _MEASURED]
    return (g.inputs[0], *(step.measured for step in found))


def _shapes(draft: lowering.Draft) -> dict[str, program.Shape]:
    return {draft.input: draft.input_shape} | {
        step.output: step.shape for step in draft.steps
    }


class _Formats:
    """Fraction bits of all tensors and layers, concatenations made equal.

    Attributes:
        q: by tensor.
        layers: by name of the layer with weights.
        shifts: by name, places that a concatenation asked of the layer, which its
            bias is rounded by.
    """

    def __init__(
        self,
        draft: lowering.Draft,
        ranges: Mapping[str, float],
        num_bits: int,
        raw_input: bool,
    ):
        self._draft = draft
        self._ranges = ranges
        self._num_bits = num_bits
        self._is_raw = raw_input
        self._integers: dict[str, int] = {}
        self._faults: list[str] = []
        # Tensors whose magnitudes count as one at least, for the sums that read them.
        self._raised: set[str] = set()
        self.layers: dict[str, fixed_point.Format] = {}
        self.shifts: dict[str, int] = {}
        self._propagate()
        while not self._faults and (tiny := self._tiny_in_sums() - self._raised):
            self._raised |= tiny
            self._propagate()
        if self._faults:
            raise errors.QuantizationError(
                errors.told(f"graph '{draft.name[:60]}': ", self._faults)
            )
        self.q = {
            name: fixed_point.fraction_bits(num_bits, integers)
            for name, integers in self._integers.items()
        }
        self._writers = {step.output: step for step in draft.steps}
        for step in draft.steps:
            if step.kind is program.Concat:
                self._equalize(step)

    def _propagate(self) -> None:
        """Integer bits of all tensors, from those that are measured."""
        source, width = self._draft.input, self._num_bits
        self._integers[source] = width - 1 if self._is_raw else self._bits_of(source)
        for step in self._draft.steps:
            self._integers[step.output] = self._propagated(step)

    def _tiny_in_sums(self) -> set[str]:
        """Measured tensors that give a sum of unequal formats a negative integer bit.

        CNN_MatAddDynAdjust takes 0 to 15 fraction bits, in 8 bits 0 to 7.
        """
        found: set[str] = set()
        for step in self._draft.steps:
            names = (*step.inputs, step.output)
            integers = [self._integers[name] for name in names]
            if step.kind is program.Add and min(integers) < min(0, max(integers)):
                for name, bits in zip(names, integers, strict=True):
                    found |= set(self._draft.measured(name)) if bits < 0 else set()
        return found

    def _bits_of(self, name: str) -> int:
        """Integer bits that calibration found; 0 besides a fault."""
        try:
            bits = fixed_point.integer_bits(float(self._ranges[name]))
            return max(bits, 0) if name in self._raised else bits
        except KeyError:
            self._faults.append(f"no range of the tensor '{name}'")
        except errors.QuantizationError as error:
            self._faults.append(f"the range of the tensor '{name}': {error}")
        return 0

    def _propagated(self, step: lowering.Step) -> int:
        """Integer bits of what a step writes; notes the formats of its weights."""
        integers = max(self._integers[name] for name in step.inputs)
        if step.kind is program.Add and step.measured in self._ranges:
            return max(integers, self._bits_of(step.measured))
        if step.weights is None:
            return integers
        out = self._bits_of(step.measured)
        largest = float(np.abs(step.weights).max())
        try:
            weights = fixed_point.integer_bits(largest)
            self.layers[step.name] = fixed_point.layer_format(
                self._num_bits, integers, weights, out
            )
        except errors.QuantizationError as error:
            self._faults.append(f"layer '{step.name}': {error}")
        return out

    def _equalize(self, concat: lowering.Step) -> None:
        """Shifts what feeds a concatenation, where nothing else notices."""
        for name in concat.inputs:
            places = self.q[name] - self.q[concat.output]
            path = self._path(name) if places else ()
            for step in path:
                self.q[step.output] -= places
                if step.name in self.layers:
                    form = self.layers[step.name]
                    self.layers[step.name] = form.shifted(places)
                    self.shifts[step.name] = places

    def _path(self, name: str) -> tuple[lowering.Step, ...]:
        """The steps from a layer with weights to a tensor that is read once only."""
        path: list[lowering.Step] = []
        while name in self._writers and self._draft.readers(name) == 1:
            step = self._writers[name]
            path.append(step)
            if step.weights is not None:
                return tuple(path)
            if step.kind is not program.MaxPool:
                break
            name = step.inputs[0]
        return ()


def _layer(step: lowering.Step, formats: _Formats, num_bits: int) -> program.Layer:
    fields = {**step.fields, "inputs": step.inputs, "output": step.output}
    if step.weights is not None:
        assert step.bias is not None
        form = formats.layers[step.name]
        fields["weights"] = fixed_point.quantize(step.weights, form.weight_q, num_bits)
        fields["format"] = form
        # Rounded twice, as the tool does it: first to its own format.
        places = formats.shifts.get(step.name, 0)
        whole = fixed_point.quantize(step.bias, form.bias_q + places, num_bits)
        shifted = fixed_point.round_shift(whole, places)
        fields["bias"] = fixed_point.saturate(shifted, num_bits)
    elif issubclass(step.kind, program.Joined):
        result = formats.q[step.output]
        fields["norms"] = tuple(formats.q[name] - result for name in step.inputs)
    elif step.kind is program.AvgPool:
        factor = kernels.average_factor(num_bits, step.fields["window"])
        fields["factor"], fields["shift"], fields["rounds"] = factor
    return step.kind(name=step.name, **fields)
