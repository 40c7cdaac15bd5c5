"""Every kind of task through a whole run, from data to verified integers."""

import json

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.configs import images, network, quantization, recipe, run, task
from tfpipeline.data import catalog, splits
from tfpipeline.jobs import classifier
from tfpipeline.training import checkpoints

_SIDE = 12
_MODELS = """
import tf_keras as keras

L = keras.layers


def _hidden(input_shape, units=16):
    inputs = L.Input(input_shape)
    return inputs, L.ReLU()(L.Dense(units)(inputs))


def plain(input_shape, num_classes):
    inputs, x = _hidden(input_shape)
    return keras.Model(inputs, L.Dense(num_classes)(x))


def softmax(input_shape, num_classes):
    inputs, x = _hidden(input_shape)
    return keras.Model(inputs, L.Dense(num_classes, activation="softmax")(x))


def sigmoid(input_shape, num_classes):
    inputs, x = _hidden(input_shape)
    return keras.Model(inputs, L.Dense(num_classes, activation="sigmoid")(x))


def one_sigmoid(input_shape):
    return sigmoid(input_shape, 1)


def autoencoder(input_shape):
    inputs, x = _hidden(input_shape)
    x = L.ReLU()(L.Dense(4)(x))
    return keras.Model(inputs, L.Dense(input_shape[-1])(x))
"""


def _dataset(targets_of, class_names=()):
    """Vectors in [-1, 0.99], and targets that are functions of them."""
    generator = np.random.default_rng(0)

    def split(count):
        inputs = generator.uniform(-1, 0.99, (count, _SIDE)).astype(np.float32)
        return splits.Split(*targets_of(inputs))

    return splits.Dataset(
        name="drawn",
        class_names=class_names,
        train=split(640),
        validation=split(64),
        test=split(64),
        train_indices=np.arange(640),
        validation_indices=np.arange(64),
    )


def _three(inputs):
    return inputs, inputs[:, :3].argmax(axis=1).astype(np.int32)


def _two(inputs):
    return inputs, (inputs[:, 0] > inputs[:, 1]).astype(np.int32)


def _labels(inputs):
    return inputs, (inputs[:, :4] > 0.2).astype(np.float32)


def _values(inputs):
    sums = inputs[:, :2] @ np.array([[3, 10], [-2, 30]], np.float32)
    return inputs, sums + np.array([5, -100], np.float32)


def _anomalies(inputs):
    """What is normal has four dimensions."""
    is_anomaly = np.arange(len(inputs)) % 4 == 0
    low = np.repeat(inputs[:, :4], 3, axis=1)
    return np.where(is_anomaly[:, None], inputs, low), is_anomaly.astype(np.int32)


_DATA = {
    "classes": _dataset(_three, ("a", "b", "c")),
    "two": _dataset(_two, ("no", "yes")),
    "labels": _dataset(_labels, ("a", "b", "c", "d")),
    "values": _dataset(_values, ("u", "v")),
    "anomalies": _dataset(_anomalies, ("normal", "broken")),
}


def _run(tmp_path, monkeypatch, data, function, *, scheme="int8", **options):
    monkeypatch.setattr(catalog, "load", lambda *_, **__: _DATA[data])
    tmp_path.mkdir(exist_ok=True)
    models = tmp_path / "models.py"
    models.write_text(_MODELS, encoding="utf-8")
    config = run.Run(
        images=images.Images(input_range="-1,0.9921875"),
        network=network.Network(model=f"{models}:{function}"),
        task=task.Task(**options),
        training=recipe.Training(epochs=8, precision="float32"),
        classes=run.Classes(batch_size=16),
        optimizer=recipe.Optimizer(learning_rate=0.01, weight_decay=0.0),
        quantization=quantization.Quantization(
            scheme=scheme,
            epochs=2,
            calibration_images=64,
            verification_images=256,
            consistency_tolerance=3.0,
        ),
        workdir=str(tmp_path / "run"),
    )
    results = classifier.run(config)
    summary = (tmp_path / "run" / "summary.txt").read_text(encoding="utf-8")
    return json.loads(json.dumps(results)), summary, config


def _figures(results, name, figure):
    return [row[f"{name}_{figure}"] for row in results["accuracy"]]


