"""The table, the CSV file and the plot of errors by layer."""

import csv
import io

import numpy as np
from PIL import Image

from tfpipeline.precision import layer_error
from tfpipeline.report import layer_errors


def layer(name, accumulated, alone):
    """A layer of errors of so many decibels."""
    noises = (10 ** (-value / 10) for value in (accumulated, alone))
    return layer_error.LayerError(name, "Conv2D", 1.0, *noises)


ERRORS = {
    "int8": [
        layer("first", 40, 40),
        layer("second", 30, 32.5),
        layer_error.LayerError("third", "Reshape", 1.0, 10**-3.5, 0.0),
        layer("last", 32.5, 30),
    ],
    "int16": [
        layer("first", 70, 70),
        layer("second", 71, 90),
        layer_error.LayerError("third", "Reshape", 0.0, 0.0, 0.0),
        layer("last", 80, 95),
    ],
}


def test_table_marks_the_worst_of_each_column():
    lines = layer_errors.to_text(ERRORS).splitlines()
    assert lines[0].split() == ["int8", "int16"]
    assert lines[1].split() == ["layer", "kind", *["accumulated", "alone"] * 2]
    assert lines[2].split() == ["first", "Conv2D", "40.0", "40.0", "70.0*", "70.0*"]
    assert lines[3].split() == ["second", "Conv2D", "30.0*", "32.5*", "71.0*", "90.0"]
    assert lines[4].split() == [
        "third",
        "Reshape",
        "35.0",
        "exact",
        *["all", "zero"] * 2,
    ]
    assert lines[5].split() == ["last", "Conv2D", "32.5*", "30.0*", "80.0", "95.0"]
    assert "within 3 dB" in lines[6]


def test_csv_has_a_line_a_layer_and_format():
    rows = list(csv.DictReader(io.StringIO(layer_errors.to_csv(ERRORS))))
    assert len(rows) == 8
    assert tuple(rows[0]) == layer_errors.COLUMNS
    assert rows[1] == {
        "layer": "second",
        "kind": "Conv2D",
        "format": "int8",
        "accumulated_db": "30.000",
        "alone_db": "32.500",
    }
    assert rows[2]["alone_db"] == "inf"
    assert rows[6]["alone_db"] == "nan"


def test_plot_is_an_image_that_repeats():
    png = layer_errors.to_png(ERRORS, "a network")
    assert png == layer_errors.to_png(ERRORS, "a network")
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert image.shape[0] > 500
    # The lines' colors, of matplotlib's first two.
    for color in ((31, 119, 180), (255, 127, 14)):
        assert (image == color).all(axis=-1).sum() > 100
