"""What each kind of task measures, beside scikit-learn's and Keras' own figures."""

import numpy as np
import pytest
from sklearn import metrics

from tfpipeline import errors
from tfpipeline.tasks import (
    binary,
    catalog,
    classification,
    head,
    kind,
    multi_label,
    reconstruction,
    regression,
)

_GENERATOR = np.random.default_rng(0)
_LABELS = _GENERATOR.integers(0, 4, 60)
_LOGITS = _GENERATOR.normal(size=(60, 4)).astype(np.float32)
_LOGITS[np.arange(60), _LABELS] += 1
_ANSWERS = (_GENERATOR.random((60, 4)) < 0.4).astype(np.int32)


def _softmax(logits):
    return np.exp(head.log_softmax(logits))


def _objective(task, function=head.LINEAR, **fields):
    return kind.Objective(
        task, head.Head((4,), function), options=kind.Options(**fields)
    )


def _examples(task, targets, inputs=None, **traits):
    data = kind.Data((4,), targets.shape[1:], **{"has_classes": False, **traits})
    return task.examples(inputs, targets, data)


def test_classes_from_logits_and_from_softmax():
    examples = _examples(classification.KIND, _LABELS)
    expected = metrics.log_loss(_LABELS, _softmax(_LOGITS))
    for outputs, function in ((_LOGITS, "linear"), (_softmax(_LOGITS), "softmax")):
        objective = _objective(classification.KIND, function)
        loss = classification.KIND.validation_loss(outputs, examples, objective)
        assert loss == pytest.approx(expected, rel=1e-6)
        measured = objective.measure(outputs, examples)
        hits = metrics.accuracy_score(_LABELS, _LOGITS.argmax(axis=1))
        assert measured == {"accuracy": hits}


@pytest.mark.parametrize("task", [binary.KIND, multi_label.KIND], ids=lambda t: t.name)
def test_yes_and_no_from_logits_and_from_a_sigmoid(task):
    answers, logits = _ANSWERS, _LOGITS
    if task is binary.KIND:
        answers, logits = answers[:, :1], logits[:, :1]
    examples = _examples(task, answers.astype(np.float32))
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    losses = [
        metrics.log_loss(answers[:, i], p[:, i], labels=[0, 1])
        for i in range(answers.shape[1])
    ]
    measured = []
    for outputs, function in ((logits, "linear"), (p, "sigmoid")):
        objective = _objective(task, function, threshold=0.6)
        loss = task.validation_loss(outputs, examples, objective)
        assert loss == pytest.approx(np.mean(losses), rel=1e-6)
        measured.append(objective.measure(outputs, examples))
    assert measured[0] == pytest.approx(measured[1], rel=1e-12)
    decided = (p >= 0.6).astype(int)
    expected = {
        "accuracy": np.mean(decided == answers),
        "f1": metrics.f1_score(answers.ravel(), decided.ravel()),
        "auc": metrics.roc_auc_score(answers.ravel(), p.ravel()),
        "macro_f1": metrics.f1_score(answers, decided, average="macro"),
        "average_precision": metrics.average_precision_score(answers, p),
    }
    for name, value in measured[0].items():
        assert value == pytest.approx(expected[name], rel=1e-12), name


def test_accuracy_takes_the_first_largest():
    outputs = np.array([[1, 3, 3], [5, 0, 0], [0, 0, 1], [0, 2, 1]], np.int8)
    assert classification.accuracy(outputs, np.array([1, 0, 1, 1])) == 0.75
    with pytest.raises(errors.UsageError, match="for 3 labels"):
        classification.accuracy(outputs, np.zeros(3, np.int64))


def test_binary_takes_class_numbers():
    data = kind.Data((4,), has_classes=True, num_classes=2)
    examples = binary.KIND.examples(None, np.array([0, 1, 1]), data)
    measured = _objective(binary.KIND).measure(np.array([[-1], [2], [-3]]), examples)
    assert measured["accuracy"] == pytest.approx(2 / 3)


def test_an_area_needs_both_answers():
    examples = _examples(binary.KIND, np.ones(3, np.float32))
    measured = _objective(binary.KIND).measure(np.ones((3, 1)), examples)
    assert measured == {"accuracy": 1.0, "f1": 1.0, "auc": None}


