"""The SDK's own kernels, of the version that our model calls, on a PC."""

import dataclasses
import os

import numpy as np
import pytest

from tests.export.c import compiler
from tests.export.gap8 import c_network_test, programs, sdk_program
from tfpipeline.targets.gap8 import kernels, simulate

pytestmark = [
    pytest.mark.vendor,
    pytest.mark.skipif("GAP8_NNTOOL" not in os.environ, reason="GAP8_NNTOOL not set"),
    compiler.needs_gcc,
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return sdk_program.libraries(tmp_path_factory.mktemp("libraries"))


def shapes(num_bits):
    """Kernels of all sizes with their own code, strides, padding, dilation."""
    net = programs.Builder((3, 23, 21), num_bits, 7)
    pad = ((1, 1), (1, 1))
    net.conv(4, (1, 1), strides=(2, 2))
    net.conv(5, (5, 5), padding=((2, 2), (2, 2)), relu=True)
    net.conv(6, (3, 3), dilation=(2, 2), padding=((2, 2), (2, 2)))
    net.conv(4, (3, 3), strides=(2, 2), padding=pad)
    net.conv(4, (4, 4), padding=((1, 2), (1, 2)))
    net.conv(3, (2, 3), relu=True)
    net.linear(9)
    return net.build("shapes")


def deep(num_bits):
    net = programs.Builder((5, 16, 14), num_bits, 8)
    net.conv(5, (3, 3), groups=5, padding=programs.PADDED, relu=True)
    net.conv(5, (3, 3), groups=5, strides=(2, 2), padding=((0, 1), (0, 1)))
    net.pool("max", (3, 3), (2, 2), relu=True)
    net.linear(4, relu=True)
    return net.build("deep")


def summed(num_bits):
    net = programs.Builder((2, 8, 8), num_bits, 9)
    first, second = net.conv(4, (1, 1)), net.conv(4, (1, 1))
    net.add(first, second, relu=True)
    net.pool("average", (2, 2), (2, 2))
    net.pool("max", (2, 2), (2, 2))
    net.linear(5)
    return net.build("summed")


def line(num_bits):
    """One row, as one-dimensional layers are run."""
    net = programs.Builder((3, 1, 47), num_bits, 11)
    net.conv(4, (1, 3), strides=(2, 2), padding=((0, 0), (1, 1)), relu=True)
    net.conv(5, (1, 5), padding=((0, 0), (2, 2)))
    net.conv(5, (1, 3), groups=5, strides=(2, 2), padding=((0, 0), (0, 1)))
    net.conv(6, (1, 4))
    net.pool("max", (1, 2), (2, 2), relu=True)
    net.conv(4, (1, 2), dilation=(1, 2))
    net.linear(5)
    return net.build("line")


@pytest.mark.parametrize("precision", kernels.PRECISIONS)
@pytest.mark.parametrize("num_bits", [16, 8])
@pytest.mark.parametrize(
    "build",
    [programs.fire, shapes, deep, summed, line],
    ids=lambda build: build.__name__,
)
def test_sdk_computes_what_the_simulation_does(
    build, num_bits, precision, built, tmp_path
):
    p = build(num_bits)
    images = c_network_test.random_images(p, 6)
    found = sdk_program.run(p, images, precision, tmp_path, built)
    expected = simulate.predict(p, images, precision)
    assert len(np.unique(expected)) > 4
    np.testing.assert_array_equal(found, expected)


def test_the_8_bit_average_of_this_version_is_finer(built, tmp_path):
    """16 fraction bits of the reciprocal; those of 3.1, which programs have, are 8."""
    net = programs.Builder((3, 9, 9), 8, 10)
    net.pool("average", (3, 3), (3, 3))
    p = net.build()
    images = c_network_test.random_images(p, 6)
    found = sdk_program.run(p, images, kernels.DOUBLE, tmp_path, built)
    assert (found != simulate.predict(p, images)).any()
    [layer] = net.layers
    net.layers = [dataclasses.replace(layer, factor=2**16 // 9, shift=16)]
    np.testing.assert_array_equal(found, simulate.predict(net.build(), images))
