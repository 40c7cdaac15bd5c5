"""Each kind of layer as C: its tables, and the statement that runs it."""

from collections.abc import Callable, Sequence

import numpy as np

from export.c import (
    axes,
    function_kernels,
    literals,
    moved_layers,
    place,
    plain_kernels,
    recurrent_layers,
    sigmoid,
    weighted_layers,
)
from tfpipeline.ir import graph
from tfpipeline.simulate import (
    activation_functions,
    derived,
    fixed_point,
    vector_kernels,
)

Fields = place.Fields
Code = place.Code
Place = place.Place


def _dtype(which: Place, layer: graph.Layer) -> str:
    return which.g.tensors[layer.output].dtype


def _count(which: Place, layer: graph.Layer) -> int:
    return which.g.tensors[layer.output].num_elements


def _pool(which: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Pool)
    kind = "max" if isinstance(layer, graph.MaxPool) else "average"
    name = f"{kind}_pool_{_dtype(which, layer)}"
    depth = which.g.tensors[layer.output].shape[-1]
    window = weighted_layers.window(which.g, layer, layer.kernel_size, depth)
    low, high = derived.bounds(which.g, layer)
    arguments = (which.inputs[0], which.output, f"&{which.label}_window", low, high)
    return Code(
        (literals.struct("window", f"{which.label}_window", window),),
        (place.call(name, *arguments),),
        (name,),
    )


def _mean(which: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Mean)
    g, label, name = which.g, which.label, f"mean_{_dtype(which, layer)}"
    sizes = axes.reduced(g.tensors[layer.inputs[0]].shape, layer.axes)
    sizes += [1] * (5 - len(sizes))
    if sizes[3:] == [1, 1]:
        # Means that lie side by side, as vectors have them.
        sizes = [*sizes[:2], 1, 1, sizes[2]]
    fields = {
        "sizes": sizes,
        "by": derived.mean_factor(g, layer, sizes[1] * sizes[3]),
        "input_zero": derived.zero_point(g, layer.inputs[0]),
        **place.bounds(g, layer),
    }
    return Code(
        (literals.struct("averaging", f"{label}_averaging", fields),),
        (place.call(name, which.inputs[0], which.output, f"&{label}_averaging"),),
        (name,),
    )


def _elementwise(which: Place, layer: graph.Layer) -> Code:
    g, label = which.g, which.label
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
        **place.bounds(g, layer),
    }
    name = f"elementwise_{_dtype(which, layer)}"
    arguments = (*which.inputs, which.output, f"&{label}_operands")
    tables = (literals.struct("elementwise", f"{label}_operands", fields),)
    if combined == "sum_of" and _halves(factors):
        name = f"addition_{_dtype(which, layer)}"
        return Code(tables, (place.call(name, *arguments),), (name,))
    return Code(tables, (place.call(name, *arguments, combined),), (name, combined))


def _halves(factors: Sequence[derived.Factor]) -> bool:
    """Whether a sum's operands are at most halved, and its result not shifted left.

    Its operands then are below 2^30, and so is their sum: `derived.sum_shift`.
    """
    *operands, result = factors
    return result[1] <= 0 and all(
        multiplier * 2.0**shift <= 2**30 for multiplier, shift in operands
    )


def _extremum(which: Place, layer: graph.Layer) -> Code:
    """On the integers themselves: all have one scale."""
    combined = "larger_of" if isinstance(layer, graph.Maximum) else "smaller_of"
    return _combined(which, layer, combined, {}, (0, 0))


def _prelu(which: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.PRelu)
    first, result = derived.slope_factors(which.g, layer)
    zeros = [derived.zero_point(which.g, name) for name in layer.inputs]
    factors = {"first": first, "result": result}
    return _combined(which, layer, "sloped", factors, (zeros[0], zeros[1]))


