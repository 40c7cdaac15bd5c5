"""Layers written as others that compute the same, which quantizers know.

    SeparableConv          a depthwise convolution, then one over single pixels
    DepthwiseConv1D        a DepthwiseConv2D over one row; UpSampling1D likewise
    activation=function    a layer of its own, unless it is ReLU
    Add and others of n    one after another, two at a time
    Average                a sum, and a multiply-add of each channel
    Rescaling and others   a multiply-add of each channel: a BatchNormalization that
                           `normalizations` takes to where it costs least
    swish, hard_sigmoid    their steps; what ends at 1 as a sixth of a ReLU6
    x + y, tf.nn.relu(x)   the layers of the same function

The part that has the weights keeps the layer's name; other parts have it in front.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import layer_traits, rebuilding

Builder = rebuilding.Builder
Call = rebuilding.Call

_LAYERS = keras.layers
# What a layer with weights may have inside, besides nothing.
_INNER_ACTIVATIONS = ("linear", "relu")
_WITH_WEIGHTS = (
    _LAYERS.Conv1D,
    _LAYERS.Conv2D,
    _LAYERS.Conv2DTranspose,
    _LAYERS.Dense,
    _LAYERS.DepthwiseConv2D,
)
_CHAINS = (_LAYERS.Add, _LAYERS.Maximum, _LAYERS.Minimum, _LAYERS.Multiply)
# Nothing in training, nothing in inference.
_WITHOUT_EFFECT = (_LAYERS.ActivityRegularization, _LAYERS.Identity)


def is_needed(model: keras.Model) -> bool:
    """Whether a network has a layer that is rewritten, or a model inside it."""
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        return True
    return any(
        _rule(layer, len(tf.nest.flatten(node.keras_inputs))) is not None
        for layer in model.layers
        for node in layer.inbound_nodes
    )


def rewrite(call: Call, builder: Builder) -> Any:
    """What a call becomes; None of a layer that stays."""
    rule = _rule(call.layer, len(call.tensors))
    return None if rule is None else rule(call, builder)


def _rule(layer: Any, count: int) -> Callable[[Call, Builder], Any] | None:
    """How a call of `layer` with `count` tensors is rewritten, if it is."""
    kind = type(layer)
    if kind in _ALWAYS:
        return _ALWAYS[kind]
    if layer_traits.is_dense_of_rows(layer):
        return _dense_of_rows
    if kind in _CHAINS and count > 2:
        return _chain
    if kind in _WITH_WEIGHTS and _is_outer(layer.activation):
        return _outer_activation
    if kind is _LAYERS.Activation and isinstance(layer.activation, _LAYERS.Layer):
        return lambda call, builder: _own_layer(call, builder, call.tensors[0], "")
    if kind is _LAYERS.Activation:
        return _ACTIVATIONS.get(layer_traits.activation_name(layer))
    if kind is _LAYERS.ReLU:
        return _of_relu(layer)
    if kind is _LAYERS.Normalization:
        return _normalization if _is_by_channel(layer) else None
    if kind.__name__ == "TFOpLambda":
        known = _FUNCTIONS.get(layer.symbol)
        return None if known is None else known(count)
    return None


def _of_relu(layer: Any) -> Callable[[Call, Builder], Any] | None:
    limits = (layer.max_value, float(layer.negative_slope), float(layer.threshold))
    if limits == (1.0, 0.0, 0.0):
        return _unit_relu
    is_leaky = limits[1] and limits == (None, limits[1], 0.0)
    return _leaky_relu if is_leaky else None


def _is_outer(activation: Any) -> bool:
    return layer_traits.function_name(activation) not in _INNER_ACTIVATIONS


def _separable_2d(call: Call, builder: Builder) -> Any:
    layer = call.layer
    depthwise, pointwise, *bias = layer.get_weights()
    x = builder.apply(
        call,
        _LAYERS.DepthwiseConv2D,
        call.tensors[0],
        part="depthwise",
        weights=[depthwise],
        use_bias=False,
        kernel_size=layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        depth_multiplier=layer.depth_multiplier,
    )
    x = builder.apply(
        call,
        _LAYERS.Conv2D,
        x,
        weights=[pointwise, *bias],
        filters=layer.filters,
        kernel_size=1,
        use_bias=layer.use_bias,
        activation="linear" if _is_outer(layer.activation) else layer.activation,
    )
    return _activated(call, builder, x)


def _separable_1d(call: Call, builder: Builder) -> Any:
    layer = call.layer
    depthwise, pointwise, *bias = layer.get_weights()
    x = call.tensors[0]
    if layer.padding == "causal":
        before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
        x = builder.apply(
            call, _LAYERS.ZeroPadding1D, x, part="pad", padding=(before, 0)
        )
    x = _depthwise_row(
        call,
        builder,
        _row(call, builder, x),
        [depthwise],
        part="depthwise",
        use_bias=False,
    )
    x = builder.apply(
        call,
        _LAYERS.Conv2D,
        x,
        weights=[pointwise[np.newaxis], *bias],
        filters=layer.filters,
        kernel_size=1,
        use_bias=layer.use_bias,
        activation="linear" if _is_outer(layer.activation) else layer.activation,
    )
    return _activated(call, builder, _line(call, builder, x))


def _depthwise_1d(call: Call, builder: Builder) -> Any:
    layer = call.layer
    x = _depthwise_row(
        call,
        builder,
        _row(call, builder, call.tensors[0]),
        layer.get_weights(),
        use_bias=layer.use_bias,
        activation="linear" if _is_outer(layer.activation) else layer.activation,
    )
    return _activated(call, builder, _line(call, builder, x))


def _up_sampling_1d(call: Call, builder: Builder) -> Any:
    x = _row(call, builder, call.tensors[0])
    size = (1, int(call.layer.size))
    x = builder.apply(call, _LAYERS.UpSampling2D, x, size=size)
    return _line(call, builder, x)


def _row(call: Call, builder: Builder, x: Any) -> Any:
    """[time, channels] as one row of pixels."""
    shape = (1, *x.shape[1:])
    return builder.apply(call, _LAYERS.Reshape, x, part="plane", target_shape=shape)


def _line(call: Call, builder: Builder, x: Any) -> Any:
    """One row of pixels as [time, channels]."""
    shape = tuple(x.shape[2:])
    return builder.apply(call, _LAYERS.Reshape, x, part="line", target_shape=shape)


def _depthwise_row(
    call: Call, builder: Builder, x: Any, weights: list[np.ndarray], **config: Any
) -> Any:
    """A depthwise convolution of a line, over one row of pixels."""
    layer = call.layer
    (size,), (stride,), (dilation,) = (
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
    )
    kernel, *bias = weights
    return builder.apply(
        call,
        _LAYERS.DepthwiseConv2D,
        x,
        weights=[kernel[np.newaxis], *bias],
        kernel_size=(1, size),
        # TensorFlow wants equal ones; there is one row.
        strides=(stride, stride),
        padding="valid" if layer.padding == "causal" else layer.padding,
        dilation_rate=(1, dilation),
        depth_multiplier=layer.depth_multiplier,
        **config,
    )


def _outer_activation(call: Call, builder: Builder) -> Any:
    """The layer without its activation, and the activation behind it."""
    layer = call.layer
    config = layer.get_config()
    for key in ("name", "trainable"):
        config.pop(key, None)
    x = builder.apply(
        call,
        type(layer),
        call.tensors[0],
        weights=layer.get_weights(),
        **{**config, "activation": "linear", "dtype": "float32"},
    )
    return _activated(call, builder, x)


def _dense_of_rows(call: Call, builder: Builder) -> Any:
    """What TimeDistributed does with a Dense, a Dense does of itself."""
    inner = dataclasses.replace(call, layer=call.layer.layer)
    if _is_outer(inner.layer.activation):
        return _outer_activation(inner, builder)
    config = inner.layer.get_config()
    for key in ("name", "trainable"):
        config.pop(key, None)
    weights = inner.layer.get_weights()
    config["dtype"] = "float32"
    return builder.apply(
        inner, _LAYERS.Dense, call.tensors[0], weights=weights, **config
    )


def _activated(call: Call, builder: Builder, x: Any) -> Any:
    """The activation of a layer as layers of their own, unless it is inside it."""
    activation = call.layer.activation
    if not _is_outer(activation):
        return x
    if isinstance(activation, _LAYERS.Layer):
        return _own_layer(call, builder, x, type(activation).__name__.lower())
    name = layer_traits.activation_name(call.layer)
    steps = _STEPS.get(name)
    if steps is not None:
        return steps(call, builder, x, f"{name}/")
    return builder.apply(call, _LAYERS.Activation, x, part=name, activation=activation)


def _own_layer(call: Call, builder: Builder, x: Any, part: str) -> Any:
    """A layer that is the activation of another one."""
    activation = call.layer.activation
    config = activation.get_config()
    config.pop("name")
    return builder.apply(
        call,
        type(activation),
        x,
        part=part,
        weights=activation.get_weights() or None,
        **config,
    )


def _swish(call: Call, builder: Builder, x: Any, part: str) -> Any:
    gate = builder.apply(
        call, _LAYERS.Activation, x, part=f"{part}gate", activation="sigmoid"
    )
    return builder.apply(call, _LAYERS.Multiply, [x, gate], part=part.rstrip("/"))


def _hard_sigmoid(call: Call, builder: Builder, x: Any, part: str) -> Any:
    """`0.2 * x + 0.5` between 0 and 1, as Keras has it: a sixth of a ReLU6."""
    x = multiply_add(call, builder, x, 1.2, 3.0, part=f"{part}slope")
    return _sixth(call, builder, x, part)


def _unit_relu(call: Call, builder: Builder) -> Any:
    """A ReLU up to 1, for which TensorFlow Lite Micro has no operator."""
    x = multiply_add(call, builder, call.tensors[0], 6.0, 0.0, part="slope")
    return _sixth(call, builder, x, "")


def _sixth(call: Call, builder: Builder, x: Any, part: str) -> Any:
    """`relu6(x) / 6`."""
    x = builder.apply(call, _LAYERS.ReLU, x, part=f"{part}bound", max_value=6.0)
    return multiply_add(call, builder, x, 1.0 / 6.0, 0.0, part=part.rstrip("/"))


def _leaky(call: Call, builder: Builder, x: Any, part: str) -> Any:
    """`tf.nn.leaky_relu` as an activation: its own default slope."""
    return builder.apply(call, _LAYERS.LeakyReLU, x, part=part.rstrip("/"), alpha=0.2)


_STEPS: Mapping[str, Callable[[Call, Builder, Any, str], Any]] = {
    "hard_sigmoid": _hard_sigmoid,
    "leaky_relu": _leaky,
    "swish": _swish,
}


# Of a layer that is an activation and nothing else; the last step has its name.
def _of_steps(name: str) -> Callable[[Call, Builder], Any]:
    return lambda call, builder: _STEPS[name](call, builder, call.tensors[0], "")


_ACTIVATIONS: Mapping[str, Callable[[Call, Builder], Any]] = {
    name: _of_steps(name) for name in _STEPS
}


def _leaky_relu(call: Call, builder: Builder) -> Any:
    slope = float(call.layer.negative_slope)
    return builder.apply(call, _LAYERS.LeakyReLU, call.tensors[0], alpha=slope)


def _chain(call: Call, builder: Builder) -> Any:
    return _joined(call, builder, type(call.layer), "")


def _joined(call: Call, builder: Builder, kind: type[Any], part: str) -> Any:
    """Two tensors, the result and the next one, and so on; the last has `part`."""
    result, *others = call.tensors
    for index, other in enumerate(others, start=1):
        name = part if index == len(others) else str(index)
        result = builder.apply(call, kind, [result, other], part=name)
    return result


def _average(call: Call, builder: Builder) -> Any:
    total = _joined(call, builder, _LAYERS.Add, "sum")
    return multiply_add(call, builder, total, 1.0 / len(call.tensors), 0.0)


def _without_effect(call: Call, builder: Builder) -> Any:
    del builder
    return call.tensors[0]


def _rescaling(call: Call, builder: Builder) -> Any:
    layer = call.layer
    return multiply_add(call, builder, call.tensors[0], layer.scale, layer.offset)


def _is_by_channel(layer: Any) -> bool:
    """Whether a Normalization has a mean for each channel, or one for all."""
    rank = len(layer.input_shape)
    axes = [int(axis) % rank for axis in layer.axis or ()]
    return not layer.invert and axes in ([], [rank - 1])


def _normalization(call: Call, builder: Builder) -> Any:
    layer = call.layer
    mean, variance = (
        np.ravel(np.asarray(part, np.float32)) for part in (layer.mean, layer.variance)
    )
    # As Keras: never divided by less than this.
    scale = 1.0 / np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return multiply_add(call, builder, call.tensors[0], scale, -mean * scale)


def multiply_add(
    call: Call,
    builder: Builder,
    x: Any,
    scale: Any,
    offset: Any,
    *,
    part: str = "",
) -> Any:
    """`x * scale + offset` with constants, as a normalization that nothing trains.

    Args:
        call: what it stands for.
        builder: of the new network.
        x: `[..., channels]`.
        scale: one number, or one a channel.
        offset: likewise.
        part: as `Builder.apply` has it.
    """
    channels = x.shape[-1]
    ones = np.ones(channels, np.float32)
    values = [np.broadcast_to(np.ravel(v), channels) for v in (scale, offset)]
    return builder.apply(
        call,
        _LAYERS.BatchNormalization,
        x,
        part=part,
        weights=[*values, 0 * ones, ones],
        epsilon=0.0,
        trainable=False,
    )


# -- functions of TensorFlow ---------------------------------------------------------


def _of_one(kind: type[Any], **config: Any) -> Callable[[int], Any]:
    def rule(call: Call, builder: Builder) -> Any:
        return builder.apply(call, kind, call.tensors[0], **config)

    return lambda count: rule if count == 1 else None


def _leaky_function(count: int) -> Any:
    def rule(call: Call, builder: Builder) -> Any:
        slope = _operand(call, 1, "alpha", 0.2)
        return builder.apply(
            call, _LAYERS.LeakyReLU, call.tensors[0], alpha=float(slope)
        )

    return rule if count == 1 else None


def _arithmetic(kind: type[Any] | None, constant: Any) -> Callable[[int], Any]:
    """Two tensors of one rank become a layer, a tensor and a constant a multiply-add.

    Args:
        kind: of the layer; None where there is none.
        constant: (number, whether it stands first) -> scale and offset, None where it
            is no multiply-add.
    """

    def of_two(call: Call, builder: Builder) -> Any:
        ranks = {len(tensor.shape) for tensor in call.tensors}
        if kind is None or len(ranks) != 1:
            return None
        if kind is _LAYERS.Subtract and call.tensors[0].shape != call.tensors[1].shape:
            return None
        return builder.apply(call, kind, call.tensors)

    def of_one(call: Call, builder: Builder) -> Any:
        (x,) = call.tensors
        operands = (_operand(call, 0, "x", None), _operand(call, 1, "y", None))
        is_first = operands[1] is x
        number = np.asarray(operands[0 if is_first else 1])
        if number.size not in (1, x.shape[-1]) or number.size != (
            number.shape[-1] if number.ndim else 1
        ):
            return None
        found = constant(number.astype(np.float64), is_first)
        return None if found is None else multiply_add(call, builder, x, *found)

    def rule(count: int) -> Any:
        if count == 2:
            return of_two if kind is not None else None
        return of_one if count == 1 and constant is not None else None

    return rule


def _operand(call: Call, position: int, name: str, default: Any) -> Any:
    if position < len(call.arguments):
        return call.arguments[position]
    return call.keywords.get(name, default)


def _sum(number: Any, is_first: bool) -> Any:
    return 1.0, number


def _difference(number: Any, is_first: bool) -> Any:
    return (-1.0, number) if is_first else (1.0, -number)


def _product(number: Any, is_first: bool) -> Any:
    return number, 0.0


def _quotient(number: Any, is_first: bool) -> Any:
    return None if is_first or not number.all() else (1.0 / number, 0.0)


_FUNCTIONS: Mapping[str, Callable[[int], Any]] = {
    "__operators__.add": _arithmetic(_LAYERS.Add, _sum),
    "math.add": _arithmetic(_LAYERS.Add, _sum),
    "math.divide": _arithmetic(None, _quotient),
    "math.maximum": _arithmetic(_LAYERS.Maximum, None),
    "math.minimum": _arithmetic(_LAYERS.Minimum, None),
    "math.multiply": _arithmetic(_LAYERS.Multiply, _product),
    "math.sigmoid": _of_one(_LAYERS.Activation, activation="sigmoid"),
    "math.subtract": _arithmetic(_LAYERS.Subtract, _difference),
    "math.tanh": _of_one(_LAYERS.Activation, activation="tanh"),
    "math.truediv": _arithmetic(None, _quotient),
    "nn.leaky_relu": _leaky_function,
    "nn.relu": _of_one(_LAYERS.ReLU),
    "nn.relu6": _of_one(_LAYERS.ReLU, max_value=6.0),
}
_ALWAYS: Mapping[type[Any], Callable[[Call, Builder], Any]] = {
    **dict.fromkeys(_WITHOUT_EFFECT, _without_effect),
    _LAYERS.Average: _average,
    _LAYERS.DepthwiseConv1D: _depthwise_1d,
    _LAYERS.Rescaling: _rescaling,
    _LAYERS.SeparableConv1D: _separable_1d,
    _LAYERS.SeparableConv2D: _separable_2d,
    _LAYERS.UpSampling1D: _up_sampling_1d,
}
