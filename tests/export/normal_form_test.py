"""What is changed of files as they are, and that they compute what they did."""

import pathlib

import numpy as np
import pytest
from tflite_micro import runtime

from export import catalog
from export import given as givens
from export.tflite import normal_form, offline_plan, verify
from tests.ir import tflite_models as models
from tfpipeline import errors
from tfpipeline.ir import from_tflite, tflite_file

ROOT = pathlib.Path(__file__).parents[2]
MODEL = (ROOT / "tests/golden/tflite_int8/residual_qat.tflite").read_bytes()
BORDERS = {"float32": models.with_float_border, "uint8": models.with_byte_border}


def run(model, image):
    network = runtime.Interpreter.from_bytes(model, arena_size=2**18)
    network.set_input(image, 0)
    network.invoke()
    return network.get_output(0)


def test_nothing_is_changed_of_an_integer_network():
    found = normal_form.normal(MODEL)
    assert found.model is MODEL
    assert found.notes == ()


@pytest.mark.parametrize("dtype", BORDERS)
def test_a_border_goes_and_the_interpreter_computes_the_same(dtype):
    given = BORDERS[dtype](MODEL)
    found = normal_form.normal(given)
    image = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 3), np.int8)
    inner = tflite_file.parse(MODEL).input
    scale, zero_point = np.float32(inner.scales[0]), inner.zero_points[0]
    if dtype == "uint8":
        outside = (image.astype(np.int16) + 128).astype(np.uint8)
    else:
        outside = (image.astype(np.float32) - zero_point) * scale
    output = run(found.model, image)
    expected = run(given, outside)
    if dtype == "uint8":
        np.testing.assert_array_equal(output.astype(np.int16) + 128, expected)
    else:
        inner = tflite_file.parse(found.model).output
        reals = (output.astype(np.float32) - inner.zero_points[0]) * inner.scales[0]
        np.testing.assert_array_equal(reals.astype(np.float32), expected)
    np.testing.assert_array_equal(output, run(MODEL, image))
    assert [note.split(" is ")[0] for note in found.notes] == [
        f"the {dtype} input",
        f"the {dtype} output",
    ]
    program = tflite_file.parse(found.model)
    assert len(program.tensors) == len(tflite_file.parse(MODEL).tensors)
    assert normal_form.normal(found.model).model is found.model


def test_a_border_of_other_bytes_stays_and_says_what_to_do():
    given = models.with_byte_border(MODEL, zero_point=7)
    program = tflite_file.parse(normal_form.normal(given).model)
    assert program.input.dtype == "uint8"
    assert program.output.dtype == "int8"


def test_a_plan_goes_with_the_border_that_it_was_made_for():
    def add(parsed):
        parsed.metadata = [
            models.schema.MetadataT(offline_plan.METADATA, len(parsed.buffers))
        ]
        parsed.buffers.append(models.schema.BufferT(data=[1, 0, 0, 0] * 3))

    given = models.edited(models.with_float_border(MODEL), add)
    found = normal_form.normal(given).model
    assert offline_plan.without_plan(found) is found
    assert offline_plan.without_plan(given) is not given


def test_biases_name_their_only_axis():
    def change(parsed):
        for tensor in parsed.subgraphs[0].tensors:
            if len(tensor.shape) == 1 and tensor.quantization is not None:
                tensor.quantization.quantizedDimension = 3

    given = models.edited(MODEL, change)
    found = normal_form.normal(given)
    assert len(found.notes) == 1
    assert tflite_file.parse(found.model) is not None
    parsed = models.schema.ModelT.InitFromPackedBuf(found.model)
    lines = [t for t in parsed.subgraphs[0].tensors if len(t.shape) == 1]
    assert {t.quantization.quantizedDimension for t in lines if t.quantization} == {0}


# Targets that take a .tflite file of integers.
_OF_FILES = ("int8", "int16x8", "tflm")


def _two_inputs():
    value = models.Value((1, 4))
    return models.one_operator("ADD", [value, value], value)


@pytest.mark.parametrize("target", ["int8", "tflm", "c"])
def test_several_inputs_are_exported(target, tmp_path):
    file = tmp_path / "two.tflite"
    file.write_bytes(_two_inputs())
    found = catalog.named(target)
    assert found.prepare(givens.Given(str(file)), found.flags).contents


@pytest.mark.default_cases(1)
@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        *((x, errors.UsageError, r"is a SavedModel .* \.keras") for x in _OF_FILES),
        # These read one, and this one is empty.
        *((x, errors.GraphError, "it has 0 graphs") for x in ("max78000", "gap8", "c")),
    ],
)
def test_a_saved_model_is_named_as_what_it_is(target, error, message, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    found = catalog.named(target)
    with pytest.raises(error, match=message) as caught:
        found.prepare(givens.Given(str(tmp_path)), found.flags)
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("target", ["tflm", "c"])
def test_names_with_spaces_and_accents_become_names_of_c(target, tmp_path):
    file = tmp_path / "mon modèle é.tflite"
    file.write_bytes(MODEL)
    found = catalog.named(target)
    contents = found.prepare(givens.Given(str(file)), found.flags).contents
    text = "".join(each for each in contents.values() if isinstance(each, str))
    assert all(name.isascii() and " " not in name for name in contents)
    assert "mon_modele_e" in text


def test_shapes_of_an_open_batch_are_those_of_one_image():
    model = (ROOT / "tests/golden/tflite_int8/plain_qat.tflite").read_bytes()
    given = models.with_open_batch(model)
    names = [each.name for each in tflite_file.parse(given).operators]
    assert "PACK" in names
    found = normal_form.normal(given)
    plain = [each.name for each in tflite_file.parse(model).operators]
    assert [each.name for each in tflite_file.parse(found.model).operators] == plain
    assert "3 operators that computed shapes" in found.notes[0]
    image = np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 3), np.int8)
    expected = run(model, image)
    np.testing.assert_array_equal(run(given, image), expected)
    np.testing.assert_array_equal(run(found.model, image), expected)
    read, wanted = from_tflite.read(given), from_tflite.read(model)
    assert [x.kind for x in read.layers] == [x.kind for x in wanted.layers]
    verify.inspect(found.model, images=2)
