"""Equality of graphs, and what a graph says of itself."""

import dataclasses
import pathlib

import numpy as np
import pytest

from tfpipeline.ir import from_tflite, graph

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tflite_int8"


def read(name="residual_qat"):
    return from_tflite.read_file(GOLDEN / f"{name}.tflite")


def with_tensor(g, name, **changes):
    tensors = {**g.tensors, name: dataclasses.replace(g.tensors[name], **changes)}
    return dataclasses.replace(g, tensors=tensors)


def test_a_graph_equals_itself_read_again():
    assert graph.equal(read(), read())
    assert not graph.equal(read(), read("residual_ptq"), names=False)


def test_one_bit_of_a_weight_or_scale_counts():
    g = read()
    kernel = g.layers[0].weights
    values = g.constants[kernel].copy()
    values.flat[0] ^= 1
    changed = dataclasses.replace(g, constants={**g.constants, kernel: values})
    assert not graph.equal(g, changed)
    assert not graph.equal(g, changed, names=False)

    quant = g.tensors[g.inputs[0]].quant
    scale = float(np.nextafter(np.float32(quant.scale[0]), np.float32(1)))
    quant = dataclasses.replace(quant, scale=(scale,))
    assert not graph.equal(g, with_tensor(g, g.inputs[0], quant=quant), names=False)


def test_names_are_left_out_of_account_when_asked():
    g = read()
    new = {name: f"other/{name}" for name in g.tensors}
    renamed = dataclasses.replace(
        g,
        name="other",
        tensors={
            new[n]: dataclasses.replace(t, name=new[n]) for n, t in g.tensors.items()
        },
        constants={new[n]: array for n, array in g.constants.items()},
        layers=tuple(
            dataclasses.replace(
                layer,
                name=f"other/{layer.name}",
                inputs=tuple(new[n] for n in layer.inputs),
                output=new[layer.output],
                **{
                    field: new.get(getattr(layer, field))
                    for field in ("weights", "bias")
                    if hasattr(layer, field)
                },
            )
            for layer in g.layers
        ),
        inputs=tuple(new[n] for n in g.inputs),
        outputs=tuple(new[n] for n in g.outputs),
    )
    assert not graph.equal(g, renamed)
    assert graph.equal(g, renamed, names=False)


def test_values_cannot_be_assigned():
    g = read()
    for value in (g, g.layers[0], g.tensors[g.inputs[0]]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.name = "other"


def test_every_kind_is_a_class_of_the_set():
    kinds = set(graph.LAYER_KINDS)

    def leaves(cls):
        below = cls.__subclasses__()
        return {cls} if not below else set().union(*map(leaves, below))

    # dataclass(slots=True) makes each class anew and leaves the first one behind.
    assert {cls.__name__ for cls in leaves(graph.Layer)} >= {k.__name__ for k in kinds}
    assert len({kind.__name__ for kind in kinds}) == len(kinds) == 38


def test_width_of_a_tensor():
    quant = graph.QuantParams((0.5,), (0,), 4)
    assert graph.Tensor("t", (2, 3), "int8", quant).num_bits == 4
    assert graph.Tensor("t", (2, 3), "float32").num_bits == 32
    assert graph.Tensor("t", (2, 3), "float32").num_elements == 6
