"""The range variables of a quantization-aware model, and how they get their values.

tfmot creates every range as [-6, 6] and lets a moving average (0.999 a step) or the
current weights move it. A network right after the start of training would thus be
quantized with ranges that have nothing to do with it; here they are set from data.
"""

import dataclasses
import re

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import layer_traits
from tfpipeline.quantization.tflite import channel_quantizer

# "alpha": the slopes of a PReLU.
WEIGHT_ROLES = ("kernel", "depthwise_kernel", "alpha")
OUTPUT_ROLES = ("post_activation", "output")

# Range of a tensor that is zero on every calibration image: any positive value
# quantizes it without error; 1 keeps the scales around it ordinary.
_RANGE_OF_ZERO = 1.0

_NAME = re.compile(rf".*/(?P<role>{'|'.join(WEIGHT_ROLES + OUTPUT_ROLES)})_min:0$")


@dataclasses.dataclass(frozen=True)
class Range:
    """The two variables that bound one quantized tensor.

    Attributes:
        wrapper: name of the layer of the quantization-aware model that owns them.
        layer: name of the wrapped layer, which is its name in the float network.
        role: which tensor: `kernel`, `depthwise_kernel`, `alpha`, `post_activation`,
            `output`.
        minimum: float32 variable, shape [] (a tensor) or [channels].
        maximum: float32 variable of the same shape.
    """

    wrapper: str
    layer: str
    role: str
    minimum: tf.Variable
    maximum: tf.Variable


def find(qat_model: keras.Model) -> tuple[Range, ...]:
    """Returns every range of `qat_model`, in the order of its layers."""
    found = []
    for wrapper in qat_model.layers:
        by_name = {variable.name: variable for variable in wrapper.weights}
        layer = getattr(wrapper, "layer", wrapper)
        for name, variable in by_name.items():
            match = _NAME.match(name)
            if match is None:
                continue
            partner = name.replace(f"{match['role']}_min", f"{match['role']}_max")
            found.append(
                Range(
                    wrapper.name, layer.name, match["role"], variable, by_name[partner]
                )
            )
    return tuple(found)


def set_from_weights(qat_model: keras.Model) -> None:
    """Sets every weight range to the symmetric range of the current weights.

    Training does this at the start of each step, so the ranges lag one update behind
    the weights. Call this before evaluation or export, and after weights were changed
    by anything else than a training step (averaged weights).
    """
    for entry in find(qat_model):
        if entry.role not in WEIGHT_ROLES:
            continue
        weight = float_weight(qat_model, entry)
        if entry.role == "depthwise_kernel":
            weight = channel_quantizer.by_channel(weight)
        layer = qat_model.get_layer(entry.wrapper).layer
        if isinstance(layer, keras.layers.Conv2DTranspose):
            weight = channel_quantizer.channels_last(weight)
        if entry.minimum.shape.rank == 0:
            limits = tf.reduce_max(tf.abs(weight))
        else:
            limits = channel_quantizer.channel_limits(weight)
        entry.minimum.assign(-limits)
        entry.maximum.assign(limits)


def calibrate(
    qat_model: keras.Model,
    float_model: keras.Model,
    images: np.ndarray,
    batch_size: int = 64,
) -> None:
    """Sets activation ranges to the extremes that `float_model` shows on `images`.

    Zero is always inside a range, as TensorFlow Lite requires.

    Args:
        qat_model: quantization-aware model whose wrapped layers have the names of the
            layers of `float_model`.
        float_model: folded float network with the same weights.
        images: float32 [N, H, W, C].
        batch_size: images that are computed at once; memory only.

    Raises:
        QuantizationError: a layer's output is not finite on these images.
    """
    found = [entry for entry in find(qat_model) if entry.role in OUTPUT_ROLES]
    names = [entry.layer for entry in found]
    lowest, highest = _extremes(float_model, names, images, batch_size)
    for entry, low, high in zip(found, lowest, highest, strict=True):
        if not (np.isfinite(low) and np.isfinite(high)):
            raise errors.QuantizationError(
                f"layer {entry.layer!r} yields values that are not finite on the "
                "calibration images; the float network is broken, train it again."
            )
        low, high = min(low, 0.0), max(high, 0.0)
        entry.minimum.assign(low)
        entry.maximum.assign(high if high > low else _RANGE_OF_ZERO)


def initial(qat_model: keras.Model) -> tuple[Range, ...]:
    """Returns the ranges that still are tfmot's [-6, 6]."""
    limit = channel_quantizer.INITIAL_LIMIT
    return tuple(
        entry
        for entry in find(qat_model)
        if np.all(entry.minimum.numpy() == -limit)
        and np.all(entry.maximum.numpy() == limit)
    )


def float_weight(qat_model: keras.Model, entry: Range) -> tf.Variable:
    """Returns the weight that `entry` bounds.

    The wrapped layer's own attribute holds the rounded tensor, not the variable.
    """
    wrapper = qat_model.get_layer(entry.wrapper)
    for variable in wrapper.weights:
        if layer_traits.short_name(variable) == entry.role:
            return variable
    raise errors.QuantizationError(
        f"layer {entry.layer!r} has a range for {entry.role!r} but no such weight."
    )


def _extremes(
    model: keras.Model, names: list[str], images: np.ndarray, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (minima, maxima) over `images` of the outputs of the layers `names`."""
    uses = [_outputs(model.get_layer(name)) for name in names]
    tensors = [tensor for outputs in uses for tensor in outputs]
    owners = np.repeat(np.arange(len(names)), [len(outputs) for outputs in uses])
    probe = keras.Model(model.inputs, tensors)

    @tf.function(autograph=False, reduce_retracing=True)
    def batch_extremes(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = tf.nest.flatten(probe(batch, training=False))
        lowest = tf.stack([tf.reduce_min(value) for value in values])
        return lowest, tf.stack([tf.reduce_max(value) for value in values])

    lowest = np.full(len(names), np.inf, np.float32)
    highest = -lowest
    with np.errstate(invalid="ignore"):  # NaN passes on to `calibrate`, which reports.
        for start in range(0, len(images), batch_size):
            low, high = batch_extremes(tf.constant(images[start : start + batch_size]))
            np.minimum.at(lowest, owners, low.numpy())
            np.maximum.at(highest, owners, high.numpy())
    return lowest, highest


def _outputs(layer: keras.layers.Layer) -> list[tf.Tensor]:
    """Returns the output tensors of `layer`: one for each place that calls it."""
    tensors: list[tf.Tensor] = []
    while True:
        try:
            tensors.append(layer.get_output_at(len(tensors)))
        except ValueError:
            return tensors
