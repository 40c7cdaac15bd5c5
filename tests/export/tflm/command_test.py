"""`--targets=tflm` from the user's side: what it says, and what it refuses."""

import pathlib

import numpy as np
import pytest

from export.tflm import goldens, origin
from tests import programs
from tests.export import commands
from tests.ir import tflite_models as models
from tfpipeline import errors
from tfpipeline.ir import tflite_file

ROOT = pathlib.Path(__file__).parents[3]
MODEL = ROOT / "tests" / "golden" / "tflite_int8" / "residual_qat.tflite"
PROGRAM = tflite_file.parse(MODEL.read_bytes())


def refused(tmp_path, model, error, **options):
    """The message; nothing may be written."""
    file = tmp_path / "network.tflite"
    file.write_bytes(model)
    with pytest.raises(error) as caught:
        commands.run("tflm", file, tmp_path / "out", **options)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        {"network.tflite", *(pathlib.Path(each).name for each in options.values())}
    )
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_command_line(tmp_path):
    labels, sample = tmp_path / "labels.txt", tmp_path / "sample.npy"
    output = PROGRAM.tensors[PROGRAM.outputs[0]]
    labels.write_text("".join(f"class {i}\n" for i in range(output.shape[-1])))
    np.save(sample, np.zeros(PROGRAM.tensors[PROGRAM.inputs[0]].shape, np.int8))
    done = programs.run(
        *("export", "--targets=tflm", f"--model={MODEL}", f"--labels={labels}"),
        *(f"--sample={sample}", f"--output={tmp_path / 'out'}"),
    )
    assert done.returncode == 0, done.stderr
    assert "answers    2, of TensorFlow Lite Micro's interpreter" in done.stdout
    text = (tmp_path / "out" / "model_golden.cc").read_text()
    assert '{"sample", kInput1, kOutput1}' in text
    assert "namespace model_residual_qat {" in text
    assert '"class 0",' in (tmp_path / "out" / "model_io.h").read_text()


def test_everything_that_is_not_supported_is_named_at_once(tmp_path):
    real = models.Value((1, 4, 4, 2), "float32", None)
    message = refused(
        tmp_path, models.one_operator("CUMSUM", [real], real), errors.ExportError
    )
    for part in (
        "input 'input0' must be int8 or int16; found float32",
        "must be int8 or int16; found float32; operator 0 CUMSUM is not supported; ",
        "docs/operators.md lists what is",
        "operator 0 CUMSUM has the float32 tensor 'input0'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("source", "result", "message"),
    [
        (models.Value((2, 4)), models.Value((2, 4)), "fixed shape, batch 1; found (2"),
        (models.Value((1, 4), scale=None), models.Value((1, 4)), "one positive scale"),
        (models.Value((1, 4), "uint8"), models.Value((1, 4), "uint8"), "found uint8"),
    ],
    ids=["batch", "scale", "type"],
)
def test_borders(tmp_path, source, result, message):
    model = models.one_operator("RELU", [source], result)
    assert message in refused(tmp_path, model, errors.ExportError)


def test_what_the_interpreter_refuses_is_quoted(tmp_path):
    plane = models.Value((1, 4, 4, 4), "int16")
    axes = models.integers([1, 2])
    result = models.Value((1, 4), "int16")
    options = models.schema.ReducerOptionsT()
    model = models.one_operator("REDUCE_MAX", [plane, axes], result, options)
    message = refused(tmp_path, model, errors.ExportError)
    assert "Only float32 and int8 types are supported" in message


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"a text", errors.GraphError, "not a TFLite file"),
        (MODEL.read_bytes()[:3000], errors.GraphError, "TFLite file of 3000 bytes"),
    ],
    ids=["text", "truncated"],
)
def test_damaged_files(tmp_path, content, error, message):
    assert message in refused(tmp_path, content, error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "found 2"),
        ("a\n\nb\n", "line 2 is empty"),
        ("", "it has no line"),
        ("a\nb\na\n", "line 3 'a' is there twice"),
        (None, "the labels: cannot read"),
    ],
)
def test_labels(tmp_path, text, message):
    file = tmp_path / "labels.txt"
    if text is not None:
        file.write_text(text)
    model = MODEL.read_bytes()
    with pytest.raises(errors.DataError, match=message):
        commands.run("tflm", MODEL, tmp_path / "out", labels=str(file))
    assert not (tmp_path / "out").exists()
    assert MODEL.read_bytes() == model


