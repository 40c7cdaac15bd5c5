"""Integers that are as good as what was trained, and such that are not."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.tasks import binary, classification, consistency, head, kind, regression

_CLASSES = classification.OF_LOGITS
_VALUES = kind.Objective(regression.KIND, head.Head((1,)))
_ANSWERS = kind.Objective(binary.KIND, head.Head((1,)))


def _classes(wrong: int) -> np.ndarray:
    return np.eye(10, dtype=np.int8)[(np.arange(1000) < wrong).astype(int)]


def _require_classes(wrong, *tolerance):
    examples = kind.Examples(np.zeros(1000, np.int32))
    consistency.require(
        "TFLite", _classes(wrong), examples, _classes(0), _CLASSES, *tolerance
    )


def test_tolerance_is_points_or_two_images():
    _require_classes(5)
    _require_classes(2, 0.0)
    with pytest.raises(errors.VerificationError, match=r"TFLite 99\.40 %.*100\.00 %"):
        _require_classes(6)
    with pytest.raises(errors.VerificationError, match="at most 2 images"):
        _require_classes(3, 0.0)


def test_answers_that_hang_on_rounding_do_not_count():
    examples = kind.Examples(np.zeros(1000, np.int32))
    fake = np.tile([0.2, 0.1], (1000, 1))
    outputs = fake.copy()
    outputs[:20] = [0.1, 0.2]  # Another class, each value 0.1 away.
    arguments = ("TFLite", outputs, examples, fake, _CLASSES, 0.5)
    consistency.require(*arguments, near=0.11)
    consistency.require(*arguments, near=np.array([0.11, 0.11]))
    # One value that is further away, and all of them count again.
    with pytest.raises(errors.VerificationError, match=r"980 of 1000.*at most 5"):
        consistency.require(*arguments, near=np.array([0.11, 0.09]))
    with pytest.raises(errors.VerificationError, match="980 of 1000"):
        consistency.require(*arguments)


def test_values_may_differ_by_a_part_of_their_variance():
    fake = np.random.default_rng(0).normal(3, 2, (500, 1))
    examples = kind.Examples(fake)
    near, far = fake + 0.07 * fake.std(), fake + 0.08 * fake.std()
    consistency.require("TFLite", near, examples, fake, _VALUES)
    with pytest.raises(errors.VerificationError, match=r"is 0\.64 % of their variance"):
        consistency.require("TFLite", far, examples, fake, _VALUES)
    consistency.require("TFLite", far, examples, fake, _VALUES, 1.0)


def test_exact_integers_answer_alike():
    logits = np.array([[2.0], [-1.0], [0.25]])
    consistency.require_same("test", logits + 0.1, logits, _ANSWERS, 0.5)
    with pytest.raises(
        errors.VerificationError, match=r"for 1 of 3 test images.*image 2"
    ):
        consistency.require_same("test", logits - 0.3, logits, _ANSWERS, 0.5)
    consistency.require_same("test", logits + 0.2, logits, _VALUES, 0.5)
    with pytest.raises(errors.VerificationError, match=r"another value .* for 3 of 3"):
        consistency.require_same("test", logits + 0.25, logits, _VALUES, 0.5)
    with pytest.raises(errors.VerificationError, match=r"another class .* for 4 of"):
        consistency.require_same("test", _classes(4), _classes(0), _CLASSES, 1.0)


def test_shares_of_the_same_answers():
    logits = np.array([[2.0], [-1.0], [0.25], [-3.0]])
    assert consistency.same_answers(logits - 0.5, logits, _ANSWERS) == 0.75
    assert consistency.same_answers(logits, logits, _VALUES) is None
