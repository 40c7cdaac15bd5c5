"""A class for each pixel: figures beside scikit-learn's, pixels that do not count."""

import numpy as np
import pytest
from sklearn import metrics

from tfpipeline import errors
from tfpipeline.tasks import catalog, consistency, head, kind, segmentation

_RANDOM = np.random.default_rng(0)
MASKS = _RANDOM.integers(0, 3, (6, 5, 4)).astype(np.uint8)
LOGITS = _RANDOM.normal(size=(6, 5, 4, 3)).astype(np.float32)
LOGITS += 1.5 * np.eye(3, dtype=np.float32)[MASKS]
MASKS[:, 0, :2] = segmentation.UNLABELED
DATA = kind.Data((5, 4, 3), (5, 4), has_classes=False, num_classes=3, has_masks=True)
OBJECTIVE = kind.Objective(segmentation.KIND, head.Head((5, 4, 3)), DATA)
EXAMPLES = kind.Examples(MASKS)
COUNTED = MASKS != segmentation.UNLABELED


def test_figures_are_those_of_labeled_pixels():
    measured = OBJECTIVE.measure(LOGITS, EXAMPLES)
    truth, answers = MASKS[COUNTED], LOGITS.argmax(-1)[COUNTED]
    assert measured["pixel_accuracy"] == metrics.accuracy_score(truth, answers)
    assert measured["mean_iou"] == pytest.approx(
        metrics.jaccard_score(truth, answers, average="macro")
    )
    # As chips give them.
    assert OBJECTIVE.measure(LOGITS.reshape(6, -1), EXAMPLES) == measured


def test_the_loss_of_logits_and_of_a_softmax():
    shares = np.exp(head.log_softmax(LOGITS))
    expected = metrics.log_loss(MASKS[COUNTED], shares[COUNTED], labels=[0, 1, 2])
    softmax = kind.Objective(segmentation.KIND, head.Head((5, 4, 3), "softmax"), DATA)
    for outputs, objective in ((LOGITS, OBJECTIVE), (shares, softmax)):
        loss = segmentation.KIND.validation_loss(outputs, EXAMPLES, objective)
        assert loss == pytest.approx(expected, rel=1e-5)


def test_integers_must_answer_as_well():
    consistency.require("TFLite", LOGITS, EXAMPLES, LOGITS, OBJECTIVE)
    with pytest.raises(errors.VerificationError, match="108 pixels"):
        consistency.require("TFLite", -LOGITS, EXAMPLES, LOGITS, OBJECTIVE)
    consistency.require_same("test", 2 * LOGITS, LOGITS, OBJECTIVE, 0.1)
    with pytest.raises(errors.VerificationError, match="another answer"):
        consistency.require_same("test", -LOGITS, LOGITS, OBJECTIVE, 0.1)


def test_masks_are_for_this_task_alone():
    assert catalog.choose("auto", DATA).name == "segmentation"
    assert OBJECTIVE.num_outputs == 3
    assert catalog.choose("auto", DATA, head.Head((5, 4, 3))) is segmentation.KIND
    with pytest.raises(errors.UsageError, match="5x4x3 outputs"):
        catalog.choose("segmentation", DATA, head.Head((3,)))
    with pytest.raises(errors.DataError, match="masks of 3 classes"):
        catalog.choose("classification", DATA)
    nothing = kind.Examples(np.full_like(MASKS, segmentation.UNLABELED))
    assert set(OBJECTIVE.measure(LOGITS, nothing).values()) == {None}
