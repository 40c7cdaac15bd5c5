"""Training minimizes what validation measures, whatever ends the network."""

import dataclasses

import numpy as np
import pytest

from tfpipeline.compat import keras, tf
from tfpipeline.tasks import catalog, head, kind, regression
from tfpipeline.training.tasks import head_logits, supervised

_GENERATOR = np.random.default_rng(0)
_LOGITS = _GENERATOR.normal(scale=3, size=(40, 4)).astype(np.float32)
_CLASSES = _GENERATOR.integers(0, 4, 40).astype(np.int32)
_ANSWERS = (_GENERATOR.random((40, 4)) < 0.4).astype(np.float32)
_VALUES = _GENERATOR.normal([1, 20, -3, 0], 5, (40, 4)).astype(np.float32)
_TARGETS = {
    "classification": _CLASSES,
    "binary": _ANSWERS[:, :1],
    "multi_label": _ANSWERS,
    "regression": _VALUES,
    "reconstruction": _VALUES,
}


def _objective(name, function=head.LINEAR, *, scaling=None, **options):
    data = kind.Data((4,), has_classes=name == "classification", num_classes=4)
    return kind.Objective(
        catalog.named(name),
        head.Head((4,), function),
        data,
        kind.Options(**options),
        scaling,
    )


def _losses(objective, outputs):
    """What training and what validation make of outputs [N, 4]."""
    name = objective.kind.name
    outputs = outputs[:, :1] if name == "binary" else outputs
    targets = _TARGETS[name]
    module = supervised._loss_module(objective.kind)
    trained, sums = module.loss(tf.constant(outputs), tf.constant(targets), objective)
    assert set(sums) == set(module.SUMS)
    examples = objective.examples(targets, targets)
    if "accuracy" in sums:
        accuracy = objective.measure(outputs, examples)["accuracy"]
        assert float(sums["accuracy"]) / 40 == pytest.approx(accuracy, rel=1e-6)
    validated = objective.kind.validation_loss(outputs, examples, objective)
    return float(trained), validated


@pytest.mark.parametrize(
    "objective",
    [
        _objective("classification"),
        _objective("binary", threshold=0.7),
        _objective("multi_label", threshold=0.3),
        _objective("regression"),
        _objective("regression", huber_delta=1.5),
        _objective("regression", scaling=regression.scaling_of(_VALUES)),
        _objective("reconstruction"),
    ],
    ids=lambda each: f"{each.kind.name}{each.options.huber_delta or ''}",
)
def test_training_minimizes_what_validation_measures(objective):
    trained, validated = _losses(objective, _LOGITS)
    # float32 against float64.
    assert trained == pytest.approx(validated, rel=1e-5)


def test_losses_are_keras_own():
    trained, _ = _losses(_objective("regression", huber_delta=1.5), _LOGITS)
    assert trained == pytest.approx(
        float(keras.losses.Huber(1.5)(_VALUES, _LOGITS)), rel=1e-6
    )
    trained, _ = _losses(_objective("multi_label", label_smoothing=0.2), _LOGITS)
    smooth = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)
    assert trained == pytest.approx(float(smooth(_ANSWERS, _LOGITS)), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_of_classes_are_those_of_keras(smoothing):
    weights = np.array((0.5, 3.0, 1.25, 0.75), np.float32)

    def weighted(name, smoothing):
        objective = _objective(name, label_smoothing=smoothing)
        chosen = tuple(weights[:2] if name == "binary" else weights)
        objective = dataclasses.replace(objective, class_weights=chosen)
        return _losses(objective, _LOGITS)

    found, validated = weighted("classification", smoothing)
    entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )
    targets = np.eye(4, dtype=np.float32)[_CLASSES]
    expected = float(entropy(targets, _LOGITS, sample_weight=weights[_CLASSES]))
    # float32 in another order.
    assert found == pytest.approx(expected, rel=1e-6)
    plain, unweighted = _losses(
        _objective("classification", label_smoothing=smoothing), _LOGITS
    )
    assert abs(plain - found) > 0.01
    assert validated == unweighted

    found, _ = weighted("binary", smoothing)
    entropy = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )
    answers = _TARGETS["binary"]
    of_examples = weights[answers[:, 0].astype(int)]
    expected = float(entropy(answers, _LOGITS[:, :1], sample_weight=of_examples))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("weights", [None, (0.5, 3.0, 1.25, 0.75)])