def _combined(
    which: Place,
    layer: graph.Layer,
    combined: str,
    factors: Fields,
    zeros: tuple[int, int],
) -> Code:
    """Two operands by a function that needs no headroom."""
    g, label = which.g, which.label
    first, second = (g.tensors[name] for name in layer.inputs)
    joined = axes.broadcast(first.shape, second.shape)
    joined = [(1, 0, 0)] * (plain_kernels.MAX_AXES - len(joined)) + joined
    sizes, first_strides, second_strides = zip(*joined, strict=True)
    bounds = place.bounds(g, layer)
    if isinstance(layer, graph.Extremum):
        low, high = derived.type_bounds(g, layer.output)
        bounds = {"zero": 0, "low": low, "high": high}
    none = (0, 0)
    fields = {
        **{"sizes": sizes, "first_strides": first_strides},
        **{"second_strides": second_strides},
        **{"first": none, "second": none, "result": none, **factors},
        **{"first_zero": zeros[0], "second_zero": zeros[1], "unit": 1, "sign": 1},
        **bounds,
    }
    name = f"elementwise_{first.dtype}"
    if second.dtype != first.dtype:
        name += f"_{second.dtype}"
    arguments = (*which.inputs, which.output, f"&{label}_operands", combined)
    return Code(
        (literals.struct("elementwise", f"{label}_operands", fields),),
        (place.call(name, *arguments),),
        (name, combined),
    )


def _reshape(which: Place, layer: graph.Layer) -> Code:
    size = moved_layers.num_bytes(which.g.tensors[layer.output])
    return Code((), (place.call("memcpy", which.output, which.inputs[0], size),), ())


def _rescaling(
    which: Place,
    layer: graph.Layer,
    by: derived.Factor,
    bounds: Fields,
    kernel: str,
) -> Code:
    fields = {
        "by": by,
        "input_zero": derived.zero_point(which.g, layer.inputs[0]),
        **bounds,
    }
    name, count = f"{which.label}_rescaling", _count(which, layer)
    return Code(
        (literals.struct("rescaling", name, fields),),
        (place.call(kernel, which.inputs[0], which.output, count, f"&{name}"),),
        (kernel,),
    )


def _requantize(which: Place, layer: graph.Layer) -> Code:
    source = which.g.tensors[layer.inputs[0]].dtype
    kernel = f"requantize_{source}_to_{_dtype(which, layer)}"
    by, bounds = derived.rescale_factor(which.g, layer), place.bounds(which.g, layer)
    return _rescaling(which, layer, by, bounds, kernel)


def _factor(name: str, value: derived.Factor) -> str:
    multiplier, shift = value
    return literals.struct("factor", name, {"multiplier": multiplier, "shift": shift})


def _softmax(which: Place, layer: graph.Layer) -> Code:
    assert isinstance(layer, graph.Softmax)
    g, label = which.g, which.label
    result = g.tensors[layer.output]
    columns = result.shape[-1]
    rows = result.num_elements // columns
    first = (which.inputs[0], which.output, rows, columns)
    if g.tensors[layer.inputs[0]].dtype == "int16":
        by = f"{label}_factor"
        return Code(
            (_factor(by, derived.softmax16_factor(g, layer)),),
            (place.call("softmax_int16", *first, by),),
            ("softmax_int16",),
        )
    factor, smallest = derived.softmax_parameters(g, layer)
    exps = [
        fixed_point.exp_of_negative(fixed_point.scale(-difference, *factor))
        for difference in range(min(256, 1 - smallest))
    ]
    name = f"{label}_exps"
    kernel = function_kernels.softmax_of_int8(result.dtype)
    return Code(
        (literals.array("int32_t", name, exps),),
        (place.call(kernel, *first, name, len(exps)),),
        (kernel,),
    )


