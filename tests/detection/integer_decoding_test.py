"""Integer boxes beside those in real numbers."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection import branches, decoding, integer_decoding
from tfpipeline.models import specs

LFFD_V2 = branches.of(specs.MODELS["lffd_v2"].branches)

SIZE = (96, 128)
BRANCHES = LFFD_V2[:2]
CELLS = [(23, 31), (11, 15)]
SCALES = [
    integer_decoding.Quantization(0.05, 0.02, -7),
    integer_decoding.Quantization(0.07, 0.03, 5),
]


def test_boxes_are_those_in_real_numbers_but_for_rounding():
    random = np.random.default_rng(3)
    decoder = integer_decoding.prepare(BRANCHES, CELLS, SCALES, SIZE, overlap=0.5)
    compared = 0
    for _ in range(20):
        logits = [np.full((*c, 2), -20, np.int8) for c in CELLS]
        for each in logits:
            sure = random.random(each.shape[:2]) < 0.01
            # No two alike, whose order rounding could turn.
            each[..., 0] = -128
            each[sure, 0] = random.permutation(120)[: sure.sum()]
        boxes = [random.integers(-60, 60, (*c, 4)).astype(np.int8) for c in CELLS]
        for each in boxes:
            each[..., 2:] = -np.abs(each[..., 2:])
            each[..., :2] = np.abs(each[..., :2])
        maps = [
            decoding.Maps(
                each.astype(float) * scale.logit_scale,
                (box.astype(float) - scale.box_zero_point) * scale.box_scale,
            )
            for each, box, scale in zip(logits, boxes, SCALES, strict=True)
        ]
        real = decoding.detect(maps, BRANCHES, SIZE, overlap=0.5)
        corners, scores = integer_decoding.decode(decoder, logits, boxes)
        shares = 1 / (1 + np.exp(-scores / 1024))
        if len(corners) == len(real.boxes):
            compared += len(corners)
            # Half a sixteenth of a pixel, and the multiplier's rounding.
            np.testing.assert_allclose(corners / 16, real.boxes, atol=1 / 32 + 1e-3)
            # Half of 1/1,024 logit, a quarter of which is the most of a share.
            np.testing.assert_allclose(shares, real.scores, atol=2e-4)
    assert compared > 50


def test_the_threshold_is_that_of_the_share():
    decoder = integer_decoding.prepare(BRANCHES, CELLS, SCALES, SIZE, threshold=0.8)
    assert decoder.threshold == np.floor(np.log(4) * 1024)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold": 1.0}, "between 0 and 1"),
        ({"most": 0}, "boxes from 1 to"),
        ({"size": (96, 20_000)}, "1 to 16,384 pixels"),
        ({"cells": CELLS[:1]}, "2, 1 and 2"),
        (
            {"quantizations": [integer_decoding.Quantization(1e9, 0.1, 0)] * 2},
            "leaves the decoder's integers",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, reason):
    given = {
        "branches": BRANCHES,
        "cells": CELLS,
        "quantizations": SCALES,
        "size": SIZE,
    }
    with pytest.raises(errors.UsageError, match=reason):
        integer_decoding.prepare(**{**given, **change})
