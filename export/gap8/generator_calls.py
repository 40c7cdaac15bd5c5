"""A program as calls of the AutoTiler's generators: one or two a layer.

Arguments are in the order of `CNN_Generators.h` of gap_sdk 4.1 (from 3.3 on the
generators take fraction bits). A concatenation is no call: its inputs are stacked, and
what cannot be is copied, as NNTool does it.

`targets.gap8.constraints` and `generator_limits` find beforehand what no call can say.
"""

import dataclasses

from export.c import literals
from export.gap8 import generator_limits
from tfpipeline import errors
from tfpipeline.targets.gap8 import kernels, pad_types, program, program_steps, steps

# Arguments may stay in L3, and are brought to L2 in tiles.
_IN_L3 = 1
# As NNTool writes it.
_NO_POOL: dict[str, int | str] = {
    "PoolOper": "KOP_NONE",
    **{"Fpx": 0, "Fpy": 0, "Dpx": 0, "Dpy": 0, "Spx": 0, "Spy": 0, "PoolPad": 0},
}
_PIXEL_POOL: dict[str, int | str] = {
    "PoolOper": "KOP_MAXPOOL",
    **{"Fpx": 1, "Fpy": 1, "Dpx": 1, "Dpy": 1, "Spx": 1, "Spy": 1, "PoolPad": 0},
}


@dataclasses.dataclass(frozen=True)
class Call:
    """A generator's call and the node of the graph that runs what it makes.

    Attributes:
        generator: the function's name.
        name: of the kernel that it makes.
        arguments: by name, in order, those of name and control block left out.
        pad_type: for the control block; `None` where none is needed.
        inputs: tensors of the program that the node reads.
        constants: tensors of weights that it reads between inputs and output.
        output: the tensor that it writes.
    """

    generator: str
    name: str
    arguments: dict[str, int | str]
    inputs: tuple[str, ...]
    output: str
    constants: tuple[str, ...] = ()
    pad_type: int | None = None


@dataclasses.dataclass(frozen=True)
class Calls:
    """All that the AutoTiler has to be told of a program.

    Attributes:
        calls: in the order of execution.
        stacks: for each concatenated tensor, its parts in order.
        locals: tensors that are neither given nor asked for nor parts of others.
        outputs: the tensors that are the results.
        notes: what a reader should know.
    """

    calls: tuple[Call, ...]
    stacks: dict[str, tuple[str, ...]]
    locals: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]


def make(p: program.Program, precision: str = kernels.DOUBLE) -> Calls:
    """The calls of all layers.

    Args:
        p: a program that keeps the chip's constraints.
        precision: of convolutions: `KOP_CONV` or `KOP_CONV_DP`.

    Raises:
        ExportError: naming every layer whose formats the generators cannot express.
    """
    found = generator_limits.faults(p, precision)
    if found:
        raise errors.ExportError(
            errors.told(f"'{p.name[:60]}' cannot be written for the AutoTiler: ", found)
        )
    maker = _Maker(p, precision == kernels.DOUBLE)
    for index, layer in enumerate(p.layers):
        maker.add(index, layer)
    return maker.finish()


def label(index: int, layer: program.Layer) -> str:
    """The name of a layer in C: unique by its number."""
    return f"S{index}_{literals.identifier(layer.name)}"


