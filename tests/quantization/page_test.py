"""The page on quantization lists the layers that the code supports."""

import pathlib

import pytest

from tfpipeline.quantization.max78000 import layers
from tfpipeline.quantization.tflite import int8 as tflite_int8

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "quantization.md"


@pytest.mark.parametrize(
    ("title", "supported"),
    [
        ("## Layers", tflite_int8.SUPPORTED_LAYERS),
        ("### What can be quantized", layers.SUPPORTED_LAYERS),
    ],
)
def test_page_lists_the_supported_layers(title, supported):
    section = _PAGE.read_text(encoding="utf-8").split(title)[1]
    listed = section.strip().split(".")[0].replace("\n", " ").split(", ")
    assert listed == sorted(layer.__name__ for layer in supported)
