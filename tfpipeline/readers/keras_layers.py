"""What each Keras layer is in the graph: one plain function a layer class.

A function emits what the layer computes, step by step: the activation argument as an
Activation behind it, a normalization as Mul and Add. Joining them is `fusion`'s work.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.ir import geometry, graph
from tfpipeline.keras_networks import layer_traits
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import (
    keras_activations,
    keras_calls,
    keras_recurrent,
    keras_unrolled,
)

Draft = draft_lib.Draft
Call = keras_calls.Call
# Emits the layers of a call and returns the name of the tensor they write.
Reader = Callable[[Call, Draft], str | tuple[str, ...]]

_layers = keras.layers


def _source(call: Call, draft: Draft) -> tuple[str, tuple[int, ...]]:
    """The only input and its shape."""
    (name,) = call.inputs
    return name, draft.shape(name)


def _identity(call: Call, draft: Draft) -> str:
    return call.inputs[0]


def _channels_last(call: Call) -> None:
    if getattr(call.layer, "data_format", "channels_last") != "channels_last":
        raise call.error("data_format must be 'channels_last'")


def _padding(
    call: Call,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> graph.Padding:
    """Explicit padding of a window over `size` pixels."""
    if call.layer.padding == "same":
        return geometry.same_padding(size, kernel, strides, dilation)
    if call.layer.padding == "causal":
        extent = geometry.kernel_extent(kernel[0], dilation[0])
        return ((extent - 1, 0),)
    return ((0, 0),) * len(size)


def _plane(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    padding: graph.Padding,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    axes = zip(size, kernel, strides, padding, dilation, strict=True)
    return tuple(geometry.output_size(*axis) for axis in axes)


def _bias(call: Call, draft: Draft) -> str | None:
    layer = call.layer
    if not layer.use_bias:
        return None
    return draft.constant(f"{call.name}/bias", layer.bias.numpy())


def _convolution(call: Call, draft: Draft, kind: type[graph.Weighted]) -> str:
    """Conv1D and Conv2D: kernel `[..., in_channels, out_channels]`."""
    _channels_last(call)
    layer = call.layer
    source, shape = _source(call, draft)
    kernel = np.moveaxis(layer.kernel.numpy(), -1, 0)
    window = (kernel.shape[1:-1], tuple(layer.strides))
    dilation = tuple(layer.dilation_rate)
    padding = _padding(call, shape[1:-1], *window, dilation)
    plane = _plane(shape[1:-1], *window, padding, dilation)
    output = draft.add(
        kind,
        call.name,
        (source,),
        (shape[0], *plane, kernel.shape[0]),
        weights=draft.constant(f"{call.name}/kernel", kernel),
        bias=_bias(call, draft),
        strides=window[1],
        padding=padding,
        dilation=dilation,
    )
    return keras_activations.activate(call, draft, output, layer.activation)


def _depthwise(call: Call, draft: Draft) -> str:
    output = _depthwise_step(call, draft, call.name, _bias(call, draft))
    return keras_activations.activate(call, draft, output, call.layer.activation)


def _depthwise_step(
    call: Call,
    draft: Draft,
    name: str,
    bias: str | None,
    plane: tuple[str, graph.Padding] | None = None,
) -> str:
    """Kernel `[height, width, channels, multiplier]`; of a line, one row.

    Args:
        call: of the layer.
        draft: what is emitted to.
        name: of the step.
        bias: constant.
        plane: the tensor that a layer of a line reads as one row, and its padding.
    """
    _channels_last(call)
    layer = call.layer
    source = call.inputs[0] if plane is None else plane[0]
    shape = draft.shape(source)
    kernel = layer.depthwise_kernel.numpy()
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    if plane is None:
        size = kernel.shape[:2]
        padding = _padding(call, shape[1:-1], size, strides, dilation)
    else:
        kernel = kernel[np.newaxis]
        size, strides, dilation = kernel.shape[:2], strides * 2, (1, *dilation)
        padding = plane[1]
    channels = kernel.shape[2] * kernel.shape[3]
    pixels = _plane(shape[1:-1], size, strides, padding, dilation)
    values = kernel.reshape(1, *size, channels)
    return draft.add(
        graph.DepthwiseConv2D,
        name,
        (source,),
        (shape[0], *pixels, channels),
        weights=draft.constant(f"{call.name}/depthwise_kernel", values),
        bias=bias,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )


def _separable(call: Call, draft: Draft) -> str:
    """A depthwise convolution without bias, then one over single pixels."""
    between = _depthwise_step(call, draft, f"{call.name}/depthwise", None)
    kernel = np.moveaxis(call.layer.pointwise_kernel.numpy(), -1, 0)
    output = draft.add(
        graph.Conv2D,
        call.name,
        (between,),
        (*draft.shape(between)[:-1], kernel.shape[0]),
        weights=draft.constant(f"{call.name}/pointwise_kernel", kernel),
        bias=_bias(call, draft),
        strides=(1, 1),
        padding=((0, 0), (0, 0)),
    )
    return keras_activations.activate(call, draft, output, call.layer.activation)


def _row(call: Call, draft: Draft) -> tuple[str, graph.Padding]:
    """What a layer of a line reads, as one row of pixels, and its padding there."""
    layer = call.layer
    source, shape = _source(call, draft)
    window = (tuple(layer.kernel_size), tuple(layer.strides), layer.dilation_rate)
    (padding,) = _padding(call, shape[1:-1], *window)
    if layer.padding == "causal":
        # Keras pads by itself, in front.
        pads = ((0, 0), padding, (0, 0))
        longer = (shape[0], shape[1] + padding[0], shape[2])
        source = draft.add(
            graph.Pad, f"{call.name}/pad", (source,), longer, padding=pads
        )
        shape, padding = longer, (0, 0)
    row = (shape[0], 1, *shape[1:])
    plane = draft.add(graph.Reshape, f"{call.name}/plane", (source,), row)
    return plane, ((0, 0), padding)


def _line(call: Call, draft: Draft, source: str) -> str:
    """One row of pixels as a line, and the layer's function.

    A clamp stands in front of the reshape, where the converter takes it in.
    """
    function = call.layer.activation
    is_clamp = function in (keras.activations.relu, tf.nn.relu6)
    if is_clamp:
        source = keras_activations.activate(call, draft, source, function)
    is_last = is_clamp or function is keras.activations.linear
    name = call.name if is_last else f"{call.name}/line"
    batch, _, *line = draft.shape(source)
    source = draft.add(graph.Reshape, name, (source,), (batch, *line))
    if is_last:
        return source
    return keras_activations.activate(call, draft, source, function)


def _depthwise_line(call: Call, draft: Draft) -> str:
    """Kernel `[size, channels, multiplier]`, in the converter's steps."""
    row = _row(call, draft)
    bias = _bias(call, draft)
    output = _depthwise_step(call, draft, f"{call.name}/depthwise", bias, row)
    return _line(call, draft, output)