def test_regression_is_measured_in_the_units_of_its_targets():
    targets = _GENERATOR.normal([5, -300], [2, 40], (50, 2)).astype(np.float32)
    noisy = targets + _GENERATOR.normal(size=targets.shape)
    examples = _examples(regression.KIND, targets)
    expected = {
        "rmse": metrics.root_mean_squared_error(targets, noisy),
        "mae": metrics.mean_absolute_error(targets, noisy),
        "r2": metrics.r2_score(targets, noisy),
    }
    plain = _objective(regression.KIND)
    assert plain.measure(noisy, examples) == pytest.approx(expected)
    scaling = regression.scaling_of(targets)
    standard = kind.Objective(regression.KIND, plain.head, scaling=scaling)
    learned = scaling.learned(noisy)
    np.testing.assert_allclose(learned.mean(axis=0), 0, atol=0.1)
    assert standard.measure(learned, examples) == pytest.approx(expected, rel=1e-5)
    loss = regression.KIND.validation_loss(learned, examples, standard)
    scaled = metrics.mean_squared_error(scaling.learned(targets), learned)
    assert loss == pytest.approx(scaled, rel=1e-6)


def test_a_constant_target_is_only_moved():
    scaling = regression.scaling_of(np.full((4, 1), 7.0))
    assert scaling == kind.Scaling((7.0,), (1.0,))


def test_targets_that_are_no_numbers_are_refused():
    with pytest.raises(errors.DataError, match=r"example 2 has \[nan\]"):
        _examples(regression.KIND, np.array([1, 2, np.nan]))


def test_anomalies_are_what_is_rebuilt_badly():
    inputs = _GENERATOR.normal(size=(80, 3, 2)).astype(np.float32)
    targets = np.repeat([4, 2], [60, 20])
    noise = np.where(targets == 4, 0.5, 1.0)[:, None, None]
    outputs = inputs + noise * _GENERATOR.normal(size=inputs.shape)
    examples = _examples(
        *(reconstruction.KIND, targets, inputs),
        **{"has_classes": True, "num_classes": 5, "normal_class": 4},
    )
    objective = _objective(reconstruction.KIND)
    measured = objective.measure(outputs.reshape(80, 6), examples)
    scores = [
        metrics.mean_squared_error(x.ravel(), y.ravel())
        for x, y in zip(inputs, outputs, strict=True)
    ]
    assert measured == pytest.approx(
        {
            "auc": metrics.roc_auc_score(targets == 2, scores),
            "partial_auc": metrics.roc_auc_score(targets == 2, scores, max_fpr=0.1),
            "mse": np.mean(scores[:60]),
        }
    )
    # What anomalies cost is not what training minimizes.
    loss = reconstruction.KIND.validation_loss(outputs, examples, objective)
    assert loss == measured["mse"]
    data = kind.Data((3, 2), has_classes=True, num_classes=5, normal_class=4)
    positions = reconstruction.KIND.trains_on(targets, data)
    np.testing.assert_array_equal(positions, np.arange(60))
    with pytest.raises(errors.DataError, match="no training example is"):
        reconstruction.KIND.trains_on(targets[60:], data)


def test_without_labels_the_error_is_the_figure():
    inputs = np.zeros((5, 4), np.float32)
    examples = _examples(reconstruction.KIND, np.zeros((5, 0)), inputs)
    objective = _objective(reconstruction.KIND)
    figure, value = objective.main(np.full((5, 4), 2.0), examples)
    assert (figure.name, value) == ("mse", 4.0)


# Boxes are in a test of their own.
@pytest.mark.parametrize(
    "task", [each for each in catalog.ALL if not each.reads_boxes], ids=lambda t: t.name
)
def test_figures_are_those_that_are_measured(task):
    targets = {
        "classification": _LABELS,
        "binary": _ANSWERS[:, 0],
        "multi_label": _ANSWERS,
    }.get(task.name, _LOGITS)
    outputs = _LOGITS[:, :1] if task is binary.KIND else _LOGITS
    examples = _examples(task, targets, _LOGITS)
    measured = _objective(task).measure(outputs, examples)
    assert {each.name for each in task.figures} == set(measured)
    if task.decide is not None:
        decided = task.decide(outputs, _objective(task))
        assert decided.shape == examples.targets.shape


def test_a_figure_and_its_cost_in_words():
    share, error = kind.Figure("a", "a"), kind.Figure("b", "b", is_share=False)
    assert (share.text(0.12345), share.cost(0.5, 0.75)) == ("12.35 %", "-25.00")
    assert (error.text(0.012345), error.cost(3.0, 2.0)) == ("0.01235", "+50.00 %")
    assert (share.text(None), error.cost(None, 2.0), error.cost(1, 0)) == ("-",) * 3
