"""The model of traffic and time gives the study's table, as far as it is said to."""

import json
import math
import os
import pathlib

import pytest

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.networks import catalog
from tfpipeline.targets.powervr import cost, lowering, page, spec

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "targets" / "powervr.md"
# Largest errors against the table, in percent, of megabytes and inferences.
LARGEST = {spec.M0: (40.1, 8.6), spec.M1: (11.5, 7.0), spec.M2: (1.6, 9.7)}
TWO = spec.CORES["powervr_2nx"]


@pytest.fixture(scope="module")
def residuals():
    return {model: page.residuals(catalog.load, model) for model in spec.MODELS}


@pytest.mark.parametrize("model", spec.MODELS)
def test_the_table_within_the_errors_that_are_said(residuals, model):
    found = [[], []]
    for row, values in residuals[model].items():
        for place, published in enumerate((row.megabytes, row.inferences)):
            found[place].append(100 * abs(values[place] / published - 1))
    assert tuple(round(max(each), 1) for each in found) == LARGEST[model]
    assert len(spec.TABLE) == 8


def test_every_number_is_the_reference_s(residuals):
    shared = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", ROOT.parent / "shared"))
    path = shared / "reference" / "cascade" / "powervr_model.json"
    if not path.is_file():
        pytest.skip(f"no {path}; set TFPIPELINE_SHARED")
    reference = json.loads(path.read_text(encoding="utf-8"))
    networks = {"lffd": "lffd_v1", "arc": "arcface_r100"}
    compared = 0
    for title, variant in reference["variants"].items():
        of_model = residuals[title[:2].lower()]
        for expected in variant["rows"]:
            row = spec.Row(
                f"powervr_{expected['core'].lower()}",
                networks[expected["net"]],
                expected["bits"],
                expected["seed_MB"],
                expected["seed_ips"],
            )
            megabytes, inferences = of_model[row]
            assert round(megabytes, 1) == expected["model_MB"]
            assert round(inferences, 1) == expected["model_ips"]
            compared += 2
    assert compared == 48


@pytest.mark.slow
def test_page_has_the_tables_that_the_code_renders():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page.replace_table(text, catalog.load), page.__doc__


def test_published_products_a_clock():
    for name, bits, published in (
        ("powervr_2nx", 16, 1024),
        ("powervr_2nx", 8, 2048),
        ("powervr_3nx", 16, 1024),
        ("powervr_3nx", 8, 4096),
    ):
        width = spec.CORES[name].widths[bits]
        assert width.outputs * width.products == published
    # Two operations a product, in the published 4.1 and 10 TOPS.
    assert round(2 * 2048 * TWO.clock_hz / 1e12, 1) == 4.1
    assert round(2 * 4096 * spec.CORES["powervr_3nx"].clock_hz / 1e12, 1) == 10.0


def _two_convolutions() -> graph.Graph:
    builder = graph_builder.Builder((8, 8, 4))
    builder.conv(16, 3)
    builder.conv(24, 1)
    return builder.build()


def test_a_network_by_hand():
    g = _two_convolutions()
    lowered = lowering.lower(g)
    image, middle, last = 8 * 8 * 4, 8 * 8 * 16, 8 * 8 * 24
    first, second = lowered.passes
    assert (first.weights, second.weights) == (9 * 4 * 16, 16 * 24)
    plain = cost.cost(g, lowered, TWO, spec.M0, 8)
    assert [x.traffic_bytes for x in plain.passes] == [
        image + middle + first.weights,
        middle + last + second.weights,
    ]
    assert [x.cycles for x in plain.passes] == [64 * 2 * 1, 64 * 3 * 1]
    # The buffer holds all of the tensor between, which nothing else reads.
    kept = cost.cost(g, lowered, TWO, spec.M1, 8)
    assert kept.traffic_bytes == plain.traffic_bytes - 2 * middle
    wide = cost.cost(g, lowered, TWO, spec.M0, 16)
    assert wide.traffic_bytes == 2 * plain.traffic_bytes
    seconds = [
        max(x.cycles / 1e9, x.traffic_bytes / spec.BANDWIDTH[spec.M0])
        for x in plain.passes
    ]
    assert math.isclose(plain.seconds, sum(seconds))


def test_a_sum_is_part_of_its_costliest_convolution():
    builder = graph_builder.Builder((8, 8, 4))
    first = builder.conv(4)
    builder.conv(4)
    builder.join(graph_builder.graph.Add, first)
    lowered = lowering.lower(builder.build())
    assert [len(x.layers) for x in lowered.passes] == [1, 2]
    assert lowered.passes[1].reads == (first,)[:0] + lowered.passes[0].writes


def test_side_ways_come_first():
    names = [
        each.layers[0] for each in lowering.lower(catalog.load("lffd_head17")).passes
    ]
    place = names.index("conv8")
    assert names[place + 1] == "conv8_1"
    assert set(names[place + 2 : place + 6]) == {
        *("conv8_2_score", "score1", "conv8_2_bbox", "box1")
    }
    assert names[place + 6] == "conv9"


@pytest.mark.parametrize(
    ("core", "bits", "expected"),
    [
        ("powervr_2nx", (16, 16), (31.1, 11.2)),
        ("powervr_2nx", (8, 8), (49.6, 19.0)),
        ("powervr_2nx", (8, 16), (38.0, 12.0)),
        ("powervr_3nx", (16, 16), (37.6, 14.0)),
        ("powervr_3nx", (8, 8), (95.6, 37.1)),
        ("powervr_3nx", (8, 16), (56.9, 16.0)),
    ],
)
def test_frames_a_second_of_the_cascade(core, bits, expected):
    rates = {(x.core, x.network, x.bits): x.inferences for x in spec.TABLE}
    detector = rates[core, "lffd_v1", bits[0]]
    verifier = rates[core, "arcface_r100", bits[1]]
    found = tuple(
        round(cost.cascade_frames_a_second(detector, verifier, faces), 1)
        for faces in (1, 5)
    )
    assert found == expected
    assert cost.cascade_frames_a_second(detector, verifier, 0) == detector


@pytest.mark.parametrize("values", [(0, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_a_cascade_that_cannot_be(values):
    with pytest.raises(errors.UsageError, match="rates above 0"):
        cost.cascade_frames_a_second(*values)