class _Maker:
    """The calls so far."""

    def __init__(self, p: program.Program, is_double: bool) -> None:
        self._p = p
        self._is_double = is_double
        self._size = p.bytes_per_element
        self._calls: list[Call] = []
        self._stacks: dict[str, tuple[str, ...]] = {}
        self._notes: list[str] = []
        joins = program_steps.network(p).joins
        self._copied = {join.name: join.copied for join in joins}

    def add(self, index: int, layer: program.Layer) -> None:
        """Adds what a layer needs."""
        name = label(index, layer)
        if isinstance(layer, program.Conv):
            self._conv(name, layer)
        elif isinstance(layer, program.Linear):
            self._linear(name, layer)
        elif isinstance(layer, (program.MaxPool, program.AvgPool)):
            self._pool(name, layer)
        elif isinstance(layer, program.Add):
            self._add(name, layer)
        else:
            self._stack(name, layer)

    def finish(self) -> Calls:
        """All calls, and the tensors between them."""
        outputs = tuple(map(self._result, self._p.outputs))
        written = dict.fromkeys(call.output for call in self._calls)
        names = [*written, *self._stacks]
        # Declaring the whole of a stack declares its parts.
        elsewhere = {part for parts in self._stacks.values() for part in parts}
        elsewhere |= {*self._p.inputs, *outputs}
        return Calls(
            calls=tuple(self._calls),
            stacks=self._stacks,
            locals=tuple(name for name in names if name not in elsewhere),
            outputs=outputs,
            notes=tuple(self._notes),
        )

    def _result(self, output: str) -> str:
        """A result that nothing else reads: a copy where something does."""
        is_read = any(output in call.inputs for call in self._calls)
        if not is_read and output not in self._joined():
            return output
        number = self._p.outputs.index(output)
        return self._copy(f"output_copy{number or ''}", output)

    def _joined(self) -> set[str]:
        """Tensors that are parts or wholes of stacks."""
        return {
            name for whole in self._stacks.items() for name in (whole[0], *whole[1])
        }

    def _stack(self, name: str, layer: program.Layer) -> None:
        """Whole stacks are copied too, as NNTool does: none lies in another."""
        parts: list[str] = []
        for number, part in enumerate(layer.inputs):
            if number in self._copied[layer.name] or part in self._stacks:
                parts.append(self._copy(f"{name}_copy{number}", part))
            else:
                parts.append(part)
        self._stacks[layer.output] = tuple(parts)

    def _copy(self, name: str, source: str) -> str:
        """The copy of a tensor."""
        count = self._p.tensors[source].num_elements
        arguments: dict[str, int | str] = {"Sz": count, "FeatureSize": self._size}
        copied = f"{source}/{name}"
        self._calls.append(Call("CNN_Copy", name, arguments, (source,), copied))
        return copied

    def _conv(self, name: str, layer: program.Conv) -> None:
        step = program_steps.step(self._p, layer)
        channels, *plane = step.source
        operation = "KOP_CONV" if layer.groups == 1 else "KOP_CONV_DW"
        # The depthwise kernel's name has no second underscore.
        suffix = "_DP" if layer.groups == 1 else "DP"
        (rows, columns), (fcy, fcx) = plane, layer.kernel_size
        (dcy, dcx), (scy, scx) = layer.dilation, layer.strides
        arguments = {
            **self._sizes("In", "Filter", "Bias", "Out"),
            **_formats(layer),
            **_homes("In", "Filter", "Bias", "Out"),
            "InFeat": channels,
            "OutFeat": len(layer.weights),
            "Width": columns,
            "Height": rows,
            "ConvOper": operation + (suffix if self._is_double else ""),
            **{"Fcx": fcx, "Fcy": fcy, "Dcx": dcx, "Dcy": dcy, "Scx": scx, "Scy": scy},
            "ConvPad": int(pad_types.is_padded(*step.windows[0])),
            **_pool_arguments(step.windows[1:], "KOP_MAXPOOL"),
            "ReLUOper": _relu(layer),
        }
        if layer.relu and layer.pool is None and not self._is_double:
            arguments |= self._relu_pool()
        self._append("CNN_ConvolutionPoolReLU", name, layer, arguments)

    def _linear(self, name: str, layer: program.Linear) -> None:
        arguments = {
            **self._sizes("In", "Filter", "Bias", "Out"),
            **_formats(layer),
            **_homes("In", "Filter", "Bias", "Out"),
            "InDim": layer.weights.shape[1],
            "OutDim": layer.weights.shape[0],
            "LinearOper": "KOP_LINEAR",
            "ReLUOper": _relu(layer),
        }
        self._append("CNN_LinearReLU", name, layer, arguments)

    def _pool(self, name: str, layer: program.MaxPool | program.AvgPool) -> None:
        tensor = self._p.tensors[layer.inputs[0]]
        channels, rows, columns = tensor.shape
        is_max = isinstance(layer, program.MaxPool)
        arguments = {
            **self._sizes("In", "Out"),
            "In_Q": tensor.q,
            "Out_Q": tensor.q,
            **_homes("In", "Out"),
            "InFeat": channels,
            "OutFeat": channels,
            "Width": columns,
            "Height": rows,
            **_pool_arguments(
                program_steps.step(self._p, layer).windows,
                "KOP_MAXPOOL" if is_max else "KOP_AVGPOOL",
            ),
            "ReLUOper": _relu(layer),
        }
        self._append("CNN_PoolReLU", name, layer, arguments)
        if isinstance(layer, program.AvgPool) and layer.shift == 8:
            newer = 2**16 // layer.window.area
            if newer != layer.factor << 8:
                self._notes.append(
                    f"'{layer.name}': the average is {layer.factor}/256 of the sum, as "
                    f"in SDK 3.1; in SDK 4.1 it is {newer}/65536"
                )

    def _add(self, name: str, layer: program.Add) -> None:
        """A sum; formats that differ need another kernel, which has no ReLU."""
        if any(layer.norms):
            self._notes.append(
                f"'{layer.name}': the library drops the bits that the program rounds "
                "where the inputs of a sum have other fraction bits than the output"
            )
        is_adjusted = any(layer.norms)
        has_late_relu = is_adjusted and layer.relu
        output = f"{layer.output}/sum" if has_late_relu else layer.output
        arguments = self._sum_arguments(layer, "_DYNADJUST" if is_adjusted else "")
        generator = "CNN_MatAddDynAdjust" if is_adjusted else "CNN_MatAdd"
        if layer.relu and not is_adjusted:
            generator = "CNN_MatAddRelu"
            arguments["ReLUOper"] = "KOP_RELU"
        self._calls.append(Call(generator, name, arguments, layer.inputs, output))
        if has_late_relu:
            self._rectify(f"{name}_relu", output, layer.output)

    def _sum_arguments(self, layer: program.Add, suffix: str) -> dict[str, int | str]:
        channels, rows, columns = self._p.tensors[layer.output].shape
        first, second, result = (
            self._p.tensors[each].q for each in (*layer.inputs, layer.output)
        )
        return {
            **self._sizes("In1", "In2", "Out"),
            "In1_Q": first,
            "In2_Q": second,
            "Out_Q": result,
            **_homes("In1", "In2", "Out"),
            "InFeat": channels,
            "OutFeat": channels,
            "Width": columns,
            "Height": rows,
            "AddMatOper": f"KOP_MATADD{suffix}",
        }

    def _rectify(self, name: str, source: str, output: str) -> None:
        """A ReLU of its own: a pool generator's call without a pool."""
        tensor = self._p.tensors[output]
        channels, rows, columns = tensor.shape
        arguments: dict[str, int | str] = {
            **self._sizes("In", "Out"),
            "In_Q": tensor.q,
            "Out_Q": tensor.q,
            **_homes("In", "Out"),
            "InFeat": channels,
            "OutFeat": channels,
            "Width": columns,
            "Height": rows,
            **self._relu_pool(),
            "ReLUOper": "KOP_RELU",
        }
        self._calls.append(Call("CNN_PoolReLU", name, arguments, (source,), output))

    def _relu_pool(self) -> dict[str, int | str]:
        """The pool of a ReLU that is a kernel of its own.

        That of 8 bits, KerParReLU_fps of SDK 4.1, takes the upper bound that it is
        given for an address; a maximum of single pixels has a ReLU that works.
        """
        return dict(_PIXEL_POOL if self._size == 1 else _NO_POOL)

    def _sizes(self, *names: str) -> dict[str, int | str]:
        return {f"{name}_DataSize": self._size for name in names}

    def _append(
        self,
        generator: str,
        name: str,
        layer: program.Layer,
        arguments: dict[str, int | str],
    ) -> None:
        chosen = pad_types.possible(program_steps.step(self._p, layer))[0]
        has_weights = isinstance(layer, program.Weighted)
        self._calls.append(
            Call(
                generator=generator,
                name=name,
                arguments=arguments,
                inputs=layer.inputs,
                output=layer.output,
                constants=(f"{name}_weights", f"{name}_bias") if has_weights else (),
                pad_type=None if chosen == pad_types.DEFAULT else chosen,
            )
        )


def _pool_arguments(
    windows: tuple[tuple[steps.Window, steps.Pair], ...], operation: str
) -> dict[str, int | str]:
    """Of the pool that a call has, if any, and the plane that it moves over."""
    if not windows:
        return dict(_NO_POOL)
    [(window, plane)] = windows
    (fpy, fpx), (spy, spx) = window.size, window.strides
    return {
        "PoolOper": operation,
        **{"Fpx": fpx, "Fpy": fpy, "Dpx": 1, "Dpy": 1, "Spx": spx, "Spy": spy},
        "PoolPad": int(pad_types.is_padded(window, plane)),
    }


def _formats(layer: program.Weighted) -> dict[str, int | str]:
    found = layer.format
    return {
        "In_Q": found.in_q,
        "Filter_Q": found.weight_q,
        "Bias_Q": found.bias_q,
        "Out_Q": found.out_q,
    }


def _homes(*names: str) -> dict[str, int | str]:
    return {f"{name}_InL3": _IN_L3 for name in names}


def _relu(layer: program.Weighted | program.MaxPool | program.AvgPool) -> str:
    return "KOP_RELU" if layer.relu else "KOP_NONE"
