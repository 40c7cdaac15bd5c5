"""Each kind of layer of a program as C: its tables, and the statements that run it."""

import dataclasses
import math
from collections.abc import Callable, Mapping

from export.c import literals
from export.gap8 import c_arena
from tfpipeline.targets.gap8 import fixed_point, program

# A shift beyond which nothing of 16 bits is left, and that a register takes.
_LARGEST_SHIFT = fixed_point.MAX_NORM


@dataclasses.dataclass(frozen=True)
class Code:
    """What a layer needs: tables, statements of `run`, and kernels by name."""

    tables: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Place:
    """A layer's program, where the data lie, and what its tables are called.

    `has_single` tells whether the caller may ask for single precision.
    """

    p: program.Program
    arena: c_arena.Arena
    label: str
    has_single: bool

    def pointer(self, name: str, offset: int = 0) -> str:
        """The address of a tensor."""
        return f"arena + {self.arena.offsets[name] + offset}"


def plane_size(layer: program.Layer, p: program.Program) -> int:
    """Values of a plane that is computed before its pool; 0 without one."""
    if not isinstance(layer, program.Conv) or layer.pool is None:
        return 0
    _, rows, columns = p.tensors[layer.inputs[0]].shape
    return math.prod(layer.conv_plane((rows, columns)))


def _conv(which: Place, layer: program.Conv) -> Code:
    label, source = which.label, which.p.tensors[layer.inputs[0]]
    outputs, channels, *kernel = layer.weights.shape
    plane = (source.shape[1], source.shape[2])
    size = layer.conv_plane(plane)
    fields = {
        "w": _window(plane, tuple(kernel), size, layer, layer.dilation),
        "outputs": outputs,
        "channels": channels,
        "per_group": outputs // layer.groups,
        "norm": layer.format.norm,
        "bias_norm": layer.format.bias_norm,
    }
    tables = [
        *_weights(label, layer),
        literals.struct("convolution", f"{label}_convolution", fields),
    ]
    arguments = [
        which.pointer(layer.inputs[0]),
        which.pointer(layer.output),
        f"{label}_weights",
        f"{label}_bias",
        f"&{label}_convolution",
    ]
    kernel_name = "conv"
    if layer.pool is not None:
        kernel_name = "conv_pool"
        tables.append(_pool_table(label, size, layer.pool))
        arguments.append(f"&{label}_pool")
    # Single precision needs a bias at the fraction bits of the output.
    call = _call(kernel_name, *arguments, "is_double" if which.has_single else 1)
    relu = _relu(which, layer)
    return Code(tuple(tables), (call, *relu.statements), (kernel_name, *relu.kernels))


def _linear(which: Place, layer: program.Linear) -> Code:
    outputs, inputs = layer.weights.shape
    call = _call(
        "linear",
        which.pointer(layer.inputs[0]),
        which.pointer(layer.output),
        f"{which.label}_weights",
        f"{which.label}_bias",
        inputs,
        outputs,
        layer.format.norm,
        layer.format.bias_norm,
    )
    relu = _relu(which, layer)
    return Code(
        _weights(which.label, layer),
        (call, *relu.statements),
        ("linear", *relu.kernels),
    )


def _max_pool(which: Place, layer: program.MaxPool) -> Code:
    channels, rows, columns = which.p.tensors[layer.inputs[0]].shape
    call = _call(
        "max_pool",
        which.pointer(layer.inputs[0]),
        which.pointer(layer.output),
        channels,
        f"&{which.label}_pool",
    )
    relu = _relu(which, layer)
    table = _pool_table(which.label, (rows, columns), layer.window)
    return Code((table,), (call, *relu.statements), ("max_pool", *relu.kernels))


def _average_pool(which: Place, layer: program.AvgPool) -> Code:
    channels, rows, columns = which.p.tensors[layer.inputs[0]].shape
    call = _call(
        "average_pool",
        which.pointer(layer.inputs[0]),
        which.pointer(layer.output),
        channels,
        f"&{which.label}_pool",
        f"{layer.factor}U",
        f"{(1 << layer.shift) >> 1 if layer.rounds else 0}U",
        layer.shift,
    )
    relu = _relu(which, layer)
    table = _pool_table(which.label, (rows, columns), layer.window)
    return Code((table,), (call, *relu.statements), ("average_pool", *relu.kernels))


def _concat(which: Place, layer: program.Concat) -> Code:
    """Copies of what could not be written in its place."""
    statements, offset = [], 0
    for index, name in enumerate(layer.inputs):
        count = which.p.tensors[name].num_elements
        if index in which.arena.moved[layer.name]:
            norm = min(layer.norms[index], _LARGEST_SHIFT)
            result = which.pointer(layer.output, offset)
            statements.append(_call("copy", which.pointer(name), result, count, norm))
        offset += count
    return Code((), tuple(statements), ("copy",) if statements else ())


def _add(which: Place, layer: program.Add) -> Code:
    norms = [min(norm, _LARGEST_SHIFT) for norm in layer.norms]
    call = _call(
        "add",
        *map(which.pointer, layer.inputs),
        which.pointer(layer.output),
        which.p.tensors[layer.output].num_elements,
        *norms,
    )
    relu = _relu(which, layer)
    return Code((), (call, *relu.statements), ("add", *relu.kernels))


def _relu(
    which: Place,
    layer: program.Weighted | program.MaxPool | program.AvgPool | program.Add,
) -> Code:
    if not layer.relu:
        return Code()
    count = which.p.tensors[layer.output].num_elements
    call = _call("rectify", which.pointer(layer.output), count)
    return Code((), (call,), ("rectify",))


def _weights(label: str, layer: program.Weighted) -> tuple[str, ...]:
    return tuple(
        literals.array("value", f"{label}_{what}", array.ravel().tolist())
        for what, array in (("weights", layer.weights), ("bias", layer.bias))
    )


def _pool_table(label: str, plane: program.Pair, pool: program.Window) -> str:
    fields = _window(plane, pool.kernel_size, pool.plane(plane), pool, (1, 1))
    named = dict(zip(_WINDOW_FIELDS, fields, strict=True))
    return literals.struct("window", f"{label}_pool", named)


# In the order of the struct in C.
_WINDOW_FIELDS = (
    "rows",
    "columns",
    "window_rows",
    "window_columns",
    "output_rows",
    "output_columns",
    "row_stride",
    "column_stride",
    "row_dilation",
    "column_dilation",
    "top",
    "left",
)


def _window(
    plane: program.Pair,
    kernel: tuple[int, ...],
    output: program.Pair,
    layer: program.Conv | program.Window,
    dilation: program.Pair,
) -> tuple[int, ...]:
    """Values of `_WINDOW_FIELDS`."""
    top, left = (before for before, _ in layer.padding)
    return (*plane, *kernel, *output, *layer.strides, *dilation, top, left)


def _call(name: str, *arguments: object) -> str:
    return f"{name}({', '.join(map(str, arguments))});"


BUILDERS: Mapping[type[program.Layer], Callable[..., Code]] = {
    program.Conv: _conv,
    program.Linear: _linear,
    program.MaxPool: _max_pool,
    program.AvgPool: _average_pool,
    program.Concat: _concat,
    program.Add: _add,
}
