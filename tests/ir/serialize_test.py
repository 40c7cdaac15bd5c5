"""Graphs on the disk: the same to the last bit, whole or not at all."""

import dataclasses
import json
import math
import pathlib

import hypothesis
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph, serialize

ROOT = pathlib.Path(__file__).parents[2]
PATHS = [
    *sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite")),
    ROOT / "experiments/cifar10/cmsisnet/model.tflite",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_round_trip(path, tmp_path):
    g = from_tflite.read_file(path)
    file = serialize.write(g, tmp_path / "graph")
    assert graph.equal(serialize.read(file), g)
    assert graph.equal(serialize.read(tmp_path / "graph"), g)


def activation_graph(scale, zero_point, clamp=graph.NO_CLAMP, beta=1.0):
    quant = graph.QuantParams((scale,), (zero_point,), 8)
    tensors = {n: graph.Tensor(n, (1, 4), "int8", quant) for n in "abc"}
    layers = (
        graph.Add(name="add", inputs=("a", "a"), output="b", clamp=clamp),
        graph.Softmax(name="softmax", inputs=("b",), output="c", beta=beta),
    )
    return graph.Graph("g", tensors, {}, layers, ("a",), ("c",))


@hypothesis.settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    scale=strategies.floats(width=32, min_value=2**-100, max_value=2.0**100),
    zero_point=strategies.integers(-128, 127),
    bound=strategies.floats(min_value=0, exclude_min=True),
    beta=strategies.floats(min_value=2**-20, max_value=2.0**20),
)
def test_reals_survive_to_the_last_bit(tmp_path, scale, zero_point, bound, beta):
    g = activation_graph(scale, zero_point, graph.Clamp(-math.inf, bound), beta)
    assert graph.equal(serialize.read(serialize.write(g, tmp_path)), g)


def test_writing_again_leaves_one_file_of_constants(tmp_path):
    first, second = (from_tflite.read_file(path) for path in PATHS[:2])
    serialize.write(first, tmp_path)
    serialize.write(second, tmp_path)
    assert graph.equal(serialize.read(tmp_path), second)
    assert len(list(tmp_path.iterdir())) == 2


def test_constants_of_others_stay(tmp_path):
    old, new = (from_tflite.read_file(path) for path in PATHS[:2])
    serialize.write(old, tmp_path)
    [ours] = tmp_path.glob("constants-*.npz")
    foreign = tmp_path / f"constants-{'0' * 16}.npz"
    foreign.write_bytes(b"somebody's")
    serialize.write(new, tmp_path)
    assert foreign.read_bytes() == b"somebody's"
    assert not ours.exists()


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    g = from_tflite.read_file(PATHS[0])
    for folder in ("a", "b"):
        serialize.write(g, tmp_path / folder)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_crash_between_the_files_leaves_the_old_graph(tmp_path, monkeypatch):
    old, new = (from_tflite.read_file(path) for path in PATHS[:2])
    serialize.write(old, tmp_path)

    def crash(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(serialize.atomic_files, "write_json", crash)
    with pytest.raises(KeyboardInterrupt):
        serialize.write(new, tmp_path)
    assert graph.equal(serialize.read(tmp_path), old)


def edit(folder, change):
    path = folder / serialize.FILE_NAME
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


DAMAGE = {
    "format": lambda v: v.update(format="other"),
    "version": lambda v: v.update(version=2),
    "missing key": lambda v: v.pop("layers"),
    "kind": lambda v: v["layers"][0].update(kind="Conv9D"),
    "field": lambda v: v["layers"][0].update(color=1),
    "missing field": lambda v: v["layers"][0].pop("strides"),
    "type of a field": lambda v: v["layers"][0].update(strides=["1", 1]),
    "decimal": lambda v: v["tensors"][0]["quant"].update(scale=[0.5]),
    "shape": lambda v: v["tensors"][0].update(shape=[1, 2]),
    "file elsewhere": lambda v: v["constants"].update(file="../x.npz"),
    "other digest": lambda v: v["constants"].update(sha256="0" * 64),
    "list of layers": lambda v: v.update(layers={}),
    "not a graph": lambda v: v.clear(),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_clear_error(name, tmp_path):
    serialize.write(from_tflite.read_file(PATHS[0]), tmp_path)
    edit(tmp_path, DAMAGE[name])
    with pytest.raises(errors.GraphError) as caught:
        serialize.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_constants_and_absent_files(tmp_path):
    with pytest.raises(errors.StorageError, match="cannot read"):
        serialize.read(tmp_path)
    serialize.write(from_tflite.read_file(PATHS[0]), tmp_path)
    (arrays,) = tmp_path.glob("*.npz")
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(errors.GraphError, match="not the file that was written"):
        serialize.read(tmp_path)
    arrays.unlink()
    with pytest.raises(errors.StorageError, match="cannot read"):
        serialize.read(tmp_path)


def test_a_graph_that_is_not_well_formed_is_not_written(tmp_path):
    with pytest.raises(errors.GraphError, match="IR-QUANT"):
        serialize.write(activation_graph(0.5, 200), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_field_of_every_kind_can_be_stored():
    kinds = (*graph.LAYER_KINDS, graph.Several)
    fields = {f.name for kind in kinds for f in dataclasses.fields(kind)}
    assert fields == set(serialize._FIELDS)


def test_an_outline_has_everything_but_the_values(tmp_path):
    g = from_tflite.read_file(PATHS[0])
    file = tmp_path / "outline.json"
    serialize.write_outline(g, file)
    found = serialize.read(file)
    assert (found.layers, found.tensors) == (g.layers, g.tensors)
    assert found.constants.keys() == g.constants.keys()
    for name, values in found.constants.items():
        assert values.shape == g.constants[name].shape
        assert values.dtype == g.constants[name].dtype
        assert (values == 1).all()
    assert [path.name for path in tmp_path.iterdir()] == ["outline.json"]


@pytest.mark.parametrize("shape", [[2**40], [0], [-1], ["a"]])
def test_an_outline_with_a_bad_shape_is_refused(shape, tmp_path):
    file = tmp_path / "outline.json"
    serialize.write_outline(from_tflite.read_file(PATHS[0]), file)
    value = json.loads(file.read_text(encoding="utf-8"))
    name = value["constants"]["ones"][0]
    for tensor in value["tensors"]:
        if tensor["name"] == name:
            tensor["shape"] = shape
    file.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(errors.GraphError, match=r"outline\.json|is not well formed"):
        serialize.read(file)
