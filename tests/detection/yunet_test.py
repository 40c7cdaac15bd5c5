"""YuNet's decoding against its definition, cell by cell."""

import math

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection import suppression, yunet

SIZE = (32, 64)


def outputs(seed=0):
    """Random heads in the network's order: classes, objects, boxes, points."""
    random = np.random.default_rng(seed)
    cells = [SIZE[0] // s * (SIZE[1] // s) for s in yunet.STRIDES]
    chances = [random.uniform(0, 1, (n, 1)) for _ in range(2) for n in cells]
    boxes = [random.normal(0, 0.5, (n, 4)) for n in cells]
    return [*chances, *boxes, *(random.normal(0, 1, (n, 10)) for n in cells)]


def by_hand(given, threshold):
    """Every cell in plain Python."""
    faces = []
    for place, stride in enumerate(yunet.STRIDES):
        classes, objects, boxes, points = given[place::3]
        columns = SIZE[1] // stride
        for cell in range(len(classes)):
            score = math.sqrt(classes[cell, 0] * objects[cell, 0])
            if score < threshold:
                continue
            column, row = cell % columns, cell // columns
            dx, dy, w, h = boxes[cell]
            x, y = (column + dx) * stride, (row + dy) * stride
            w, h = math.exp(w) * stride, math.exp(h) * stride
            marks = [
                ((column + px) * stride, (row + py) * stride)
                for px, py in points[cell].reshape(5, 2)
            ]
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            faces.append((score, box, marks))
    return sorted(faces, key=lambda face: -face[0])


def test_faces_are_those_of_the_cells():
    given = outputs()
    # Nothing is suppressed.
    found = yunet.detect(given, SIZE, threshold=0.5, overlap=1.0)
    expected = by_hand(given, 0.5)
    assert len(found.scores) == len(expected) > 10
    for place, (score, box, marks) in enumerate(expected):
        np.testing.assert_allclose(found.scores[place], score, rtol=1e-6)
        np.testing.assert_allclose(found.boxes[place], box, atol=1e-4)
        np.testing.assert_allclose(found.landmarks[place], marks, atol=1e-4)


def test_the_lower_scored_of_two_overlapping_goes():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [20, 0, 30, 10]])
    scores = np.array([0.5, 0.9, 0.8, 0.1])
    # IoU of the second with the first is 0.9, with the third 4/9.
    assert suppression.suppress_by_iou(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert suppression.suppress_by_iou(boxes, scores, 0.4).tolist() == [1, 3]
    assert suppression.suppress_by_iou(boxes[:0], scores[:0], 0.4).tolist() == []


def test_other_outputs_are_refused():
    for given, size in ((outputs()[:-1], SIZE), (outputs(), (32, 32))):
        with pytest.raises(errors.UsageError, match="at strides 8, 16 and 32"):
            yunet.detect(given, size)
