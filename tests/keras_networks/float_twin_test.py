"""The float network inside a quantization-aware model."""

import numpy as np
import pytest

from tfpipeline.keras_networks import float_twin, topology


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", ["plain", "residual", "branches", "pooled"])
def test_the_twin_is_the_folded_network(name, prepared, images):
    network = prepared(name)
    twin = float_twin.extract(network.qat)
    assert topology.to_dict(twin) == topology.to_dict(network.folded)
    np.testing.assert_array_equal(twin(images), network.folded(images))


def test_the_twin_has_its_own_weights(prepared, images):
    network = prepared("pooled")
    twin = float_twin.extract(network.qat)
    twin.set_weights([0 * value for value in twin.get_weights()])
    assert np.any(network.qat(images) != twin(images))
