"""Networks are told apart by what they compute."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import same_function

layers = keras.layers


def network(order=(0, 1), factor=1.0, outputs=1):
    """Two convolutions of fixed weights, joined in an order."""
    image = layers.Input((4, 4, 3))
    parts = []
    for seed in (1, 2):
        kernel = factor * np.random.default_rng(seed).normal(size=(1, 1, 3, 2))
        convolution = layers.Conv2D(2, 1, use_bias=False)
        parts.append(convolution(image))
        convolution.set_weights([kernel])
    joined = layers.Concatenate()([parts[place] for place in order])
    return keras.Model(image, [joined, *parts][:outputs], name="joined")


def test_a_copy_passes():
    same_function.require(network(), network())
    same_function.require(network(outputs=3), network(outputs=3))


def test_exchanged_inputs_are_found():
    with pytest.raises(errors.QuantizationError, match=r"'joined'.* another network"):
        same_function.require(network((1, 0)), network())


def test_a_factor_passes_where_it_may():
    scaled = network(factor=0.3, outputs=2)
    with pytest.raises(errors.QuantizationError):
        same_function.require(scaled, network(outputs=2))
    same_function.require(scaled, network(outputs=2), up_to_scale=True)
    with pytest.raises(errors.QuantizationError):
        same_function.require(network((1, 0)), network(), up_to_scale=True)


@pytest.mark.parametrize(("error", "passes"), [(0.5e-4, True), (2e-4, False)])
def test_the_tolerance_is_a_part_of_the_largest_output(error, passes):
    if passes:
        same_function.require(network(factor=1 + error), network())
    else:
        with pytest.raises(errors.QuantizationError):
            same_function.require(network(factor=1 + error), network())


def test_what_is_not_finite_proves_nothing():
    with pytest.raises(errors.QuantizationError):
        same_function.require(network(factor=np.nan), network(factor=np.nan))


@pytest.mark.slow
def test_the_network_inside_the_wrappers_is_what_counts(prepared):
    pooled, plain = prepared("pooled"), prepared("plain")
    same_function.require_float_twin(pooled.qat, pooled.folded)
    with pytest.raises(errors.QuantizationError):
        same_function.require_float_twin(pooled.qat, plain.folded)
