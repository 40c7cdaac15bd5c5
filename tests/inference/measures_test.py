"""Measures by what targets are; counted here by hand."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.inference import measures


def test_classes_are_counted_and_each_counts_alike_when_balanced():
    outputs = np.eye(3)[[0, 0, 0, 1, 0]]
    found = measures.of(outputs, np.array([0, 0, 0, 1, 2], np.int32))
    assert list(found) == ["accuracy", "balanced_accuracy"]
    assert found["accuracy"] == pytest.approx(4 / 5)
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("values", [[0.2, 0.9, 0.6], [-3.0, 2.0, 0.1]])
def test_one_output_is_a_probability_or_its_odds(values):
    found = measures.of(np.array(values)[:, None], np.array([0, 1, 0], np.int32))
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_numbers_have_errors():
    expected = np.array([[1.0], [2.0], [4.0]], np.float32)
    found = measures.of(expected + 0.5, expected)
    assert found["mean_absolute_error"] == pytest.approx(0.5)
    # 1 - sum of squares of errors / those about the mean of 7 / 3.
    assert found["r2"] == pytest.approx(1 - 0.75 / (42 / 9))


def test_outputs_for_other_targets_are_refused():
    with pytest.raises(errors.UsageError, match="have a class 5"):
        measures.of(np.zeros((2, 3)), np.array([0, 5], np.int32))
    with pytest.raises(errors.UsageError, match="gives 3 numbers"):
        measures.of(np.zeros((2, 3)), np.zeros((2, 1), np.float32))
