"""The building blocks of the networks."""

import pytest

from tfpipeline.models import blocks


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.5, 16),
        (64, 8, 512),
        # 35.2, 4.8
        (32, 1.1, 35),
        (16, 0.3, 5),
        # Halves go to the even neighbor: 1.5, 2.5.
        (3, 0.5, 2),
        (5, 0.5, 2),
        # Never below one: 0.5, 0.2.
        (1, 0.5, 1),
        (4, 0.05, 1),
    ],
)
def test_channels(filters, width, expected):
    assert blocks.channels(filters, width) == expected


def test_conv_scales_its_filters():
    image = blocks.image_input((8, 8, 3))
    x = blocks.conv(image, 6, 3, "conv1", batch_norm=True, width=1.5, strides=2)
    assert x.shape.as_list() == [None, 4, 4, 9]