def test_unusable_paths(tmp_path):
    with pytest.raises(errors.UsageError, match=r"neither a \.tflite file"):
        commands.run("tflm", tmp_path / "network.h5", tmp_path / "out")
    with pytest.raises(errors.StorageError, match=r"cannot read .*: No such file"):
        commands.run("tflm", tmp_path / "absent.tflite", tmp_path / "out")
    with pytest.raises(
        errors.UsageError, match=r"neither export/int8/model\.tflite nor"
    ):
        commands.run("tflm", tmp_path, tmp_path / "out")
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(errors.StorageError, match="cannot write"):
        commands.run("tflm", MODEL, blocked / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_names_of_what_is_exported(tmp_path):
    run = tmp_path / "run 7"
    for folder in ("int8", "int16x8"):
        (run / "export" / folder).mkdir(parents=True)
        (run / "export" / folder / "model.tflite").touch()
        found = origin.find(str(run / "export" / folder / "model.tflite"))
        assert found == (run / "export" / folder / "model.tflite", "run 7")
    assert origin.find(str(run)) == (run / "export/int8/model.tflite", "run 7")
    (run / "export" / "int8" / "model.tflite").unlink()
    assert origin.find(str(run)) == (run / "export/int16x8/model.tflite", "run 7")
    assert origin.find("some/where/Net.tflite")[1] == "Net"


INPUT = PROGRAM.tensors[PROGRAM.inputs[0]]


def save(tmp_path, values):
    np.save(tmp_path / "sample.npy", values)
    return str(tmp_path / "sample.npy")


def test_samples_of_integers_and_of_reals(tmp_path):
    (integers,) = goldens.random_inputs(PROGRAM, 3)
    found = goldens.read_sample(save(tmp_path, integers), PROGRAM)
    np.testing.assert_array_equal(found, integers)
    # Without the batch, and of another width.
    found = goldens.read_sample(save(tmp_path, integers[0].astype(np.int64)), PROGRAM)
    np.testing.assert_array_equal(found, integers)
    scale, zero_point = np.float32(INPUT.scales[0]), INPUT.zero_points[0]
    real = scale * (integers.astype(np.float32) - zero_point)
    found = goldens.read_sample(save(tmp_path, real), PROGRAM)
    np.testing.assert_array_equal(found, integers)
    # Ties go away from zero, and what is too large to the range's end.
    steps = np.array([0.5, -0.5, 2.5, -2.5, 1e6, -1e6], np.float32)
    real = np.resize(steps, INPUT.shape) * np.float32(0.25)
    tensor = tflite_file.dataclasses.replace(INPUT, scales=(0.25,), zero_points=(0,))
    program = tflite_file.Program((tensor,), (), (0,), (0,))
    found = goldens.read_sample(save(tmp_path, real), program)
    np.testing.assert_array_equal(found.reshape(-1)[:6], [1, -1, 3, -3, 127, -128])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((1, 2, 3)), "must have the shape"),
        (np.full(INPUT.shape, 128), "integers from -128 to 127; found int64, 128"),
        (np.full(INPUT.shape, np.nan), "finite reals"),
        (np.zeros(INPUT.shape, bool), "found bool"),
    ],
    ids=["shape", "range", "nan", "bool"],
)
def test_samples_that_do_not_fit(tmp_path, values, message):
    with pytest.raises(errors.DataError, match=message):
        goldens.read_sample(save(tmp_path, values), PROGRAM)


def test_sample_files(tmp_path):
    with pytest.raises(errors.UsageError, match=r"must be a \.npy"):
        goldens.read_sample("image.png", PROGRAM)
    with pytest.raises(errors.DataError, match=r"^the sample: "):
        goldens.read_sample(str(tmp_path / "absent.npy"), PROGRAM)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(errors.DataError, match=r"^the sample: "):
        goldens.read_sample(str(tmp_path / "text.npy"), PROGRAM)