def _separable_line(call: Call, draft: Draft) -> str:
    """As `_separable`, on one row of pixels."""
    row = _row(call, draft)
    between = _depthwise_step(call, draft, f"{call.name}/depthwise", None, row)
    kernel = np.moveaxis(call.layer.pointwise_kernel.numpy()[np.newaxis], -1, 0)
    output = draft.add(
        graph.Conv2D,
        f"{call.name}/pointwise",
        (between,),
        (*draft.shape(between)[:-1], kernel.shape[0]),
        weights=draft.constant(f"{call.name}/pointwise_kernel", kernel),
        bias=_bias(call, draft),
        strides=(1, 1),
        padding=((0, 0), (0, 0)),
    )
    return _line(call, draft, output)


def _transposed(call: Call, draft: Draft) -> str:
    """Kernel `[height, width, out_channels, in_channels]`."""
    _channels_last(call)
    layer = call.layer
    if tuple(layer.dilation_rate) != (1, 1):
        raise call.error(f"dilation_rate must be 1; found {layer.dilation_rate}")
    source, shape = _source(call, draft)
    kernel = np.moveaxis(layer.kernel.numpy(), 2, 0)
    size, strides = kernel.shape[1:3], tuple(layer.strides)
    result = (shape[0], *layer.compute_output_shape((None, *shape[1:]))[1:])
    starts = _padding(call, result[1:-1], size, strides, (1, 1))
    axes = zip(shape[1:-1], size, strides, starts, result[1:-1], strict=True)
    padding = tuple(
        geometry.transposed_padding(count, taps, stride, before, pixels)
        for count, taps, stride, (before, _), pixels in axes
    )
    output = draft.add(
        graph.TransposeConv2D,
        call.name,
        (source,),
        result,
        weights=draft.constant(f"{call.name}/kernel", kernel),
        bias=_bias(call, draft),
        strides=strides,
        padding=padding,
    )
    return keras_activations.activate(call, draft, output, layer.activation)


