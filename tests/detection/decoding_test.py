"""Whole detections: from the targets of drawn boxes back to these boxes."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection import branches, decoding, targets
from tfpipeline.models import specs

LFFD_V2 = branches.of(specs.MODELS["lffd_v2"].branches)

SIZE = (160, 200)
# Cells of the branches of LFFD v2 for that image: valid convolutions of stride 2.
CELLS = [(39, 49), (19, 24), (9, 11), (4, 5), (1, 2)]


def _perfect(boxes):
    """What a network would say that learned the targets exactly."""
    maps = []
    for branch, cells in zip(LFFD_V2, CELLS, strict=True):
        assigned = targets.assign(boxes, branch, cells)
        logits = np.zeros((*cells, 2), np.float32)
        logits[..., 0] = np.where(assigned.state == targets.OBJECT, 4, -4)
        maps.append(decoding.Maps(logits, assigned.boxes))
    return maps


def test_perfect_maps_give_each_object_once():
    boxes = np.array([[5, 8, 17, 22], [60, 40, 95, 78], [110, 30, 180, 95]], np.float64)
    detected = decoding.detect(_perfect(boxes), LFFD_V2, SIZE)
    order = np.argsort(detected.boxes[:, 0])
    np.testing.assert_allclose(detected.boxes[order], boxes, atol=1e-4)
    np.testing.assert_allclose(detected.scores, 1 / (1 + np.exp(-4)), rtol=1e-6)


def test_boxes_are_cut_to_the_image_and_the_best_come_first():
    maps = [
        decoding.Maps(np.zeros((*cells, 2)), np.zeros((*cells, 4))) for cells in CELLS
    ]
    maps[0].logits[..., 0] = -9
    for each in maps[1:]:
        each.logits[..., 0] = -9
    maps[2].logits[0, 0, 0] = 2
    maps[2].boxes[0, 0] = [1, 1, -1, -1]
    maps[1].logits[18, 23, 0] = 3
    maps[1].boxes[18, 23] = [0.5, 0.5, -2, -2]
    detected = decoding.detect(maps, LFFD_V2, SIZE)
    # Centers 191, 151 and 15, 15; units 20 and 40.
    assert detected.boxes.tolist() == [[181, 141, 200, 160], [0, 0, 55, 55]]
    assert detected.scores[0] > detected.scores[1]
    fewer = decoding.detect(maps, LFFD_V2, SIZE, most=1)
    assert fewer.boxes.tolist() == [[181, 141, 200, 160]]
    surer = decoding.detect(maps, LFFD_V2, SIZE, threshold=0.9)
    assert surer.boxes.tolist() == fewer.boxes.tolist()


def test_confidences_are_the_softmax():
    logits = np.array([[0.0, 0.0], [1.0, -1.0], [-2000.0, 2000.0], [2000.0, -2000.0]])
    np.testing.assert_allclose(
        decoding.confidences(logits), [0.5, 1 / (1 + np.exp(-2)), 0, 1], rtol=1e-6
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(errors.UsageError, match="5 branches need as many maps"):
        decoding.detect([], LFFD_V2, SIZE)
    with pytest.raises(errors.UsageError, match=r"\[3, 4, 1\] and \[3, 4, 4\]"):
        decoding.Maps(np.zeros((3, 4, 1)), np.zeros((3, 4, 4)))
