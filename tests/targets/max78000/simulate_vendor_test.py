"""Known answers of the vendor's own simulator: every layer's output, bit for bit."""

import numpy as np
import pytest

from tests.targets.max78000 import vendor_networks
from tfpipeline.targets.max78000 import simulate

_ABSENT = pytest.param(
    None,
    marks=pytest.mark.skip(
        f"no *.kat.npz in {vendor_networks.FOLDER}; set TFPIPELINE_SHARED"
    ),
)
_FILES = [
    pytest.param(path, id=path.name.removesuffix(".kat.npz"))
    for path in sorted(vendor_networks.FOLDER.glob("*.kat.npz"))
] or [_ABSENT]

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize("path", _FILES)
@pytest.mark.parametrize("run", [simulate.outputs, simulate.outputs_readable])
def test_every_layer_equals_the_vendor_tool(path, run):
    p, image, expected = vendor_networks.known_answer(path)
    outputs = run(p, image)
    for output, answer in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output[0].transpose(2, 0, 1), answer, strict=True)


@pytest.mark.parametrize("path", _FILES)
def test_prediction_is_the_last_output(path):
    p, image, expected = vendor_networks.known_answer(path)
    images = np.concatenate([image, -1 - image, image])
    first, other, third = simulate.predict(p, images)
    np.testing.assert_array_equal(first.transpose(2, 0, 1), expected[-1])
    np.testing.assert_array_equal(first, third)
    assert (first != other).any()