def _dense(call: Call, draft: Draft) -> str:
    layer = call.layer
    source, shape = _source(call, draft)
    kernel = layer.kernel.numpy().T
    output = draft.add(
        graph.Dense,
        call.name,
        (source,),
        (*shape[:-1], kernel.shape[0]),
        weights=draft.constant(f"{call.name}/kernel", kernel),
        bias=_bias(call, draft),
    )
    return keras_activations.activate(call, draft, output, layer.activation)


def _batch_normalization(call: Call, draft: Draft) -> str:
    """x * s + (beta - mean * s), s = rsqrt(variance + epsilon) * gamma, in float32.

    With TensorFlow's kernel of rsqrt, whose last bit depends on the processor.
    """
    layer = call.layer
    source, shape = _source(call, draft)
    axes = [int(axis) for axis in np.atleast_1d(layer.axis)]
    if axes != [len(shape) - 1]:
        raise call.error(f"axis {axes} must be the channels, the last one")
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    factor = tf.math.rsqrt(variance + np.float32(layer.epsilon)).numpy()
    if layer.scale:
        factor = factor * layer.gamma.numpy()
    beta = layer.beta.numpy() if layer.center else np.zeros_like(mean)
    scale = draft.constant(f"{call.name}/scale", factor)
    offset = draft.constant(f"{call.name}/offset", beta - mean * factor)
    scaled = draft.add(graph.Mul, f"{call.name}/mul", (source, scale), shape)
    return draft.add(graph.Add, call.name, (scaled, offset), shape)


def _rescaling(call: Call, draft: Draft) -> str:
    source, shape = _source(call, draft)
    scale = draft.constant(f"{call.name}/scale", np.float32(call.layer.scale))
    scaled = draft.add(graph.Mul, f"{call.name}/mul", (source, scale), shape)
    if not np.any(call.layer.offset):
        return scaled
    offset = draft.constant(f"{call.name}/offset", np.float32(call.layer.offset))
    return draft.add(graph.Add, call.name, (scaled, offset), shape)


def _normalization(call: Call, draft: Draft) -> str:
    """`(x - mean) / deviation`, in the converter's steps; one of each a channel."""
    layer = call.layer
    source, shape = _source(call, draft)
    axes = [int(axis) % len(shape) for axis in layer.axis or ()]
    if layer.invert or axes not in ([], [len(shape) - 1]):
        raise call.error(
            "axis must be the channels, the last one, or None, and invert be false; "
            f"found axis {layer.axis}, invert={layer.invert}"
        )
    mean, variance = (
        np.asarray(part, np.float32) for part in (layer.mean, layer.variance)
    )
    deviation = np.maximum(np.sqrt(variance), np.float32(keras.backend.epsilon()))
    middle = draft.constant(f"{call.name}/mean", mean)
    factor = draft.constant(f"{call.name}/scale", np.float32(1) / deviation)
    moved = draft.add(graph.Sub, f"{call.name}/sub", (source, middle), shape)
    return draft.add(graph.Mul, call.name, (moved, factor), shape)


