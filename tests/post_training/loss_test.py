"""What quantization costs: ratios, classes, and the layers at which they fall."""

import dataclasses
import math

import numpy as np
import pytest

from tests import graph_builder
from tests.export.max78000 import vendor_networks
from tfpipeline.post_training import loss
from tfpipeline.simulate import float_execution


@pytest.fixture(scope="module")
def network():
    net = graph_builder.Builder((8, 8, 3), "small")
    net.conv(4, 3, name="first")
    net.conv(4, 3, name="second")
    net.flatten()
    net.dense(5, name="logits")
    return vendor_networks.randomized(net.build())


def form(network, compute):
    inputs = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
    run = float_execution.batches
    return loss.Form("ours", network, inputs, run, compute, network.outputs)


def exact(network, inputs):
    return float_execution.activations(network, inputs)


def test_the_same_loses_nothing(network):
    found = loss.measure(form(network, lambda x: exact(network, x)))
    (output,) = found.outputs
    assert (output.db, output.same_classes) == (math.inf, 1.0)
    assert not found.is_bad and found.worst == ()
    assert "inf dB" in found.to_text() and loss.warnings([found]) == []


def test_a_layer_that_errs_is_named_with_its_ratio(network):
    name = next(x.output for x in network.layers if x.name == "second")

    def compute(inputs):
        values = exact(network, inputs)
        values[name] = values[name] * 1.01  # 40 dB
        last = network.outputs[0]
        values[last] = values[last] * 1.01
        return values

    found = loss.measure(form(network, compute))
    assert found.outputs[0].db == pytest.approx(40)
    assert found.worst[0][1] == pytest.approx(40)
    assert found.worst[0][0] in ("second", "logits")
    assert not found.is_bad


def test_other_classes_are_counted_and_told(network):
    def compute(inputs):
        values = exact(network, inputs)
        last = network.outputs[0]
        values[last] = values[last] + 0
        # Of the first input of each batch, the smallest becomes the largest.
        values[last][0] = -values[last][0]
        return values

    ours = dataclasses.replace(form(network, compute), says_classes=True)
    found = loss.measure(ours)
    assert found.outputs[0].same_classes == pytest.approx(18 / 20)
    (line,) = loss.warnings([found])
    assert "ours loses more" in line and "90.0 %" in line


def test_large_networks_are_measured_on_fewer_inputs(network):
    found = loss.measure(form(network, lambda x: exact(network, x)), macs=10**10)
    assert found.inputs == 4


@pytest.mark.parametrize("says_classes", [False, True])
def test_the_rule_of_classes_is_for_classes(network, says_classes):
    """Of a descriptor another largest value means nothing."""

    def compute(inputs):
        values = exact(network, inputs)
        last = network.outputs[0]
        values[last] = changed = values[last].copy()
        # The largest two change places, as far as they are apart: over 20 dB remain.
        rows = changed.reshape(len(changed), -1)
        order = np.argsort(rows, axis=1)
        near = np.abs(np.take_along_axis(rows, order[:, -2:], 1)).max()
        for row, places in zip(rows, order, strict=True):
            if row[places[-1]] - row[places[-2]] < 0.05 * near:
                row[places[-2:]] = row[places[-2:][::-1]]
        return values

    ours = dataclasses.replace(form(network, compute), says_classes=says_classes)
    found = loss.measure(ours)
    assert found.outputs[0].db > 20 and found.outputs[0].same_classes < 0.98
    assert found.is_bad == says_classes
