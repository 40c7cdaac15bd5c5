"""Activations of a float network brought into [-1, 127/128], its outputs unchanged.

Convolutions, dense layers, ReLU, magnitudes, pools, sums, concatenations and all that
only moves values are homogeneous: f(x / r) = f(x) / r for r > 0. So each layer with
weights can write a multiple of what it did,

    kernel' = kernel * r_in / r_out        bias' = bias / r_out

without any change of the result, if all tensors that such layers do not stand between
share one factor r. That of the input is 1, and so is that of a last layer which writes
32-bit sums. All others are at least what brings the values that the calibration images
show into range. They are up to twice that, so that the largest weight comes to the end
of its range as well: weights have scales of powers of two, and one that is just beyond
such a power costs all weights of its layer a bit. (Of 4-bit weights that bit decides,
see docs/quantization.md.)

Training in float thus needs no care for the range of the device, and the step from
float to quantization-aware training costs what the integers cost and nothing else. (The
vendor's training instead clamps activations from the first epoch on and divides each
batch normalization by 4: ai8x-training c3d4eb1, ai8x.py.)
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import topology
from tfpipeline.quantization.max78000 import layers
from tfpipeline.targets.max78000 import arithmetic, quantize
from tfpipeline.targets.max78000 import policy as policies

COVERAGE = 1.0
"""Part of the calibration images on which no value of a group saturates."""

# Largest value of an activation; the smallest is -1.
_LARGEST = 127 / 128

# Keeps what is scaled to a power of two from being rounded beyond it.
_MARGIN = 1 + 1e-6

# Images that are computed at once; memory only.
_BATCH = 64


def equalize(
    model: keras.Model,
    images: np.ndarray,
    policy: policies.Policy,
    fixed: Collection[str] = (),
    coverage: float = COVERAGE,
) -> keras.Model:
    """Returns `model` with the factors in its weights.

    Args:
        model: functional, of layers that `max78000` supports, each called once.
        images: calibration images, float32 [N, ...].
        policy: bits of the weights, which say where their range ends.
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
    measured = _rounding_layers(model, topology.consumers(architecture))
    needs = dict.fromkeys(groups.values(), 0.0)
    found = _needs(model, measured, images, coverage)
    for name, need in zip(measured, found, strict=True):
        needs[groups[name]] = max(needs[groups[name]], float(need))
    ends = [*fixed, *(layer.name for layer in model.layers if not sources[layer.name])]
    needs |= {groups[name]: 0.0 for name in ends}
    # Also of values that are always zero, which fit into any range.
    free = {group for group, need in needs.items() if need > 0}
    factors = {group: need or 1.0 for group, need in needs.items()}
    edges = _edges(model, sources, groups)
    _fill_weights(model, policy, edges, free, factors)
    return _scaled(model, edges, factors)


def with_input_factor(model: keras.Model, factor: float) -> keras.Model:
    """Returns a model that reads `x / factor` and writes what `model` does of `x`.

    Args:
        model: functional, of layers that `max78000` supports, each called once.
        factor: above 0.
    """
    sources = topology.producers(topology.to_dict(model))
    groups = _groups(model, sources)
    factors = dict.fromkeys(groups.values(), 1.0)
    starts = (layer.name for layer in model.layers if not sources[layer.name])
    factors |= dict.fromkeys((groups[name] for name in starts), factor)
    return _scaled(model, _edges(model, sources, groups), factors)


def _edges(
    model: keras.Model, sources: dict[str, list[str]], groups: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Returns, by layer with weights, the groups that it reads and writes."""
    return {
        layer.name: (groups[sources[layer.name][0]], groups[layer.name])
        for layer in model.layers
        if layer.weights
    }


def _scaled(
    model: keras.Model,
    edges: Mapping[str, tuple[str, str]],
    factors: Mapping[str, float],
) -> keras.Model:
    """Returns `model` with the factors of the groups in its weights."""
    result = topology.from_dict(topology.to_dict(model))
    for name, (before, behind) in edges.items():
        weights = model.get_layer(name).get_weights()
        scales = (factors[before] / factors[behind], 1 / factors[behind])
        result.get_layer(name).set_weights(
            [
                part * np.float64(scale)
                for part, scale in zip(weights, scales, strict=False)
            ]
        )
    return result


def _fill_weights(
    model: keras.Model,
    policy: policies.Policy,
    edges: Mapping[str, tuple[str, str]],
    free: Collection[str],
    factors: dict[str, float],
) -> None:
    """Raises factors so that weights end where their range does, in place.

    A group that several layers write gets the factor, of those that suit one of them,
    which costs all of them the fewest bits. Layers that read their own group, as in the
    body of a residual block, have no say: their kernels stay as they are.

    Args:
        model: whose weights are scaled.
        policy: bits of the weights.
        edges: by layer with weights, the groups that it reads and writes.
        free: groups whose factor may change.
        factors: by group.
    """
    for group in dict.fromkeys(behind for _, behind in edges.values()):
        if group not in free:
            continue
        reaches = []
        for name, (before, behind) in edges.items():
            # Of a layer within one group, the factor changes the bias alone.
            if behind == group != before:
                weights = model.get_layer(name).get_weights()
                reach = _reach(weights, factors[before], policy, name)
                reaches.append(reach / factors[group])
        exponents = np.log2([reach for reach in reaches if reach > 0])
        # How far each is beyond a power of two, and with each choice remains below one.
        choices = exponents - np.floor(exponents)
        if choices.size:
            costs = np.mod(choices - exponents[:, None], 1).sum(axis=0)
            factors[group] *= 2.0 ** choices[np.argmin(costs)] * _MARGIN


def _reach(
    weights: Sequence[np.ndarray], factor: float, policy: policies.Policy, name: str
) -> float:
    """Returns the largest magnitude of kernel * factor and bias.

    Of n steps below zero there are n - 1 above it, and half a step that is rounded. A
    bias that is larger than the weights may take 8 bits, and counts less then.
    """
    bits = policy.bits(name)
    kernel, *bias = weights
    ends = _ends(np.ravel(kernel) * np.float32(factor), bits)
    for part in bias:
        further = _ends(np.ravel(part), bits)
        if further.max() > ends.max():
            further = _ends(np.ravel(part), arithmetic.BIAS_BITS)
            further /= np.float32(quantize.bias_reach(bits))
        ends = np.concatenate([ends, further])
    return float(quantize.quantile_of(ends, policy.shift_quantile))


def _ends(values: np.ndarray, num_bits: int) -> np.ndarray:
    """How far values reach towards the ends of integers of this width, float32."""
    steps = 2.0 ** (num_bits - 1)
    values = values.astype(np.float32)
    return np.where(values > 0, values * np.float32(steps / (steps - 0.5)), -values)


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
        if reading and all(layers.is_relu(reader) for reader in reading):
            return False
        is_sum = isinstance(layer, layers.SUMS)
        return bool(layer.weights) or is_sum or layers.is_relu(layer)

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