def _average(call: Call, draft: Draft) -> str:
    """A sum, one after another, and a division."""
    result, *others = call.inputs
    for index, other in enumerate(others, start=1):
        shape = np.broadcast_shapes(draft.shape(result), draft.shape(other))
        name = f"{call.name}/sum{index}"
        result = draft.add(graph.Add, name, (result, other), shape)
    part = draft.constant(f"{call.name}/part", np.float32(1 / len(call.inputs)))
    return draft.add(graph.Mul, call.name, (result, part), draft.shape(result))


def _pool(call: Call, draft: Draft, kind: type[graph.Pool]) -> str:
    _channels_last(call)
    layer = call.layer
    source, shape = _source(call, draft)
    # One number in layers of one axis, and in some of their versions a tuple of one.
    size = tuple(np.atleast_1d(layer.pool_size).tolist())
    strides = tuple(np.atleast_1d(layer.strides).tolist())
    ones = (1,) * len(size)
    padding = _padding(call, shape[1:-1], size, strides, ones)
    plane = _plane(shape[1:-1], size, strides, padding, ones)
    return draft.add(
        kind,
        call.name,
        (source,),
        (shape[0], *plane, shape[-1]),
        kernel_size=size,
        strides=strides,
        padding=padding,
    )


def _global_average(call: Call, draft: Draft) -> str:
    _channels_last(call)
    source, shape = _source(call, draft)
    axes = tuple(range(1, len(shape) - 1))
    kept = tuple(1 for _ in axes) if call.layer.keepdims else ()
    result = (shape[0], *kept, shape[-1])
    return draft.add(graph.Mean, call.name, (source,), result, axes=axes)


def _global_max(call: Call, draft: Draft) -> str:
    _channels_last(call)
    return largest_of_plane(call, draft, keeps=call.layer.keepdims)


def largest_of_plane(call: Call, draft: Draft, *, keeps: bool) -> str:
    """A window over the whole plane; then, unless it keeps the axes, a Reshape."""
    source, shape = _source(call, draft)
    plane = shape[1:-1]
    output = draft.add(
        graph.MaxPool,
        call.name if keeps else f"{call.name}/pool",
        (source,),
        (shape[0], *(1 for _ in plane), shape[-1]),
        kernel_size=plane,
        strides=plane,
        padding=((0, 0),) * len(plane),
    )
    if keeps:
        return output
    return draft.add(graph.Reshape, call.name, (output,), (shape[0], shape[-1]))


def _elementwise(
    call: Call, draft: Draft, kind: type[graph.Elementwise] | type[graph.Extremum]
) -> str:
    """Two operands, or more one after another."""
    result, *others = call.inputs
    for index, other in enumerate(others, start=1):
        shape = np.broadcast_shapes(draft.shape(result), draft.shape(other))
        name = call.name if index == len(others) else f"{call.name}/{index}"
        result = draft.add(kind, name, (result, other), shape)
    return result


def _concatenate(call: Call, draft: Draft) -> str:
    if len(call.inputs) == 1:
        return call.inputs[0]
    shapes = [draft.shape(name) for name in call.inputs]
    axis = call.layer.axis % len(shapes[0])
    total = sum(shape[axis] for shape in shapes)
    result = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
    return draft.add(graph.Concat, call.name, call.inputs, result, axis=axis)


def _zero_padding(call: Call, draft: Draft) -> str:
    _channels_last(call)
    source, shape = _source(call, draft)
    pairs = call.layer.padding
    pairs = (pairs,) if len(shape) == 3 else pairs
    padding = ((0, 0), *((int(a), int(b)) for a, b in pairs), (0, 0))
    result = tuple(n + sum(pair) for n, pair in zip(shape, padding, strict=True))
    if result == shape:
        return source
    return draft.add(graph.Pad, call.name, (source,), result, padding=padding)


