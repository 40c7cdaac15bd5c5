"""The stored outlines are what the Keras reader makes of the networks today."""

import numpy as np
import pytest

from tests.golden import network_outlines
from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.models import specs
from tfpipeline.networks import catalog


def test_every_registered_network_has_its_outline():
    assert set(catalog.names()) == set(specs.MODELS)


@pytest.mark.default_cases(3)
@pytest.mark.parametrize("name", specs.MODELS)
def test_outline_is_the_network(name):
    stored = catalog.load(name)
    built = network_outlines.read(name)
    ones = {key: np.ones_like(values) for key, values in built.constants.items()}
    expected = graph.Graph(
        built.name, built.tensors, ones, built.layers, built.inputs, built.outputs
    )
    assert graph.equal(stored, expected), "python -m tests.golden.network_outlines"
    # The order decides between equal sizes in TFLite Micro's plan.
    assert list(stored.tensors) == list(built.tensors)


def test_weight_bits_are_the_registry_s():
    for name, spec in specs.MODELS.items():
        # The table is for the targets with weights of at most 8 bits.
        if spec.weight_bits is None or min(spec.weight_bits) > 8:
            assert name not in catalog.WEIGHT_BITS
        else:
            assert catalog.WEIGHT_BITS.get(name, 8) == min(spec.weight_bits)


def test_counts_of_the_studies():
    count = macs.graph_count(catalog.load("cmsisnet"))
    assert (count.macs, count.parameters) == (16_820_224, 94_314)
    count = macs.graph_count(catalog.load("nascifarnet"))
    assert (count.macs, count.parameters) == (36_180_992, 302_602)


def test_an_unknown_network_is_refused_with_the_names():
    with pytest.raises(errors.UsageError, match="unknown model 'x'; choose one of: a"):
        catalog.load("x")
