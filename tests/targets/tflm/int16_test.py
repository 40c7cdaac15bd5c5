"""16-bit activations in the interpreters, in the arena search and in our execution."""

import pathlib

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.targets.tflm import (
    agreement,
    arena,
    flatbuffer,
    interpreter,
    reference,
    simulation,
)

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int16"


def golden(name):
    data = (GOLDEN / f"{name}.tflite").read_bytes()
    return data, interpreter.random_inputs(flatbuffer.require_integer(data), 5)[0]


def test_random_images_cover_the_type():
    _, images = golden("plain")
    assert images.dtype == np.int16
    assert images.min() < -30_000 and images.max() > 30_000


def test_our_execution_equals_micro_in_any_parts(monkeypatch):
    model, images = golden("residual")
    monkeypatch.setattr(simulation, "PART_SIZE", 2)
    parts = []
    found = simulation.predict(model, images, done=parts.append)
    np.testing.assert_array_equal(found, interpreter.predict(model, images))
    assert found.dtype == np.int16
    assert sorted(parts) == [1, 2, 2]


def test_the_arena_is_the_smallest():
    model, images = golden("concat")
    report = arena.find_arena(model)
    assert report.is_smallest
    np.testing.assert_array_equal(
        interpreter.predict(model, images, arena_bytes=report.arena_bytes),
        interpreter.predict(model, images),
    )


def test_only_dense_layers_differ_from_the_reference():
    model, images = golden("plain")
    rows = agreement.compare_operators(model, [np.repeat(images, 8, axis=0)])
    assert {row.name for row in rows if row.differing} <= {"FULLY_CONNECTED"}
    assert any(row.name == "FULLY_CONNECTED" for row in rows)


def test_inputs_are_rounded_to_int16():
    model, _ = golden("plain")
    scale = flatbuffer.read(model).input.scales[0]
    images = np.resize(np.float32([0, 0.5, -0.5, 1.49, 9e9, -9e9]), (1, 8, 8, 3))
    found = reference.quantize_input(model, images * np.float32(scale))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found.ravel()[:6], [0, 1, -1, 1, 32767, -32768])


def test_int8_images_are_refused():
    model, images = golden("plain")
    with pytest.raises(errors.UsageError, match=r"must be int16 .* found int8"):
        interpreter.predict(model, images.astype(np.int8))


def test_another_type_than_asked_for_is_refused():
    with pytest.raises(errors.ExportError, match=r"must be int8 with .* found int16"):
        flatbuffer.require_integer(golden("plain")[0], ["int8"])
