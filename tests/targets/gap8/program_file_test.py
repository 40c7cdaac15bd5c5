"""Programs written and read again, and damaged files."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.identification import gap8_descriptor
from tfpipeline import errors
from tfpipeline.targets.gap8 import fixed_point, program, program_file


def _every_kind():
    """Each kind of layer, and each optional field."""
    generator = np.random.default_rng(0)
    form = fixed_point.Format(in_q=3, weight_q=5, bias_q=4, out_q=3)

    def conv(name, source, output, **options):
        return program.Conv(
            name=name,
            inputs=(source,),
            output=output,
            weights=generator.integers(-128, 128, (2, 2, 1, 1), np.int8),
            bias=generator.integers(-128, 128, 2, np.int8),
            format=form,
            **options,
        )

    window = program.Window((2, 2), (2, 2))
    layers = (
        conv("a", "image", "a", relu=True, pool=window),
        conv("b", "image", "b", pool=program.Window((3, 3), (2, 2), ((0, 1), (0, 1)))),
        program.Add(name="sum", inputs=("a", "b"), output="sum", norms=(0, 0)),
        program.Concat(name="both", inputs=("a", "sum"), output="both", norms=(0, 0)),
        program.MaxPool(name="max", inputs=("both",), output="max", window=window),
        program.AvgPool(
            name="mean",
            inputs=("both",),
            output="mean",
            window=window,
            factor=64,
            shift=8,
            rounds=False,
        ),
        program.Linear(
            name="dense",
            inputs=("max",),
            output="scores",
            weights=generator.integers(-128, 128, (3, 4), np.int8),
            bias=generator.integers(-128, 128, 3, np.int8),
            format=form,
        ),
    )
    shapes = {
        "image": (2, 4, 4),
        "a": (2, 2, 2),
        "b": (2, 2, 2),
        "sum": (2, 2, 2),
        "both": (4, 2, 2),
        "max": (4, 1, 1),
        "mean": (4, 1, 1),
        "scores": (3, 1, 1),
    }
    return program.Program(
        name="every kind",
        num_bits=8,
        tensors={name: program.Tensor(name, s, 3) for name, s in shapes.items()},
        layers=layers,
        inputs=("image",),
        outputs=("scores", "mean"),
        notes=("a note",),
    )


def test_the_network_of_this_test_has_every_kind():
    kinds = {type(layer) for layer in _every_kind().layers}
    assert kinds == set(program.LAYER_KINDS)


@pytest.mark.parametrize("make", [_every_kind, gap8_descriptor.descriptor])
def test_a_program_is_read_as_it_was_written(tmp_path, make):
    p, path = make(), tmp_path / "program.npz"
    program_file.write(path, p)
    found = program_file.read(path)
    for field in dataclasses.fields(p):
        if field.name != "layers":
            assert getattr(found, field.name) == getattr(p, field.name)
    for layer, expected in zip(found.layers, p.layers, strict=True):
        assert type(layer) is type(expected)
        for field in dataclasses.fields(expected):
            left, right = getattr(layer, field.name), getattr(expected, field.name)
            assert type(left) is type(right), field.name
            np.testing.assert_array_equal(left, right)
    assert program_file.fingerprint(found) == program_file.fingerprint(p)


def test_the_fingerprint_sees_each_integer():
    p = gap8_descriptor.descriptor()
    weights = p.layers[0].weights.copy()
    weights[0, 0, 0, 0] ^= 1
    layers = (dataclasses.replace(p.layers[0], weights=weights), *p.layers[1:])
    other = dataclasses.replace(p, layers=layers)
    assert program_file.fingerprint(other) != program_file.fingerprint(p)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=200)
def test_damage_is_found_or_harmless(tmp_path_factory, data):
    whole = bytearray(program_file.to_bytes(gap8_descriptor.descriptor()))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    whole = whole[: data.draw(st.integers(0, len(whole)))]
    path = tmp_path_factory.mktemp("damaged") / "program.npz"
    path.write_bytes(whole)
    try:
        found = program_file.read(path)
    except errors.StorageError as error:
        assert "is not a GAP8 program, or damaged" in str(error)
    else:
        assert isinstance(found, program.Program)


def test_no_file(tmp_path):
    with pytest.raises(errors.StorageError, match="cannot read"):
        program_file.read(tmp_path / "program.npz")


def test_another_archive_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(errors.StorageError, match="is not a GAP8 program"):
        program_file.read(tmp_path / "other.npz")
