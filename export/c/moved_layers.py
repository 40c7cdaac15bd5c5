"""Layers that move values, or choose among them, as C."""

import math

import numpy as np

from export.c import axes, gathering_kernels, literals, place, plain_kernels
from tfpipeline.ir import graph
from tfpipeline.simulate import derived, gathering, interpolation

Code = place.Code
Place = place.Place


def num_bytes(tensor: graph.Tensor) -> int:
    """Bytes of a tensor."""
    return tensor.num_elements * np.dtype(tensor.dtype).itemsize


def joined(which: Place, layer: graph.Layer) -> Code:
    """What is stacked along a new axis lies like what is joined along the old one."""
    assert isinstance(layer, (graph.Concat, graph.Pack))
    result = which.g.tensors[layer.output]
    count = math.prod(result.shape[: layer.axis])
    step, at, statements = num_bytes(result) // count, 0, []
    for name, source in zip(layer.inputs, which.inputs, strict=True):
        size = num_bytes(which.g.tensors[name]) // count
        output = f"(uint8_t *){which.output} + {at}" if at else which.output
        statements.append(
            place.call("copy_blocks", source, size, output, step, size, count)
        )
        at += size
    return Code((), tuple(statements), ("copy_blocks",))


def cut(which: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, (graph.Split, graph.Unpack))
    source = which.g.tensors[layer.inputs[0]]
    count = math.prod(source.shape[: layer.axis])
    step, at, statements = num_bytes(source) // count, 0, []
    outputs = (which.output, *which.further)
    for name, output in zip(graph.written_names(layer), outputs, strict=True):
        size = num_bytes(which.g.tensors[name]) // count
        part = which.inputs[0]
        part = f"(const uint8_t *){part} + {at}" if at else part
        statements.append(
            place.call("copy_blocks", part, step, output, size, size, count)
        )
        at += size
    return Code((), tuple(statements), ("copy_blocks",))


def space_to_depth(which: Place, layer: graph.Layer) -> Code:
    """Each row of a block goes to its own channels, of all blocks in a row of them."""
    assert isinstance(layer, graph.SpaceToDepth)
    _, rows, columns, channels = which.g.tensors[layer.output].shape
    size = channels // layer.block_size
    line = columns * size
    statements = [f"for (int32_t row = 0; row < {rows}; ++row) {{"]
    for i in range(layer.block_size):
        source = f"{which.inputs[0]} + (row * {layer.block_size} + {i}) * {line}"
        output = f"{which.output} + row * {columns * channels} + {i * size}"
        copied = place.call(
            "copy_blocks", source, size, output, channels, size, columns
        )
        statements.append(f"    {copied}")
    return Code((), (*statements, "}"), ("copy_blocks",))


def pad(which: Place, layer: graph.Layer) -> Code:
    """The value everywhere, then the input inside of it."""
    assert isinstance(layer, (graph.Pad, graph.PadV2))
    source = which.g.tensors[layer.inputs[0]]
    joined = axes.padded(source.shape, layer.padding)
    width = np.dtype(source.dtype).itemsize
    size, start, whole = joined[-1]
    joined[-1] = (size * width, start * width, whole * width)
    joined = [(1, 0, 1)] * (plain_kernels.MAX_AXES - len(joined)) + joined
    sizes, before, totals = zip(*joined, strict=True)
    fields = {"sizes": sizes, "before": before, "padded": totals}
    result = which.g.tensors[layer.output]
    value = derived.zero_point(which.g, layer.output)
    if isinstance(layer, graph.PadV2):
        value = int(which.g.constants[layer.inputs[1]].item())
    kernels: tuple[str, ...] = ("pad",)
    filled = place.call("memset", which.output, value, num_bytes(result))
    if result.dtype == "int16" and value:
        kernels = ("pad", "fill_int16")
        filled = place.call("fill_int16", which.output, result.num_elements, value)
    label = f"{which.label}_border"
    return Code(
        (literals.struct("border", label, fields),),
        (filled, place.call("pad", which.inputs[0], which.output, f"&{label}")),
        kernels,
    )


