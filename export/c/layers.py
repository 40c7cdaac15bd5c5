"""Each kind of layer as C: its tables, and the statement that runs it."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from export.c import axes, literals, plain_kernels, sigmoid
from tfpipeline.ir import graph
from tfpipeline.simulate import activation_functions, derived, fixed_point

Fields = Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Code:
    """Constants of a layer, the statements that run it, the kernels that they call."""

    tables: tuple[str, ...]
    statements: tuple[str, ...]
    kernels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """A layer in its graph.

    Attributes:
        g: the graph.
        label: what names of the layer's constants begin with.
        inputs: C expressions of pointers to what it reads.
        output: the pointer to what it writes.
    """

    g: graph.Graph
    label: str
    inputs: tuple[str, ...]
    output: str


def _call(kernel: str, *arguments: object) -> str:
    return f"{kernel}({', '.join(map(str, arguments))});"


def _dtype(place: Place, layer: graph.Layer) -> str:
    return place.g.tensors[layer.output].dtype


def _count(place: Place, layer: graph.Layer) -> int:
    return place.g.tensors[layer.output].num_elements


def _bytes(tensor: graph.Tensor) -> int:
    return tensor.num_elements * np.dtype(tensor.dtype).itemsize


def _bounds(g: graph.Graph, layer: graph.Layer) -> dict[str, object]:
    """Zero point of the output, and its bounds before that is added.

    They stay int32; what would lie beyond is no bound for a result of 32 bits.
    """
    zero = derived.zero_point(g, layer.output)
    low, high = (fixed_point.saturate(n - zero) for n in derived.bounds(g, layer))
    return {"zero": zero, "low": low, "high": high}


def _window(
    g: graph.Graph, layer: graph.Layer, taps: Sequence[int], depth: int
) -> Fields:
    """Sizes of a convolution or a pool; those along one axis have one row."""
    source, result = g.tensors[layer.inputs[0]].shape, g.tensors[layer.output].shape
    if isinstance(layer, graph.TransposeConv2D):
        strides, padding = layer.strides, layer.padding
        dilation: tuple[int, ...] = (1, 1)
    else:
        strides, padding, dilation = derived.sliding(layer)
    is_line = len(taps) == 1
    fields: dict[str, object] = {}

    def add(names: Sequence[str], values: Sequence[int], missing: int) -> None:
        rows = (missing, *values) if is_line else values
        fields.update(zip(names, rows, strict=True))

    add(("rows", "columns", "channels"), source[1:], 1)
    add(("kernel_rows", "kernel_columns", "kernel_channels"), (*taps, depth), 1)
    add(("output_rows", "output_columns", "output_channels"), result[1:], 1)
    add(("row_stride", "column_stride"), strides, 1)
    add(("row_dilation", "column_dilation"), dilation, 1)
    add(("top", "left"), [before for before, _ in padding], 0)
    return fields


def _dense_window(g: graph.Graph, layer: graph.Dense) -> Fields:
    """A kernel of one pixel on a line of all rows."""
    units, depth = g.tensors[layer.weights].shape
    rows = g.tensors[layer.inputs[0]].num_elements // depth
    ones = ("kernel_rows", "kernel_columns", "row_stride", "column_stride")
    return {
        **{"rows": 1, "columns": rows, "channels": depth},
        **dict.fromkeys(ones, 1),
        **{"kernel_channels": depth, "row_dilation": 1, "column_dilation": 1},
        **{"output_rows": 1, "output_columns": rows, "output_channels": units},
    }


def _weighted(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Weighted)
    g, label = place.g, place.label
    kernel = derived.kernel_values(g, layer)
    if isinstance(layer, graph.Dense):
        name, window = "convolution", _dense_window(g, layer)
    else:
        name = _WEIGHTED_KERNELS[type(layer)]
        window = _window(g, layer, kernel.shape[1:-1], kernel.shape[-1])
    is_wide = derived.has_wide_sums(g, layer)
    name += f"_{_dtype(place, layer)}" + ("_wide" if is_wide else "")
    tables = (f"{label}_weights", f"&{label}_window", f"&{label}_scaling")
    return Code(
        (
            literals.array("int8_t", f"{label}_weights", kernel.ravel().tolist()),
            *_scaling(g, layer, label, is_wide),
            literals.struct("window", f"{label}_window", window),
        ),
        (_call(name, place.inputs[0], place.output, *tables),),
        (name,),
    )


def _scaling(
    g: graph.Graph, layer: graph.Weighted, label: str, is_wide: bool
) -> list[str]:
    """Biases, multipliers and shifts of the channels, and the struct of them."""
    multipliers, shifts = zip(*derived.channel_factors(g, layer), strict=True)
    if is_wide:
        multipliers = tuple(map(fixed_point.reduced_multiplier, multipliers))
        shifts = tuple(15 - shift for shift in shifts)
    bits = 64 if is_wide else 32
    tables = []
    if layer.bias is not None:
        values = derived.bias_values(g, layer).tolist()
        tables.append(literals.array(f"int{bits}_t", f"{label}_bias", values))
    multiplier_type = "int16_t" if is_wide else "int32_t"
    tables += [
        literals.array(multiplier_type, f"{label}_multiplier", multipliers),
        literals.array("int8_t", f"{label}_shift", shifts),
    ]
    fields = {
        "bias": "0" if layer.bias is None else f"{label}_bias",
        "multiplier": f"{label}_multiplier",
        "shift": f"{label}_shift",
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        **_bounds(g, layer),
    }
    struct = "wide_scaling" if is_wide else "scaling"
    return [*tables, literals.struct(struct, f"{label}_scaling", fields)]


def _pool(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Pool)
    kind = "max" if isinstance(layer, graph.MaxPool) else "average"
    name = f"{kind}_pool_{_dtype(place, layer)}"
    depth = place.g.tensors[layer.output].shape[-1]
    window = _window(place.g, layer, layer.kernel_size, depth)
    low, high = derived.bounds(place.g, layer)
    arguments = (place.inputs[0], place.output, f"&{place.label}_window", low, high)
    return Code(
        (literals.struct("window", f"{place.label}_window", window),),
        (_call(name, *arguments),),
        (name,),
    )


def _mean(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Mean)
    g, label, name = place.g, place.label, f"mean_{_dtype(place, layer)}"
    sizes = axes.reduced(g.tensors[layer.inputs[0]].shape, layer.axes)
    sizes += [1] * (5 - len(sizes))
    fields = {
        "sizes": sizes,
        "by": derived.mean_factor(g, layer, sizes[1] * sizes[3]),
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        **_bounds(g, layer),
    }
    return Code(
        (literals.struct("averaging", f"{label}_averaging", fields),),
        (_call(name, place.inputs[0], place.output, f"&{label}_averaging"),),
        (name,),
    )


def _elementwise(place: Place, layer: graph.Layer) -> Code:
    g, label = place.g, place.label
    shapes = [g.tensors[name].shape for name in layer.inputs]
    joined = axes.broadcast(*shapes)
    joined = [(1, 0, 0)] * (plain_kernels.MAX_AXES - len(joined)) + joined
    sizes, first, second = zip(*joined, strict=True)
    if isinstance(layer, graph.Mul):
        combined, unit, sign = "product_of", 1, 1
        factors = ((0, 0), (0, 0), derived.product_factor(g, layer))
    else:
        combined, unit = "sum_of", 2 ** derived.sum_shift(g, layer)
        sign = -1 if isinstance(layer, graph.Sub) else 1
        factors = derived.sum_factors(g, layer)
    fields = {
        **{"sizes": sizes, "first_strides": first, "second_strides": second},
        **dict(zip(("first", "second", "result"), factors, strict=True)),
        "first_zero": derived.zero_point(g, layer.inputs[0]),
        "second_zero": derived.zero_point(g, layer.inputs[1]),
        **{"unit": unit, "sign": sign},
        **_bounds(g, layer),
    }
    name = f"elementwise_{_dtype(place, layer)}"
    arguments = (*place.inputs, place.output, f"&{label}_operands", combined)
    return Code(
        (literals.struct("elementwise", f"{label}_operands", fields),),
        (_call(name, *arguments),),
        (name, combined),
    )


def _concat(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Concat)
    result = place.g.tensors[layer.output]
    count = math.prod(result.shape[: layer.axis])
    step, at, statements = _bytes(result) // count, 0, []
    for name, source in zip(layer.inputs, place.inputs, strict=True):
        size = _bytes(place.g.tensors[name]) // count
        output = f"(uint8_t *){place.output} + {at}" if at else place.output
        statements.append(_call("copy_blocks", source, size, output, step, size, count))
        at += size
    return Code((), tuple(statements), ("copy_blocks",))


def _space_to_depth(place: Place, layer: graph.Layer) -> Code:
    """Each row of a block goes to its own channels, of all blocks in a row of them."""
    assert isinstance(layer, graph.SpaceToDepth)
    _, rows, columns, channels = place.g.tensors[layer.output].shape
    size = channels // layer.block_size
    line = columns * size
    statements = [f"for (int32_t row = 0; row < {rows}; ++row) {{"]
    for i in range(layer.block_size):
        source = f"{place.inputs[0]} + (row * {layer.block_size} + {i}) * {line}"
        output = f"{place.output} + row * {columns * channels} + {i * size}"
        copied = _call("copy_blocks", source, size, output, channels, size, columns)
        statements.append(f"    {copied}")
    return Code((), (*statements, "}"), ("copy_blocks",))


def _pad(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Pad)
    source = place.g.tensors[layer.inputs[0]]
    joined = axes.padded(source.shape, layer.padding)
    width = np.dtype(source.dtype).itemsize
    size, start, whole = joined[-1]
    joined[-1] = (size * width, start * width, whole * width)
    joined = [(1, 0, 1)] * (plain_kernels.MAX_AXES - len(joined)) + joined
    sizes, before, totals = zip(*joined, strict=True)
    fields = {
        **{"sizes": sizes, "before": before, "padded": totals},
        # Of int16 it is 0, and so are both of its bytes.
        "fill": derived.zero_point(place.g, layer.output),
    }
    return Code(
        (literals.struct("border", f"{place.label}_border", fields),),
        (_call("pad", place.inputs[0], place.output, f"&{place.label}_border"),),
        ("pad",),
    )


def _reshape(place: Place, layer: graph.Layer) -> Code:
    size = _bytes(place.g.tensors[layer.output])
    return Code((), (_call("memcpy", place.output, place.inputs[0], size),), ())


def _rescaling(
    place: Place,
    layer: graph.Layer,
    by: derived.Factor,
    bounds: Fields,
    kernel: str,
) -> Code:
    fields = {
        "by": by,
        "input_zero": derived.zero_point(place.g, layer.inputs[0]),
        **bounds,
    }
    name, count = f"{place.label}_rescaling", _count(place, layer)
    return Code(
        (literals.struct("rescaling", name, fields),),
        (_call(kernel, place.inputs[0], place.output, count, f"&{name}"),),
        (kernel,),
    )


def _requantize(place: Place, layer: graph.Layer) -> Code:
    source = place.g.tensors[layer.inputs[0]].dtype
    kernel = f"requantize_{source}_to_{_dtype(place, layer)}"
    by, bounds = derived.rescale_factor(place.g, layer), _bounds(place.g, layer)
    return _rescaling(place, layer, by, bounds, kernel)


def _factor(name: str, value: derived.Factor) -> str:
    multiplier, shift = value
    return literals.struct("factor", name, {"multiplier": multiplier, "shift": shift})


def _softmax(place: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Softmax)
    g, label = place.g, place.label
    result = g.tensors[layer.output]
    columns = result.shape[-1]
    rows = result.num_elements // columns
    first = (place.inputs[0], place.output, rows, columns)
    if result.dtype == "int16":
        by = f"{label}_factor"
        return Code(
            (_factor(by, derived.softmax16_factor(g, layer)),),
            (_call("softmax_int16", *first, by),),
            ("softmax_int16",),
        )
    factor, smallest = derived.softmax_parameters(g, layer)
    exps = [
        fixed_point.exp_of_negative(fixed_point.scale(-difference, *factor))
        for difference in range(min(256, 1 - smallest))
    ]
    name = f"{label}_exps"
    return Code(
        (literals.array("int32_t", name, exps),),
        (_call("softmax_int8", *first, name, len(exps)),),
        ("softmax_int8",),
    )


def _activation(place: Place, layer: graph.Layer) -> Code:
    """int8 by a table of all results, int16 by a formula."""
    assert isinstance(layer, graph.Activation)
    g, function = place.g, layer.function
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    if _dtype(place, layer) == "int8":
        name = f"{place.label}_table"
        table = activation_functions.table(function, source, result).tolist()
        arguments = (place.inputs[0], place.output, _count(place, layer), name)
        return Code(
            (literals.array("int8_t", name, table),),
            (_call("lookup", *arguments),),
            ("lookup",),
        )
    if function in sigmoid.POWERS:
        by, kernel = f"{place.label}_factor", f"{function}_int16"
        arguments = (place.inputs[0], place.output, _count(place, layer), by)
        return Code(
            (_factor(by, sigmoid.factor(g, layer)),),
            (_call(kernel, *arguments),),
            (kernel,),
        )
    _, high = derived.type_bounds(g, layer.output)
    factor = derived.rescale_factor(g, layer)
    if function == "relu6":
        high = activation_functions.function(function, source, result)(high)
        factor = fixed_point.quantize_multiplier(1.0)
    is_abs = function == "abs"
    kernel = "absolute_int16" if is_abs else "requantize_int16_to_int16"
    # The zero points of int16 are 0.
    bounds = {"zero": 0, "low": 0, "high": high}
    return _rescaling(place, layer, factor, bounds, kernel)


_WEIGHTED_KERNELS: dict[type[graph.Layer], str] = {
    graph.Conv1D: "convolution",
    graph.Conv2D: "convolution",
    graph.DepthwiseConv2D: "depthwise",
    graph.TransposeConv2D: "transposed",
}

BUILDERS: dict[type[graph.Layer], Callable[[Place, graph.Layer], Code]] = {
    graph.Conv1D: _weighted,
    graph.Conv2D: _weighted,
    graph.DepthwiseConv2D: _weighted,
    graph.TransposeConv2D: _weighted,
    graph.Dense: _weighted,
    graph.MaxPool: _pool,
    graph.AveragePool: _pool,
    graph.Mean: _mean,
    graph.Add: _elementwise,
    graph.Sub: _elementwise,
    graph.Mul: _elementwise,
    graph.Concat: _concat,
    graph.Pad: _pad,
    graph.Reshape: _reshape,
    graph.SpaceToDepth: _space_to_depth,
    graph.Requantize: _requantize,
    graph.Softmax: _softmax,
    graph.Activation: _activation,
}
