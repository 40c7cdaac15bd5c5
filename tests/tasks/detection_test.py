"""Boxes of a detector's outputs, and what is measured of them."""

import math

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection import branches, layout, objects
from tfpipeline.tasks import catalog, consistency, detection, head, kind

BRANCHES = (branches.Branch(4, 1.5, 8, 16), branches.Branch(8, 3.5, 16, 32))
MAPS = layout.Layout(32, 32, BRANCHES, ((8, 8), (4, 4)))
DATA = kind.Data((32, 32, 3), (2, 6), has_classes=False, has_boxes=True)
OBJECTIVE = kind.Objective(
    detection.KIND, head.Head((2,), layout=MAPS, outputs=4), DATA
)


def rows(*boxes, ignored=(), scale=2.0):
    which = np.isin(np.arange(len(boxes)), ignored)
    return objects.rows(np.array(boxes, np.float32).reshape(-1, 4), which, scale)


def saying(values, sure=4.0, moved=0.0):
    """Outputs of a network that says what is there."""
    parts = []
    for wanted in detection.assign(values, MAPS):
        logits = np.full((*wanted.state.shape, 2), -sure)
        logits[..., 1] = sure
        logits[wanted.state == 1] = [sure, -sure]
        parts += [logits, wanted.boxes + moved]
    return np.concatenate([part.reshape(-1) for part in parts])


EXAMPLES = kind.Examples(
    objects.joined(
        [rows((3, 4, 15, 16)), rows((1, 1, 25, 28), (20, 20, 30, 30)), rows()], 2
    )
)
TOLD = np.stack([saying(each) for each in EXAMPLES.targets])


def test_what_is_said_is_found_and_measured():
    # The second picture's faces overlap by a cell, which both lose.
    measured = OBJECTIVE.measure(TOLD, EXAMPLES)
    assert measured["ap50"] == pytest.approx(1.0)
    assert measured["lamr"] == pytest.approx(1e-10)
    # Faces of 24, 54 and 20 pixels of their pictures: one is 50 high, two 30 are not.
    assert measured["ap50_easy"] == pytest.approx(1.0)
    assert {figure.name for figure in detection.KIND.figures} == set(measured)


def test_levels_are_by_heights_in_the_pictures():
    far = kind.Examples(objects.joined([rows((3, 4, 15, 16), scale=0.5)], 2))
    measured = OBJECTIVE.measure(TOLD[:1], far)
    assert measured["ap50"] == pytest.approx(1.0)
    assert (measured["ap50_hard"], measured["ap50_easy"]) == (None, None)


def test_without_any_object_there_is_no_figure():
    measured = OBJECTIVE.measure(TOLD[2:], EXAMPLES.take(np.array([2])))
    assert set(measured.values()) == {None}


def test_the_loss_falls_as_the_network_is_surer():
    def loss(sure, moved):
        outputs = np.stack([saying(each, sure, moved) for each in EXAMPLES.targets])
        return detection.KIND.validation_loss(outputs, EXAMPLES, OBJECTIVE)

    assert loss(8.0, 0.0) < loss(1.0, 0.0) < loss(1.0, 0.5)
    assert loss(8.0, 0.0) == pytest.approx(0.0, abs=1e-5)
    assert loss(1.0, 0.0) == pytest.approx(2 * math.log1p(math.exp(-2)), rel=1e-6)


def test_integers_must_find_as_much():
    assert detection.hits(TOLD, EXAMPLES, OBJECTIVE).right == 3
    consistency.require("TFLite", TOLD + 0.01, EXAMPLES, TOLD, OBJECTIVE)
    none = np.stack([saying(rows()) for _ in range(3)])
    with pytest.raises(errors.VerificationError, match="does not agree"):
        consistency.require("TFLite", none, EXAMPLES, TOLD, OBJECTIVE)


def test_a_record_of_a_run_is_read_again():
    record = OBJECTIVE.to_dict()
    found = catalog.recorded(record, DATA, head.Head((8, 8, 2), outputs=4))
    assert found.head.layout == MAPS
    assert found.measure(TOLD, EXAMPLES) == OBJECTIVE.measure(TOLD, EXAMPLES)


def test_a_network_without_branches_is_refused():
    with pytest.raises(errors.UsageError, match="--model=lffd_mcu"):
        detection.detect(TOLD, kind.Objective(detection.KIND, head.Head((2,)), DATA))
    assert catalog.choose("auto", DATA).name == "detection"
    with pytest.raises(errors.DataError, match="boxes of objects"):
        catalog.choose("classification", DATA)