def _cropping(call: Call, draft: Draft) -> str:
    """A slice; behind a transposed convolution, which cuts its own result off, none.

    The convolution and what activates it are added again, smaller; where nobody reads
    the larger ones, they fall away.
    """
    _channels_last(call)
    source, shape = _source(call, draft)
    cut = call.layer.cropping if len(shape) == 4 else (call.layer.cropping,)
    plane = tuple(n - sum(pair) for n, pair in zip(shape[1:-1], cut, strict=True))
    result = (shape[0], *plane, shape[-1])
    writers = {layer.output: layer for layer in draft.layers}
    functions = []
    layer = writers.get(source)
    while isinstance(layer, graph.Activation):
        functions.append(layer.function)
        layer = writers.get(layer.inputs[0])
    if not isinstance(layer, graph.TransposeConv2D):
        begin = (0, *(int(before) for before, _ in cut), 0)
        return draft.add(
            graph.StridedSlice,
            call.name,
            (source,),
            result,
            begin=begin,
            size=result,
            steps=(1,) * len(shape),
        )
    pairs = zip(layer.padding, cut, strict=True)
    output = draft.add(
        graph.TransposeConv2D,
        layer.name,
        layer.inputs,
        result,
        weights=layer.weights,
        bias=layer.bias,
        strides=layer.strides,
        padding=tuple((a + int(c), b + int(d)) for (a, b), (c, d) in pairs),
    )
    for function in reversed(functions):
        name = f"{call.name}/{function}"
        output = draft.add(graph.Activation, name, (output,), result, function=function)
    return output


def _reshape(call: Call, draft: Draft) -> str:
    _channels_last(call)
    source, shape = _source(call, draft)
    if isinstance(call.layer, _layers.Flatten):
        result: tuple[int, ...] = (shape[0], math.prod(shape[1:]))
    else:
        result = (shape[0], *call.layer.compute_output_shape((1, *shape[1:]))[1:])
    if result == shape:
        return source
    return draft.add(graph.Reshape, call.name, (source,), result)


def _softmax(call: Call, draft: Draft) -> str:
    """Along the last axis; another one is moved there, and back."""
    source, shape = _source(call, draft)
    axes = np.atleast_1d(call.layer.axis)
    if len(axes) != 1:
        raise call.error(f"one axis is supported; found {call.layer.axis}")
    axis, last = int(axes[0]) % len(shape), len(shape) - 1
    if axis == last:
        return draft.add(graph.Softmax, call.name, (source,), shape)
    order = list(range(len(shape)))
    order[axis], order[last] = last, axis
    moved = tuple(shape[i] for i in order)
    swap = {"permutation": tuple(order)}
    name = f"{call.name}/transpose"
    turned = draft.add(graph.Transpose, name, (source,), moved, **swap)
    found = draft.add(graph.Softmax, f"{call.name}/softmax", (turned,), moved)
    return draft.add(graph.Transpose, call.name, (found,), shape, **swap)


def _leaky_relu(call: Call, draft: Draft) -> str:
    source, _ = _source(call, draft)
    return keras_activations.leaky_relu(call, draft, source, float(call.layer.alpha))


def _prelu(call: Call, draft: Draft) -> str:
    source, shape = _source(call, draft)
    slopes = draft.constant(f"{call.name}/alpha", call.layer.alpha.numpy())
    return draft.add(graph.PRelu, call.name, (source, slopes), shape)


def _permute(call: Call, draft: Draft) -> str:
    source, shape = _source(call, draft)
    order = (0, *call.layer.dims)
    result = tuple(shape[axis] for axis in order)
    if order == tuple(range(len(shape))):
        return source
    return draft.add(graph.Transpose, call.name, (source,), result, permutation=order)


def _repeated_rows(call: Call, draft: Draft) -> str:
    """Each row by itself, joined again: the steps of Keras, which the converter keeps.

    `repeat_elements` of tf_keras/src/backend.py.
    """
    source, shape = _source(call, draft)
    batch, rows, channels = shape
    times = int(call.layer.size)
    name = f"{call.name}/split"
    shapes = ((batch, 1, channels),) * rows
    parts: tuple[str, ...] = (source,)
    if rows > 1:
        parts = draft.several(graph.Split, name, (source,), shapes, axis=1)
    repeated = tuple(part for part in parts for _ in range(times))
    result = (batch, rows * times, channels)
    return draft.add(graph.Concat, call.name, repeated, result, axis=1)


