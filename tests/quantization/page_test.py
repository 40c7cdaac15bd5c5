"""The page on quantization lists the layers that the code supports."""

import pathlib

from tfpipeline.quantization import tflite_int8

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "quantization.md"


def test_page_lists_the_supported_layers():
    section = _PAGE.read_text(encoding="utf-8").split("## Layers")[1]
    listed = section.strip().split(".")[0].replace("\n", " ").split(", ")
    names = sorted(layer.__name__ for layer in tflite_int8.SUPPORTED_LAYERS)
    assert listed == names