def gather(which: Place, layer: graph.Layer) -> Code:
    """Blocks that tables say the places of."""
    tables, size = gathered(which.g, layer)
    tables = [[0]] * (gathering_kernels.MAX_AXES - len(tables)) + tables
    names = [f"{which.label}_from_{i}" for i in range(len(tables))]
    fields = {"sizes": list(map(len, tables)), "from": names, "bytes": size}
    found = [
        literals.array("int32_t", name, table)
        for name, table in zip(names, tables, strict=True)
    ]
    label = f"{which.label}_gathering"
    return Code(
        (*found, literals.struct("gathering", label, fields)),
        (place.call("gather", which.inputs[0], which.output, f"&{label}"),),
        ("gather",),
    )


def gathered(g: graph.Graph, layer: graph.Layer) -> tuple[list[list[int]], int]:
    """Offsets of copies along the fewest axes, and the bytes of a block."""
    source = g.tensors[layer.inputs[0]]
    width = np.dtype(source.dtype).itemsize
    steps = [math.prod(source.shape[i + 1 :]) * width for i in range(len(source.shape))]
    tables = [
        [index * steps[axis.source] for index in axis.indices]
        for axis in gathering.axes(g, layer)
    ]
    return axes.gathered(tables, width)


def resize_bilinear(which: Place, layer: graph.Layer) -> Code:
    """Neighbors and weights by tables."""
    assert isinstance(layer, graph.ResizeBilinear)
    g, label = which.g, which.label
    source, result = (g.tensors[n].shape for n in (layer.inputs[0], layer.output))
    tables = []
    fields: dict[str, object] = dict(
        zip(("rows", "columns", "channels"), result[1:], strict=True)
    )
    for axis, names in (
        (1, ("upper", "lower", "down")),
        (2, ("left", "right", "across")),
    ):
        line = interpolation.integers(layer, source[axis], result[axis])
        step = math.prod(source[axis + 1 :])
        neighbors = [[i * step for i in found] for found in (line.lower, line.upper)]
        for name, values in zip(names, (*neighbors, line.weights), strict=True):
            tables.append(literals.array("int32_t", f"{label}_{name}", values))
            fields[name] = f"{label}_{name}"
    name = f"{label}_resizing"
    return Code(
        (*tables, literals.struct("resizing", name, fields)),
        (
            place.call(
                "resize_bilinear_int8", which.inputs[0], which.output, f"&{name}"
            ),
        ),
        ("resize_bilinear_int8",),
    )


def reduction(which: Place, layer: graph.Layer) -> Code:
    """The largest or smallest value over axes."""
    assert isinstance(layer, graph.Reduction)
    sizes = axes.reduced(which.g.tensors[layer.inputs[0]].shape, layer.axes)
    sizes += [1] * (5 - len(sizes))
    chosen = "largest" if isinstance(layer, graph.ReduceMax) else "smallest"
    name, sized = f"reduce_{chosen}_int8", f"{which.label}_sizes"
    return Code(
        (literals.array("int32_t", sized, sizes),),
        (place.call(name, which.inputs[0], which.output, sized),),
        (name,),
    )


def position(which: Place, layer: graph.Layer) -> Code:
    """Where the largest or smallest value stands."""
    assert isinstance(layer, graph.Position)
    shape = which.g.tensors[layer.inputs[0]].shape
    blocks, step = math.prod(shape[: layer.axis]), math.prod(shape[layer.axis + 1 :])
    chosen = "largest" if isinstance(layer, graph.ArgMax) else "smallest"
    name = f"position_of_{chosen}_int8"
    arguments = (which.inputs[0], which.output, blocks, shape[layer.axis], step)
    return Code((), (place.call(name, *arguments),), (name,))