def _activation(which: Place, layer: graph.Layer) -> Code:
    """int8 by a table of all results, int16 by a formula."""
    assert isinstance(layer, graph.Activation)
    g, function = which.g, layer.function
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    if _dtype(which, layer) == "int8":
        name = f"{which.label}_table"
        table = activation_functions.table(function, source, result).tolist()
        arguments = (which.inputs[0], which.output, _count(which, layer), name)
        return Code(
            (literals.array("int8_t", name, table),),
            (place.call("lookup", *arguments),),
            ("lookup",),
        )
    if function in sigmoid.POWERS:
        by, kernel = f"{which.label}_factor", f"{function}_int16"
        arguments = (which.inputs[0], which.output, _count(which, layer), by)
        return Code(
            (_factor(by, sigmoid.factor(g, layer)),),
            (place.call(kernel, *arguments),),
            (kernel,),
        )
    low, high = derived.type_bounds(g, layer.output)
    factor = derived.rescale_factor(g, layer)
    if function == "relu6":
        high = activation_functions.function(function, source, result)(high)
        factor = fixed_point.quantize_multiplier(1.0)
    is_abs = function == "abs"
    kernel = "absolute_int16" if is_abs else "requantize_int16_to_int16"
    # The zero points of int16 are 0. A magnitude that outgrows int32 turns negative.
    bounds = {"zero": 0, "low": low if is_abs else 0, "high": high}
    return _rescaling(which, layer, factor, bounds, kernel)


def _leaky_relu(which: Place, layer: graph.Layer) -> Code:
    """int8 by a table of all results, int16 by factors."""
    assert isinstance(layer, graph.LeakyRelu)
    g, count = which.g, _count(which, layer)
    positive, negative, sign = derived.leaky_factors(g, layer)
    if _dtype(which, layer) == "int8":
        every = np.arange(-128, 128).astype(np.int8)
        table = vector_kernels.leaky_relu(g, layer, [every]).tolist()
        name = f"{which.label}_table"
        return Code(
            (literals.array("int8_t", name, table),),
            (place.call("lookup", which.inputs[0], which.output, count, name),),
            ("lookup",),
        )
    fields = {"positive": positive, "negative": negative, "sign": sign}
    name = f"{which.label}_slope"
    return Code(
        (literals.struct("slope", name, fields),),
        (
            place.call(
                "leaky_relu_int16", which.inputs[0], which.output, count, f"&{name}"
            ),
        ),
        ("leaky_relu_int16",),
    )


# Layers whose constant operands their statements spell out.
SPELLED_OUT = (graph.PadV2,)

BUILDERS: dict[type[graph.Layer], Callable[[Place, graph.Layer], Code]] = {
    graph.Conv1D: weighted_layers.convolution,
    graph.Conv2D: weighted_layers.convolution,
    graph.DepthwiseConv2D: weighted_layers.depthwise,
    graph.TransposeConv2D: weighted_layers.transposed,
    graph.Dense: weighted_layers.convolution,
    graph.MaxPool: _pool,
    graph.AveragePool: _pool,
    graph.Mean: _mean,
    graph.Add: _elementwise,
    graph.Sub: _elementwise,
    graph.Mul: _elementwise,
    graph.Minimum: _extremum,
    graph.Maximum: _extremum,
    graph.ReduceMax: moved_layers.reduction,
    graph.ReduceMin: moved_layers.reduction,
    graph.ArgMax: moved_layers.position,
    graph.ArgMin: moved_layers.position,
    graph.Concat: moved_layers.joined,
    graph.Split: moved_layers.cut,
    graph.Pack: moved_layers.joined,
    graph.Unpack: moved_layers.cut,
    graph.Pad: moved_layers.pad,
    graph.PadV2: moved_layers.pad,
    graph.MirrorPad: moved_layers.gather,
    graph.Transpose: moved_layers.gather,
    graph.Slice: moved_layers.gather,
    graph.StridedSlice: moved_layers.gather,
    graph.ResizeNearestNeighbor: moved_layers.gather,
    graph.ResizeBilinear: moved_layers.resize_bilinear,
    graph.Reshape: _reshape,
    graph.SpaceToDepth: moved_layers.space_to_depth,
    graph.Requantize: _requantize,
    graph.Softmax: _softmax,
    graph.Activation: _activation,
    graph.LeakyRelu: _leaky_relu,
    graph.PRelu: _prelu,
    graph.Lstm: recurrent_layers.lstm,
    graph.Svdf: recurrent_layers.svdf,
}
