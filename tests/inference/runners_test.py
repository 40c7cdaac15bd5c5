"""Forms of a network on real inputs, and the commands that use them."""

import json

import numpy as np
import pytest

from export.given import Given
from tests.export import commands
from tfpipeline import errors, predict, run_folder
from tfpipeline.compat import keras
from tfpipeline.inference import runners
from tfpipeline.ir import serialize
from tfpipeline.pictures import png_images
from tfpipeline.post_training import max78000
from tfpipeline.quantization import storage
from tfpipeline.targets.max78000 import policy

layers = keras.layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network, pictures, and its int8 file."""
    place = tmp_path_factory.mktemp("inference")
    keras.utils.set_random_seed(7)
    source = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(source)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    model = keras.Model(source, layers.Dense(4)(x), name="small")
    model.save(place / "small.keras")
    random = np.random.default_rng(2)
    (place / "pictures").mkdir()
    for index in range(9):
        pixels = random.integers(0, 256, (12, 12, 3), np.uint8)
        (place / "pictures" / f"{index}.png").write_bytes(png_images.write(pixels))
    commands.run(
        *("int8", place / "small.keras", place / "int8"),
        calibration=str(place / "pictures"),
    )
    return place


def inputs():
    pixels = np.random.default_rng(4).integers(0, 256, (20, 12, 12, 3))
    return (pixels / 128 - 1).astype(np.float32)


def test_every_form_is_near_the_float_network(folder):
    network = runners.Network(Given(str(folder / "small.keras")), inputs())
    assert network.input_shape() == (12, 12, 3)
    model = keras.models.load_model(folder / "small.keras", compile=False)
    expected = model.predict(inputs(), verbose=0)
    outputs = {
        form: network.runner(form)(inputs()).reshape(20, -1) for form in runners.FORMS
    }
    size = np.abs(expected).max()
    # Float32 in another order; then quantization.
    np.testing.assert_allclose(outputs["float"], expected, atol=1e-5 * size, rtol=0)
    for form, values in outputs.items():
        coarse = 0.4 if form == "int4" else 0.1
        np.testing.assert_allclose(values, expected, atol=coarse * size, rtol=0)
        assert (form == "float") == np.allclose(values, expected, atol=1e-5 * size)
    errors_of = {f: np.abs(v - expected).mean() for f, v in outputs.items()}
    assert errors_of["int16"] < errors_of["int16x8"] < errors_of["int8"]
    assert errors_of["int16"] < errors_of["fixed16"] < errors_of["int8"]
    assert errors_of["int8"] < errors_of["int4"]
    assert (outputs["int8_per_tensor"] != outputs["int8"]).any()
    # Our execution is the interpreter's, bit for bit.
    np.testing.assert_array_equal(outputs["int8"], outputs["tflm"])


def test_a_file_of_integers_answers_by_them(folder):
    network = runners.Network(Given(str(folder / "int8" / "model.tflite")))
    ours, micro = (network.runner(form)(inputs()) for form in ("int8", "tflm"))
    np.testing.assert_array_equal(ours, micro)
    assert network.form() == "int8"
    with pytest.raises(errors.UsageError, match="integers of another form"):
        network.runner("gap8")


def test_what_needs_data_says_so(folder):
    network = runners.Network(Given(str(folder / "small.keras")))
    network.runner("float")
    with pytest.raises(errors.UsageError, match="needs --calibration=DATA"):
        network.runner("int8")


@pytest.mark.parametrize("model", ["small.keras", "int8/model.tflite"])
def test_predict_tells_the_largest_of_each_picture(folder, tmp_path, model):
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    given = {"model": str(folder / model), "source": str(folder / "pictures")}
    told = list(predict.lines(predict.Command(**given, output="json")))
    values = [json.loads(line)["outputs"] for line in told]
    assert len(values) == 9 and all(len(each) == 4 for each in values)
    named = list(
        predict.lines(predict.Command(**given, labels=str(tmp_path / "labels.txt")))
    )
    for line, outputs in zip(named, values, strict=True):
        assert line.split("  ")[1].startswith("abcd"[int(np.argmax(outputs))])


def test_predict_takes_one_array(folder, tmp_path):
    np.save(tmp_path / "one.npy", inputs()[0])
    np.save(tmp_path / "all.npy", inputs()[:3])
    model = str(folder / "small.keras")
    (one,), every = (
        list(predict.lines(predict.Command(model=model, source=str(tmp_path / name))))
        for name in ("one.npy", "all.npy")
    )
    assert len(every) == 3 and one.split("  ")[1] == every[0].split("  ")[1]
    np.save(tmp_path / "text.npy", np.array(["x"]))
    with pytest.raises(errors.DataError, match="numbers"):
        list(
            predict.lines(
                predict.Command(model=model, source=str(tmp_path / "text.npy"))
            )
        )


def test_predict_says_what_is_not_there(folder):
    for model, source, text in (
        ("nothing.keras", "pictures", "no file is called"),
        ("small.keras", "nothing.png", "nothing.png' for --input"),
    ):
        given = {"model": str(folder / model), "source": str(folder / source)}
        with pytest.raises(errors.PipelineError, match=text):
            list(predict.lines(predict.Command(**given)))


@pytest.mark.slow
def test_a_runs_own_integers_of_the_max78000_answer(folder, tmp_path):
    network = runners.Network(Given(str(folder / "small.keras")), inputs())
    quantized = max78000.quantized(network._float("max78000"), policy.Policy())
    run = run_folder.RunFolder(tmp_path)
    serialize.write(quantized.graph, run.graph)
    run.export_file("max78000").parent.mkdir(parents=True)
    run.export_file("max78000").touch()
    model = keras.models.load_model(folder / "small.keras", compile=False)
    storage.save(model, run.model(run_folder.FLOAT))
    own = runners.Network(Given(str(tmp_path))).runner("max78000")
    expected = network.runner("max78000")(inputs())
    np.testing.assert_array_equal(own(quantized.loaded(inputs())), expected)
