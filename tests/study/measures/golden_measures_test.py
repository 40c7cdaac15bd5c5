"""All measures against stored figures of the libraries' own scripts.

`tests/golden/measures/measures.json` was computed once, by plain calls of scikit-learn,
statsmodels and pycocotools, before this code was there.
"""

import json
import pathlib

import numpy as np
import pytest

from tfpipeline.study.measures import (
    agreement,
    curves,
    detections,
    segmentation,
    similarity,
    verification,
)

GOLDEN = json.loads(
    (pathlib.Path(__file__).parents[2] / "golden/measures/measures.json").read_text()
)


def test_two_formats():
    golden = GOLDEN["overlap"]
    (both, only_a), (only_b, neither) = golden["table"]
    right_a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    right_b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    table = agreement.compare(right_a, right_b)
    assert (table.both, table.only_a, table.only_b, table.neither) == (
        568, 84, 70, 278,
    )  # fmt: skip
    assert table.samples == golden["n"]
    assert table.accuracy_a * 1000 == golden["A"]
    assert table.accuracy_b * 1000 == golden["B"]
    assert table.overlap == golden["inter_over_A"]
    assert table.overlap_of_b == golden["inter_over_B"]
    assert table.jaccard == golden["jaccard"]
    assert table.dice == golden["dice"]
    assert table.agreement == golden["agreement"]
    assert table.kappa == golden["kappa"]
    assert table.flips == golden["flips_A_only"] + golden["flips_B_only"]
    assert table.mcnemar() == (golden["mcnemar_chi2_cc"], golden["mcnemar_p_cc"])
    assert table.mcnemar(exact=True) == (70, golden["mcnemar_exact_p"])


@pytest.fixture(scope="module")
def pairs():
    """Embeddings of 6,000 pairs in ten folds, as the golden's `seed` says."""
    random = np.random.default_rng(7)
    first, noise = random.normal(size=(6000, 64)), random.normal(size=(6000, 64))
    same = np.tile(np.repeat([True, False], 300), 10)
    second = np.where(same[:, None], 0.45 * first + 0.89 * noise, noise)
    lengths = [np.linalg.norm(e, axis=1, keepdims=True) for e in (first, second)]
    return first / lengths[0], second / lengths[1], same


def test_curves(pairs):
    first, second, same = pairs
    golden = GOLDEN["verification"]
    scores = (first * second).sum(axis=1)
    # The cosines are of vectors of length 1 but for a rounding.
    np.testing.assert_allclose(
        similarity.cosines_of_pairs(first, second), scores, atol=1e-15
    )
    assert curves.area(scores, same) == golden["auc"]
    assert curves.equal_error_rate(scores, same) == golden["eer"]
    for key, rate in (("tar_far_1e2", 1e-2), ("tar_far_1e3", 1e-3)):
        assert curves.true_accept_rate(scores, same, rate) == tuple(golden[key])
    # The house's own area and rate, of distances.
    assert verification.area_under_curve(-scores, same) == pytest.approx(golden["auc"])
    assert (
        verification.true_accept_rate(-scores, same, 1e-2) == golden["tar_far_1e2"][0]
    )


def test_ten_folds(pairs):
    first, second, same = pairs
    golden = GOLDEN["verification"]
    distances = 2 - 2 * (first * second).sum(axis=1)
    folds = np.arange(6000) // 600
    result = verification.verify(
        distances, same, folds, test=range(10), choose=verification.grid_threshold
    )
    assert [fold.accuracy for fold in result.folds] == golden["fold_acc"]
    assert list(result.thresholds.values()) == golden["fold_thr_d2"]
    assert result.accuracy == golden["acc10_mean"]
    # The golden divides by n, and this project by n - 1.
    assert result.std * np.sqrt(9 / 10) == pytest.approx(golden["acc10_std"], rel=1e-12)


def test_embeddings_of_8_bits(pairs):
    first, second, same = pairs
    golden = GOLDEN["verification_int8_embedding"]
    scale = golden["scale"]
    # One scale for all embeddings: their largest value is 127.
    assert max(np.abs(first).max(), np.abs(second).max()) / 127 == pytest.approx(scale)
    rounded = [np.clip(np.round(e / scale), -128, 127) for e in (first, second)]
    scores = similarity.cosines_of_pairs(*rounded)
    assert curves.area(scores, same) == golden["auc"]
    change = np.abs(scores - similarity.cosines_of_pairs(first, second))
    assert change.max() == pytest.approx(golden["max_abs_cos_diff"], rel=1e-9)
    assert change.mean() == pytest.approx(golden["mean_abs_cos_diff"], rel=1e-9)


def test_segmentation():
    golden = GOLDEN["segmentation"]
    table = np.array(golden["confusion"])
    labels, predictions = (
        np.repeat(numbers.reshape(-1), table.reshape(-1))
        for numbers in np.indices(table.shape)
    )
    result = segmentation.measure(labels, predictions, 4)
    assert result.pixel_accuracy == golden["pixel_acc"]
    assert result.ious.tolist() == golden["iou"]
    assert result.mean_iou == golden["miou"] == golden["miou_sklearn"]


def _images():
    golden = GOLDEN["detection"]
    truth, found = (np.array(golden[key]) for key in ("truth", "detections"))
    for rows in (truth, found):
        rows[:, 3:5] += rows[:, 1:3]
    return [
        detections.Image(
            truth[truth[:, 0] == number, 1:5],
            found[found[:, 0] == number, 1:5],
            found[found[:, 0] == number, 5],
        )
        for number in range(4)
    ]


def test_detection():
    golden = GOLDEN["detection"]
    result = detections.average_precision(_images())["all"]
    # Corners are the sums of the golden's places and sides, which rounds.
    assert result.ap == pytest.approx(golden["AP"], rel=1e-12)
    assert result.ap50 == pytest.approx(golden["AP50"], rel=1e-12)
    assert result.ap75 == pytest.approx(golden["AP75"], rel=1e-12)
    assert result.recall == pytest.approx(golden["AR100"], rel=1e-12)


def test_log_average_miss_rate():
    golden = GOLDEN["lamr"]
    np.testing.assert_allclose(
        detections.miss_rates(_images()), golden["miss_at_ref"], rtol=1e-12
    )
    rate = detections.log_average_miss_rate(_images())
    assert rate == pytest.approx(golden["value"], rel=1e-12)
