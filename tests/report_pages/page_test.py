"""Pages that need nothing else, and figures of the numbers they were given."""

import base64
import html.parser
import io
import math

import numpy as np
import pytest
from matplotlib import patches
from PIL import Image as pillow

from tfpipeline import errors
from tfpipeline.report_pages import charts, page
from tfpipeline.study.measures import agreement, detections
from tfpipeline.study.reporting import figures


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def _read(text):
    reader = _Reader()
    reader.feed(text)
    return reader


def _image(shift=0.0):
    truth = np.array([[10, 10, 40, 40], [60, 20, 90, 60]], float)
    found = np.array([[10 + shift, 10, 40, 40], [5, 60, 20, 75]])
    return detections.Image(truth, found, np.array([0.9, 0.4]))


def _figures():
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (80, 100, 3)).astype(np.uint8)
    formats = {"float": _image(), "int16": _image(1), "int8": _image(4)}
    same = np.repeat([True, False], 50)
    scores = same + random.normal(size=100)
    cosine = random.uniform(-1, 1, (3, 6))
    return {
        "boxes": figures.boxes_side_by_side(picture, formats),
        "false": figures.false_positives({"float": [picture], "int8": []}),
        "errors": figures.confidence_errors(
            {"int8": detections.compare([_image()], [_image(4)])}
        ),
        "heat": figures.heat_maps(
            {"float": cosine, "int8": cosine * 0.9}, ["A", "B", "C"], "float"
        ),
        "roc": figures.roc_curves({"float": scores, "int8": scores * 0.5}, same),
        "sets": figures.sets(agreement.Agreement(568, 84, 70, 278)),
        "classified": figures.classified(
            [(picture, "cat", {"float": "cat", "int8": "dog"})]
        ),
    }


def test_a_page_has_everything_inside(tmp_path):
    drawn = _figures()
    images = tuple(
        page.image(each, f"the {name}", photographs=name in ("boxes", "false"))
        for name, each in drawn.items()
    )
    table = page.Table(("format", "AP50"), (("int8", "0.5"), ("<b>", "&")))
    section = page.Section("Boxes <script>", ("a < b",), (table,), images)
    page.write(tmp_path / "report.html", "A study", [section])
    text = (tmp_path / "report.html").read_text()
    reader = _read(text)
    assert "script" not in reader.tags and "b" not in reader.tags
    assert all(a.startswith(("data:image/png;", "#")) for a in reader.addresses)
    assert "http" not in text and "a < b" in reader.text and "<b>" in reader.text
    assert reader.tags.count("svg") == len(drawn) - 2
    assert reader.tags.count("img") == 2
    assert "<dc:date>" not in text
    # Drawn in the color of the text, on no ground of its own.
    assert "#000000" not in text and "#ffffff" not in text.split("</style>")[1]


def test_the_same_figure_gives_the_same_bytes():
    first, second = _figures(), _figures()
    for name in ("roc", "boxes"):
        one, other = (
            page.image(each[name], "c", photographs=name == "boxes")
            for each in (first, second)
        )
        assert one == other


def test_names_of_a_figure_are_text():
    drawn = charts.matrix(
        np.array([[3, 1], [0, 2]]), ["$x_1$", "<b>"], ["$x_1$", "<b>"], ("a", "b")
    )
    text = page.render("A run", [page.Section("m", images=(page.image(drawn, "&m"),))])
    reader = _read(text)
    assert "b" not in reader.tags and reader.text.count("$x_1$") == 2
    assert 'aria-label="&amp;m"' in text


def test_columns_of_numbers_stand_to_the_right():
    rows = (("a", "12 KiB", "yes", page.Bar(0.5, "7")), ("b", "-", "no", "-"))
    table = page.Table(("name", "size", "fits", "cycles"), rows)
    assert table.classes == ("text", "", "text", "bars")
    text = page.render("A run", [page.Section("t", tables=(table,))])
    assert '<span class="bar" style="width: 3.00rem"></span>7' in text


def test_small_pictures_are_enlarged_in_whole_steps():
    pixels = np.arange(12 * 12 * 3).astype(np.uint8).reshape(12, 12, 3)
    shown = page.picture(pixels, "p").address
    data = base64.b64decode(shown.split(",")[1])
    image = np.asarray(pillow.open(io.BytesIO(data)))
    np.testing.assert_array_equal(image, pixels.repeat(8, axis=0).repeat(8, axis=1))


def test_a_file_of_the_user_stays(tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(errors.ForeignFileError):
        page.write(tmp_path / "report.html", "A study", [])


@pytest.mark.parametrize(
    "cells", [(568, 84, 70, 278), (50, 0, 10, 3), (0, 20, 5, 0), (7, 0, 0, 0)]
)
def test_areas_of_sets_are_numbers_of_samples(cells):
    table = agreement.Agreement(*cells)
    axes = figures.sets(table).axes[0]
    first, second = (p for p in axes.patches if isinstance(p, patches.Circle))
    assert math.pi * first.radius**2 == pytest.approx(table.both + table.only_a)
    assert math.pi * second.radius**2 == pytest.approx(table.both + table.only_b)
    apart = second.center[0] - first.center[0]
    shared = figures.lens_area(first.radius, second.radius, apart)
    assert shared == pytest.approx(table.both, abs=1e-6)


def test_the_area_of_a_lens_is_that_of_its_points():
    points = np.random.default_rng(0).uniform(-2, 3, (200_000, 2))
    within = (np.hypot(*points.T) < 1) & (
        np.hypot(points[:, 0] - 1, points[:, 1]) < 1.5
    )
    # Of 200,000 points in 25 units: a deviation of 0.02.
    assert figures.lens_area(1, 1.5, 1) == pytest.approx(within.mean() * 25, abs=0.1)


def test_boxes_are_colored_by_what_they_are():
    axes = figures.boxes_side_by_side(
        np.zeros((80, 100, 3), np.uint8), {"float": _image()}
    ).axes[0]
    colors = [p.get_edgecolor()[:3] for p in axes.patches]
    # Found, false, missed: green, red, orange.
    assert [max(range(3), key=lambda k, c=c: c[k]) for c in colors] == [1, 0, 0]
    assert len(set(colors)) == 3
    assert axes.get_title() == "float: 2 boxes, 1 false"