def _up_sampling(call: Call, draft: Draft) -> str:
    _channels_last(call)
    source, shape = _source(call, draft)
    rows, columns = call.layer.size
    return _resized(call, draft, source, (shape[1] * rows, shape[2] * columns))


def _resizing(call: Call, draft: Draft) -> str:
    layer = call.layer
    if layer.crop_to_aspect_ratio:
        raise call.error("crop_to_aspect_ratio must be False")
    source, _ = _source(call, draft)
    return _resized(call, draft, source, (layer.height, layer.width))


def _resized(call: Call, draft: Draft, source: str, size: tuple[int, int]) -> str:
    """A picture of another size; pixels are areas, as `tf.image.resize` has them."""
    kinds = {
        "nearest": graph.ResizeNearestNeighbor,
        "bilinear": graph.ResizeBilinear,
    }
    interpolation = call.layer.interpolation
    if interpolation not in kinds:
        raise call.error(
            f"interpolation '{interpolation}' is not supported; use nearest or bilinear"
        )
    batch, _, _, channels = draft.shape(source)
    return draft.add(
        kinds[interpolation],
        call.name,
        (source,),
        (batch, *size, channels),
        align_corners=False,
        half_pixel_centers=True,
    )


READERS: dict[type[Any], Reader] = {
    **dict.fromkeys(
        (
            *layer_traits.IN_TRAINING_ONLY,
            _layers.ActivityRegularization,
            _layers.Identity,
        ),
        _identity,
    ),
    _layers.Activation: keras_activations.activation_layer,
    _layers.Add: lambda c, d: _elementwise(c, d, graph.Add),
    _layers.Average: _average,
    _layers.AveragePooling1D: lambda c, d: _pool(c, d, graph.AveragePool),
    _layers.AveragePooling2D: lambda c, d: _pool(c, d, graph.AveragePool),
    _layers.BatchNormalization: _batch_normalization,
    _layers.Concatenate: _concatenate,
    _layers.Conv1D: lambda c, d: _convolution(c, d, graph.Conv1D),
    _layers.Conv2D: lambda c, d: _convolution(c, d, graph.Conv2D),
    _layers.Conv2DTranspose: _transposed,
    _layers.Cropping1D: _cropping,
    _layers.Cropping2D: _cropping,
    _layers.Dense: _dense,
    _layers.DepthwiseConv1D: _depthwise_line,
    _layers.DepthwiseConv2D: _depthwise,
    _layers.Flatten: _reshape,
    _layers.GlobalAveragePooling1D: _global_average,
    _layers.GlobalAveragePooling2D: _global_average,
    _layers.GlobalMaxPooling1D: _global_max,
    _layers.GlobalMaxPooling2D: _global_max,
    _layers.LSTM: keras_recurrent.lstm,
    _layers.GRU: keras_unrolled.gru,
    _layers.SimpleRNN: keras_unrolled.simple,
    _layers.LeakyReLU: _leaky_relu,
    _layers.Maximum: lambda c, d: _elementwise(c, d, graph.Maximum),
    _layers.MaxPooling1D: lambda c, d: _pool(c, d, graph.MaxPool),
    _layers.MaxPooling2D: lambda c, d: _pool(c, d, graph.MaxPool),
    _layers.Minimum: lambda c, d: _elementwise(c, d, graph.Minimum),
    _layers.Multiply: lambda c, d: _elementwise(c, d, graph.Mul),
    _layers.Normalization: _normalization,
    _layers.Permute: _permute,
    _layers.PReLU: _prelu,
    _layers.ReLU: keras_activations.relu_layer,
    _layers.Rescaling: _rescaling,
    _layers.Reshape: _reshape,
    _layers.Resizing: _resizing,
    _layers.SeparableConv1D: _separable_line,
    _layers.SeparableConv2D: _separable,
    _layers.Softmax: _softmax,
    _layers.Subtract: lambda c, d: _elementwise(c, d, graph.Sub),
    _layers.UpSampling1D: _repeated_rows,
    _layers.UpSampling2D: _up_sampling,
    _layers.ZeroPadding1D: _zero_padding,
    _layers.ZeroPadding2D: _zero_padding,
}