def _slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "function", "options", "kind", "figure", "least"),
    [
        _slow("classes", "softmax", {}, "classification", "accuracy", 0.8),
        ("two", "one_sigmoid", {}, "binary", "auc", 0.9),
        _slow(
            *("two", "plain", {"name": "binary", "threshold": 0.4}),
            *("binary", "auc", 0.9),
        ),
        _slow("labels", "sigmoid", {}, "multi_label", "macro_f1", 0.8),
        _slow("labels", "plain", {}, "multi_label", "macro_f1", 0.8),
        _slow(
            *("values", "plain", {"standardize_targets": True}),
            *("regression", "r2", 0.9),
        ),
        _slow("anomalies", "autoencoder", {}, "reconstruction", "auc", 0.9),
    ],
)
def test_a_task_is_learned_in_integers(
    tmp_path, monkeypatch, data, function, options, kind, figure, least
):
    results, summary, config = _run(tmp_path, monkeypatch, data, function, **options)
    assert results["task"]["name"] == kind
    rows = [row["network"] for row in results["accuracy"]]
    assert rows == ["float32", "int8, PTQ", "QAT, fake-quantized", "int8, QAT"]
    assert min(_figures(results, "test", figure)) > least
    verified = results["exports"]["int8"]
    # TensorFlow Lite Micro's outputs are those of the file, and of what was trained.
    assert verified["end_to_end"]["max_lsb"] <= 1
    assert verified["fake_quantized"]["images"] == 64
    assert "TensorFlow Lite Micro" in summary
    ends_with = {"softmax": "SOFTMAX", "one_sigmoid": "LOGISTIC", "sigmoid": "LOGISTIC"}
    assert verified["operators"][-1] == ends_with.get(function, "FULLY_CONNECTED")
    # The same command finds all of it done.
    assert classifier.run(config) == results


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["max78000", "gap8"])
@pytest.mark.parametrize(
    ("data", "function", "figure", "least"),
    [
        ("two", "plain", "auc", 0.9),
        ("labels", "plain", "macro_f1", 0.8),
        ("values", "plain", "r2", 0.5),
        ("anomalies", "autoencoder", "auc", 0.9),
        ("classes", "softmax", "accuracy", 0.8),
    ],
)
def test_chips_compute_what_was_trained(
    tmp_path, monkeypatch, data, function, figure, least, scheme
):
    options = {"name": "binary"} if data == "two" else {}
    options |= {"standardize_targets": True} if data == "values" else {}
    results, _, _ = _run(
        tmp_path, monkeypatch, data, function, scheme=scheme, **options
    )
    rows = results["accuracy"]
    assert len(rows) == 4
    # The integers' answers are the fake-quantized network's, or the run fails.
    for name, value in rows[2].items():
        if name.startswith("test_") and value is not None:
            assert rows[3][name] == pytest.approx(value, rel=1e-3), name
    assert _figures(results, "test", figure)[-1] > least
    agreed = results["exports"][scheme].get("fake_quantized")
    # A softmax is left to the host.
    assert (agreed is None) == (function == "softmax")
    if agreed is not None:
        assert agreed["largest"] < 0.01


@pytest.mark.slow
def test_a_killed_regression_resumes_to_the_same_bits(tmp_path, monkeypatch):
    options = {"standardize_targets": True, "huber_delta": 1.0}
    whole, _, _ = _run(tmp_path / "whole", monkeypatch, "values", "plain", **options)
    save, saved = checkpoints.save, []

    def killed(folder, state):
        save(folder, state)
        saved.append(folder)
        if len(saved) in (3, 9):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _run(tmp_path / "cut", monkeypatch, "values", "plain", **options)
    resumed, _, _ = _run(tmp_path / "cut", monkeypatch, "values", "plain", **options)
    assert len(saved) == 10
    assert resumed["accuracy"] == whole["accuracy"]
    for name in ("float/weights.npz", "qat/weights.npz"):
        with (
            np.load(tmp_path / "whole" / "run" / name) as left,
            np.load(tmp_path / "cut" / "run" / name) as right,
        ):
            assert left.files == right.files
            for key in left.files:
                np.testing.assert_array_equal(left[key], right[key])


@pytest.mark.parametrize(
    ("data", "function", "options", "error", "parts"),
    [
        ("classes", "one_sigmoid", {}, errors.UsageError, ("no task is plain", "3 cl")),
        (
            *("values", "autoencoder", {"name": "regression"}, errors.UsageError),
            ("with 2 outputs", "ends with 12 values"),
        ),
        ("values", "plain", {"name": "multi_label"}, errors.DataError, ("a 0 or 1",)),
    ],
)
def test_what_does_not_fit_is_one_line(
    tmp_path, monkeypatch, data, function, options, error, parts
):
    with pytest.raises(error) as caught:
        _run(tmp_path, monkeypatch, data, function, **options)
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_detector_is_refused_for_data_without_boxes():
    pictures = splits.Split(
        np.zeros((4, 8, 8, 1), np.uint8), np.arange(4, dtype=np.int32)
    )
    data = splits.Dataset("digits", tuple("0123"), *[pictures] * 3, *[np.arange(4)] * 2)
    config = run.Run(network=network.Network(model="lffd_mcu"))
    with pytest.raises(
        errors.UsageError, match="targets of digits are numbers of 4 cl"
    ):
        classifier.objective_of(config, data)
