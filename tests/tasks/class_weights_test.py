"""Weights of classes are scikit-learn's."""

import numpy as np
import pytest
from sklearn.utils import class_weight

from tfpipeline import errors
from tfpipeline.tasks import class_weights

_CLASSES = np.repeat(np.arange(3), (70, 9, 21)).astype(np.int32)


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        (_CLASSES, ("a", "b", "c")),
        (_CLASSES[_CLASSES < 2], ("no", "yes")),
        ((_CLASSES == 1).astype(np.float32), ()),
        ((_CLASSES == 1).astype(np.float32)[:, None], ("broken",)),
    ],
    ids=["classes", "two", "answers", "column"],
)
def test_balanced_weights_are_those_of_scikit_learn(targets, names):
    numbers = targets.ravel()
    expected = class_weight.compute_class_weight(
        "balanced", classes=np.unique(numbers), y=numbers
    )
    weights = np.array(class_weights.balanced(targets, names))
    # Both are float64; the order of products may differ.
    np.testing.assert_allclose(weights, expected, rtol=1e-15)
    assert weights[numbers.astype(int)].mean() == pytest.approx(1)


def test_a_class_without_examples_is_named():
    with pytest.raises(errors.DataError, match="no example of 'd'"):
        class_weights.balanced(_CLASSES, ("a", "b", "c", "d"))
