"""How good a network is, form by form: against Keras, and what cannot be measured."""

import json

import numpy as np
import pytest
from sklearn import metrics

from tfpipeline import errors, evaluate, measured_data, run_folder
from tfpipeline.compat import keras
from tfpipeline.quantization import storage

layers = keras.layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Networks, untrained, of a known answer, and their data."""
    place = tmp_path_factory.mktemp("evaluate")
    random = np.random.default_rng(3)
    x = random.uniform(-1, 1, (120, 6)).astype(np.float32)
    y = (x[:, 0] + 0.3 * random.normal(size=120) > 0).astype(np.int64)
    split = {"x_train": x[:80], "x_test": x[80:]}
    np.savez(place / "two.npz", y_train=y[:80], y_test=y[80:], **split)
    z = x[:, :1] * 5 + 10
    np.savez(place / "numbers.npz", y_train=z[:80], y_test=z[80:], **split)
    for name, units, function in (
        ("softmax", 2, "softmax"),
        ("sigmoid", 1, "sigmoid"),
        ("line", 1, None),
    ):
        source = keras.Input((6,))
        dense = layers.Dense(units, activation=function)
        keras.Model(source, dense(source)).save(place / f"{name}.keras")
        model = keras.models.load_model(place / f"{name}.keras")
        kernel = np.zeros((6, units), np.float32)
        kernel[0, -1] = 0.9
        model.set_weights([kernel, np.full(units, -0.1, np.float32)])
        model.save(place / f"{name}.keras")
    return place


def command(folder, model, data, **others):
    return evaluate.Command(
        model=str(folder / model),
        data=measured_data.Data(dataset=str(folder / data)),
        **others,
    )


def test_classes_are_those_of_keras(folder):
    measured = evaluate.run(
        command(folder, "softmax.keras", "two.npz", forms=("float", "int8", "tflm"))
    )
    data = np.load(folder / "two.npz")
    model = keras.models.load_model(folder / "softmax.keras")
    classes = model.predict(data["x_test"], verbose=0).argmax(axis=1)
    expected = metrics.accuracy_score(data["y_test"], classes)
    assert (measured.kind.name, measured.inputs) == ("classification", 40)
    assert measured.forms["float"]["accuracy"] == expected
    assert measured.forms["int8"] == measured.forms["tflm"]


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("threshold", [0.5, 0.6])
def test_yes_and_no_have_a_threshold_in_every_form(folder, threshold):
    """The MAX78000 has no sigmoid: the host's is part of what is measured."""
    measured = evaluate.run(
        command(
            *(folder, "sigmoid.keras", "two.npz"),
            forms=("float", "int8", "max78000"),
            threshold=threshold,
        )
    )
    data = np.load(folder / "two.npz")
    model = keras.models.load_model(folder / "sigmoid.keras")
    p = model.predict(data["x_test"], verbose=0)[:, 0]
    expected = metrics.f1_score(data["y_test"], p >= threshold)
    assert measured.forms["float"]["f1"] == pytest.approx(expected, abs=1e-12)
    for values in measured.forms.values():
        # Of 40 examples two may lie within an integer of the threshold.
        assert values["accuracy"] == pytest.approx(
            measured.forms["float"]["accuracy"], abs=2 / 40
        )


def test_a_run_says_the_units_of_its_numbers(folder, tmp_path):
    """The network gives (target - 10) / 5, as a run with standardized targets."""
    task = {"name": "regression", "head": "linear", "mean": [10.5], "deviation": [5.0]}
    run = run_folder.RunFolder(tmp_path)
    model = keras.models.load_model(folder / "line.keras")
    storage.save(model, tmp_path / run_folder.FLOAT)
    flags = {"seed": 5, "dataset": str(folder / "numbers.npz"), "model": "line"}
    run.run_json.write_text(json.dumps({"flags": flags, "data": {"fingerprint": "0"}}))
    run.results_json.write_text(json.dumps({"task": task}))
    measured = evaluate.run(evaluate.Command(model=str(tmp_path), forms=("float",)))
    data = np.load(folder / "numbers.npz")
    restored = (data["x_test"][:, :1] * 0.9 - 0.1) * 5 + 10.5
    expected = metrics.mean_absolute_error(data["y_test"], restored)
    assert measured.forms["float"]["mae"] == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_measured_is_said(folder):
    with pytest.raises(errors.UsageError, match="--dataset=DATA"):
        evaluate.run(evaluate.Command(model=str(folder / "line.keras")))
    with pytest.raises(errors.DataError, match="needs class numbers"):
        evaluate.run(
            command(folder, "line.keras", "numbers.npz", task="classification")
        )


def test_the_table_has_a_line_a_form(folder, capsys):
    evaluate.main(command(folder, "line.keras", "numbers.npz", limit=7))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["form", "float", "int8"]
    assert lines[0].split()[1:] == ["RMSE", "MAE", "R2"]
    assert lines[-1] == "regression, on 7 test examples"


def test_a_network_that_is_not_there_is_said_before_data_are_read(folder):
    with pytest.raises(errors.UsageError, match="no file is called"):
        evaluate.run(command(folder, "nothing.keras", "two.npz"))
