"""Activations of a float network brought into [-1, 127/128], its outputs unchanged.

Convolutions, dense layers, ReLU, magnitudes, pools, sums, concatenations and all that
only moves values are homogeneous: f(x / r) = f(x) / r for r > 0. So each layer with
weights can write a multiple of what it did,

    kernel' = kernel * r_in / r_out        bias' = bias / r_out

without any change of the result, if all tensors that such layers do not stand between
share one factor r. The r of a group is what brings the values that the calibration
images show just into range; that of the input is 1, and so is that of a last layer
which writes 32-bit sums.

Training in float thus needs no care for the range of the device, and the step from
float to quantization-aware training costs what the integers cost and nothing else. (The
vendor's training instead clamps activations from the first epoch on and divides each
batch normalization by 4: ai8x-training c3d4eb1, ai8x.py.)
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.quantization import max78000_layers, topology

COVERAGE = 1.0
"""Part of the calibration images on which no value of a group saturates."""

# Largest value of an activation; the smallest is -1.
_LARGEST = 127 / 128

# Images that are computed at once; memory only.
_BATCH = 64


def equalize(
    model: keras.Model,
    images: np.ndarray,
    fixed: Collection[str] = (),
    coverage: float = COVERAGE,
) -> keras.Model:
    """Returns `model` with the factors in its weights.

    Args:
        model: functional, of layers that `max78000` supports, each called once.
        images: calibration images, float32 [N, ...].
        fixed: names of layers whose output must stay as it is.
        coverage: part of the images on which nothing saturates, up to 1; less makes the
            steps of all others finer.

    Returns:
        A new model; its outputs are those of `model` within float rounding, but for
        outputs that are not `fixed`, which are divided by their group's factor.

    Raises:
        QuantizationError: values that are not finite, or `coverage` not in (0, 1].
    """
    if not 0 < coverage <= 1:
        raise errors.QuantizationError(
            f"coverage must be more than 0 and at most 1; found {coverage}"
        )
    architecture = topology.to_dict(model)
    sources = topology.producers(architecture)
    groups = _groups(model, sources)
    ones = {groups[name] for name in fixed} | {
        groups[layer.name] for layer in model.layers if not sources[layer.name]
    }
    measured = _rounding_layers(model, topology.consumers(architecture))
    needs = _needs(model, measured, images, coverage)
    factors: dict[str, float] = {}
    for name, need in zip(measured, needs, strict=True):
        factors[groups[name]] = max(factors.get(groups[name], 0.0), float(need))
    for group, factor in factors.items():
        # Values that are always zero fit into any range.
        factors[group] = 1.0 if group in ones or factor == 0 else factor
    factors.update(dict.fromkeys(ones, 1.0))
    result = topology.from_dict(architecture)
    for layer in result.layers:
        weights = model.get_layer(layer.name).get_weights()
        if weights:
            (source,) = sources[layer.name]
            before, behind = factors[groups[source]], factors[groups[layer.name]]
            scales = (before / behind, 1 / behind)
            pairs = zip(weights, scales, strict=False)
            layer.set_weights([values * np.float64(scale) for values, scale in pairs])
    return result


def _groups(model: keras.Model, sources: dict[str, list[str]]) -> dict[str, str]:
    """Returns, by layer name, a name for all layers whose outputs share a factor."""
    parents = {layer.name: layer.name for layer in model.layers}

    def root(name: str) -> str:
        while parents[name] != name:
            name = parents[name]
        return name

    for layer in model.layers:
        if not layer.weights:
            for source in sources[layer.name]:
                parents[root(source)] = root(layer.name)
    return {name: root(name) for name in parents}


def _rounding_layers(
    model: keras.Model, consumers: dict[str, list[str]]
) -> tuple[str, ...]:
    """Returns the names of layers whose output has to be in range.

    Layers that only move or average values are in range if what they read is, and in
    front of a ReLU only what it passes on counts.
    """

    def counts(layer: Any) -> bool:
        reading = [model.get_layer(name) for name in consumers[layer.name]]
        if reading and all(max78000_layers.is_relu(reader) for reader in reading):
            return False
        is_sum = isinstance(layer, max78000_layers.SUMS)
        return bool(layer.weights) or is_sum or max78000_layers.is_relu(layer)

    return tuple(layer.name for layer in model.layers if counts(layer))


def _needs(
    model: keras.Model, names: tuple[str, ...], images: np.ndarray, coverage: float
) -> np.ndarray:
    """Returns for each layer the factor that `coverage` of the images need."""
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])

    @tf.function(autograph=False, reduce_retracing=True)
    def batch_needs(batch: tf.Tensor) -> tf.Tensor:
        needs = []
        for value in tf.nest.flatten(probe(batch, training=False)):
            axes = list(range(1, len(value.shape)))
            high = tf.reduce_max(value, axes) / _LARGEST
            needs.append(tf.maximum(high, -tf.reduce_min(value, axes)))
        return tf.stack(needs)

    batches = range(0, len(images), _BATCH)
    found = [batch_needs(tf.constant(images[i : i + _BATCH])).numpy() for i in batches]
    every = np.concatenate(found, axis=1)
    if not np.isfinite(every).all():
        bad = names[int(np.argmin(np.isfinite(every).all(axis=1)))]
        raise errors.QuantizationError(
            f"layer {bad!r} yields values that are not finite on the calibration "
            "images; the float network is broken, train it again."
        )
    return np.maximum(np.quantile(every, coverage, axis=1), 0.0)
