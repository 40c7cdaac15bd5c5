"""Tables of two formats in the cases that the golden lacks."""

import math

import numpy as np
import pytest
from scipy import stats

from tfpipeline import errors
from tfpipeline.study.measures import agreement, segmentation


def test_few_flips_are_tested_by_the_binomial():
    table = agreement.Agreement(50, 9, 2, 3)
    statistic, p_value = table.mcnemar()
    assert statistic == 2
    assert p_value == pytest.approx(stats.binomtest(2, 11).pvalue, rel=1e-12)
    assert table.record()["mcnemar_exact"] is True


def test_predictions_change_among_wrong_ones_too():
    labels, a, b = (
        np.array([0, 1, 2, 3]),
        np.array([0, 1, 0, 0]),
        np.array([0, 2, 1, 0]),
    )
    table = agreement.compare(a == labels, b == labels, (a, b))
    assert (table.both, table.only_a, table.only_b, table.neither) == (1, 1, 0, 2)
    assert table.flips == 1 and table.changed == 2


@pytest.mark.parametrize("cells", [(5, 0, 0, 0), (0, 0, 0, 5)])
def test_what_has_no_value_is_none_in_a_record(cells):
    table = agreement.Agreement(*cells)
    assert math.isnan(table.kappa)
    record = table.record()
    assert record["kappa"] is None and record["mcnemar_p"] == 1.0
    assert record["overlap"] == (1.0 if cells[0] else None)


def test_other_samples_are_refused():
    with pytest.raises(errors.DataError, match=r"\[3\], \[2\]"):
        agreement.compare(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(errors.DataError, match="same samples"):
        agreement.compare(np.ones(0, bool), np.ones(0, bool))


def test_top_k():
    labels = np.array([2, 0, 1])
    scores = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.5, 0.1, 0.4]])
    assert agreement.top_k_accuracy(labels, scores, 1) == pytest.approx(1 / 3)
    assert agreement.top_k_accuracy(labels, scores, 2) == pytest.approx(2 / 3)
    assert agreement.top_k_accuracy(labels, scores, 3) == 1


def test_pixels_without_a_label_do_not_count():
    labels = np.array([[0, 1, 255], [1, 1, 255]])
    predictions = np.array([[0, 1, 3], [0, 1, 0]])
    result = segmentation.measure(labels, predictions, 4, ignored=255)
    assert result.pixel_accuracy == 0.75
    np.testing.assert_array_equal(result.ious, [1 / 2, 2 / 3, np.nan, np.nan])
    assert result.mean_iou == pytest.approx(7 / 12)


def test_confusions_of_pictures_add_up_to_the_whole():
    random = np.random.default_rng(8)
    labels = random.choice([0, 1, 2, 255], (5, 30))
    labels[3] = 255
    predictions = random.integers(0, 4, (5, 30))
    each = segmentation.confusions(labels, predictions, 5, 255)
    whole = segmentation.measure(labels, predictions, 5, 255)
    assert each[3].sum() == 0 and each.sum() == (labels != 255).sum()
    assert segmentation.mean_iou(each.sum(axis=0)) == pytest.approx(whole.mean_iou)
    assert np.isnan(segmentation.mean_iou(each[3]))