@pytest.mark.parametrize("name", ["classification", "binary", "multi_label"])
def test_the_loss_of_a_mixed_example_is_the_mixture_of_two_losses(name, weights):
    if weights and name == "multi_label":
        pytest.skip("its examples are not of one class")
    objective = _objective(name, label_smoothing=0.1)
    if weights:
        chosen = weights[:2] if name == "binary" else weights
        objective = dataclasses.replace(objective, class_weights=chosen)
    module = supervised._loss_module(objective.kind)
    outputs = _LOGITS[:, :1] if name == "binary" else _LOGITS
    targets = _TARGETS[name]
    shares = module.shares(tf.constant(targets), num_classes=4).numpy()

    def losses(wanted):
        rows = [
            module.loss(tf.constant(outputs[i : i + 1]), wanted[i : i + 1], objective)
            for i in range(len(outputs))
        ]
        return np.array([float(loss) for loss, _ in rows])

    own, next_one = (losses(tf.constant(np.roll(targets, -k, 0))) for k in (0, 1))
    # Whole shares are the class itself.
    np.testing.assert_allclose(losses(tf.constant(shares)), own, rtol=1e-6)
    taken = np.linspace(0, 0.4, 40, dtype=np.float32)
    mixed = shares * (1 - taken[:, None]) + np.roll(shares, -1, 0) * taken[:, None]
    # float32 in another order.
    np.testing.assert_allclose(
        losses(tf.constant(mixed)), own * (1 - taken) + next_one * taken, rtol=1e-5
    )
    # The part that is larger says what is right.
    _, sums = module.loss(tf.constant(outputs), tf.constant(mixed), objective)
    _, unmixed = module.loss(tf.constant(outputs), tf.constant(targets), objective)
    assert float(sums["accuracy"]) == float(unmixed["accuracy"])


def _slopes(
    objective, targets, last, in_graph, after=lambda outputs: outputs, scale=20
):
    """Gradient of the loss by logits that `last` makes the outputs of."""
    logits = tf.constant(_LOGITS * scale)

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            module = supervised._loss_module(objective.kind)
            outputs = last(logits)
            if after is not None:
                outputs = after(outputs)
            loss, _ = module.loss(outputs, tf.constant(targets), objective)
        return tape.gradient(loss, logits)

    return (tf.function(compute, autograph=False) if in_graph else compute)().numpy()


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("name", "function"), [("classification", "softmax"), ("multi_label", "sigmoid")]
)
def test_a_function_at_the_end_costs_no_slope(name, function, in_graph):
    targets = _TARGETS[name]
    expected = _slopes(_objective(name), targets, tf.identity, in_graph)
    assert np.abs(expected).max() > 1e-3
    objective = _objective(name, function)
    activation = keras.layers.Activation(function)
    found = _slopes(objective, targets, activation, in_graph)
    np.testing.assert_array_equal(found, expected)
    if in_graph:
        # As TensorFlow's own operation, and computed with less precision.
        plain = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}[function]
        found = _slopes(objective, targets, plain, in_graph)
        np.testing.assert_array_equal(found, expected)
        found = _slopes(
            *(objective, targets, activation, in_graph),
            lambda outputs: tf.cast(tf.cast(outputs, tf.bfloat16), tf.float32),
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "function"), [("classification", "softmax"), ("multi_label", "sigmoid")]
)
def test_a_rounded_head_still_learns(name, function):
    def rounded(outputs):
        return tf.quantization.fake_quant_with_min_max_args(outputs, 0.0, 255 / 256)

    activation = keras.layers.Activation(function)
    targets = _TARGETS[name]
    objective = _objective(name, function)
    found = _slopes(objective, targets, activation, False, rounded, scale=1)
    expected = _slopes(_objective(name), targets, tf.identity, False, scale=1)
    # Steep where the answer is wrong.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9
    logits = head_logits.of_outputs(
        rounded(activation(tf.constant(_LOGITS))), objective.head
    )
    close = head.Head((4,), function).applied(logits.numpy())
    np.testing.assert_allclose(close, activation(_LOGITS), atol=1 / 128)
