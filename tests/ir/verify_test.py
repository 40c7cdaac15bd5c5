"""Each rule of well-formed graphs: it holds for good graphs and finds one broken."""

import dataclasses
import math
import pathlib

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph, verify

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tflite_int8"
GOOD = from_tflite.read_file(GOLDEN / "residual_qat.tflite")
CONCAT = from_tflite.read_file(GOLDEN / "concat_qat.tflite")


def with_layer(index, g=GOOD, **changes):
    layers = list(g.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    return dataclasses.replace(g, layers=tuple(layers))


def with_tensor(name, g=GOOD, **changes):
    tensors = {**g.tensors, name: dataclasses.replace(g.tensors[name], **changes)}
    return dataclasses.replace(g, tensors=tensors)


def with_quant(name, g=GOOD, **changes):
    return with_tensor(
        name, g, quant=dataclasses.replace(g.tensors[name].quant, **changes)
    )


def with_kernel(index, values, axis=None):
    name = GOOD.layers[index].weights
    g = with_tensor(name, shape=values.shape)
    g = with_quant(name, g, axis=axis)
    return dataclasses.replace(g, constants={**g.constants, name: values})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foreign(graph.Layer):
    """A kind outside of the closed set."""


CONV = GOOD.layers[0]
ADD = GOOD.layers[2]
KERNEL = GOOD.constants[CONV.weights]
RESULT = GOOD.outputs[0]
POOL = graph.MaxPool(
    name="pool",
    inputs=GOOD.inputs,
    output="pooled",
    kernel_size=(2, 2),
    strides=(2, 2),
    padding=((0, 0), (0, 0)),
)


def pooled(shape=(1, 4, 4, 3), pool=POOL, **changes):
    source = GOOD.tensors[GOOD.inputs[0]]
    result = dataclasses.replace(source, name="pooled", shape=shape, **changes)
    tensors = {source.name: source, "pooled": result}
    return graph.Graph("pool", tensors, {}, (pool,), GOOD.inputs, ("pooled",))


# Rule id -> broken graphs.
BROKEN = {
    "IR-NAMES": [
        with_layer(1, name=CONV.name),
        dataclasses.replace(GOOD, tensors={**GOOD.tensors, "x": GOOD.tensors[RESULT]}),
        with_layer(0, weights="absent"),
        dataclasses.replace(GOOD, constants={**GOOD.constants, "x": KERNEL}),
    ],
    "IR-KINDS": [
        dataclasses.replace(
            GOOD,
            layers=(
                *GOOD.layers[:-1],
                Foreign(name="f", inputs=GOOD.layers[-1].inputs, output=RESULT),
            ),
        )
    ],
    "IR-SHAPES": [
        with_tensor(RESULT, shape=(1, 0)),
        with_tensor(RESULT, shape=(1,) * 9),
        with_tensor(RESULT, shape=(1, 1 << 27)),
        with_tensor(GOOD.inputs[0], shape=(2, 8, 8, 3)),
    ],
    "IR-TYPES": [with_tensor(RESULT, dtype="float16", quant=None)],
    "IR-ORDER": [
        dataclasses.replace(GOOD, layers=GOOD.layers[::-1]),
        dataclasses.replace(GOOD, layers=GOOD.layers + GOOD.layers[-1:]),
        dataclasses.replace(GOOD, outputs=()),
        dataclasses.replace(GOOD, inputs=GOOD.inputs * 2),
        dataclasses.replace(
            GOOD,
            constants={n: a for n, a in GOOD.constants.items() if n != CONV.weights},
        ),
    ],
    "IR-CONSTANTS": [
        dataclasses.replace(
            GOOD, constants={**GOOD.constants, CONV.weights: KERNEL[:1]}
        ),
        dataclasses.replace(
            GOOD,
            constants={**GOOD.constants, CONV.weights: KERNEL.astype(np.int16)},
        ),
        with_quant(CONV.weights, num_bits=4),
    ],
    "IR-QUANT": [
        with_quant(RESULT, scale=(math.inf,)),
        with_quant(RESULT, scale=(0.1,)),
        with_quant(RESULT, zero_point=(128,)),
        with_quant(RESULT, num_bits=9),
        with_quant(CONV.weights, axis=3),
        with_quant(CONV.weights, axis=4),
        with_quant(RESULT, zero_point=()),
    ],
    "IR-ARITY": [
        with_layer(2, inputs=ADD.inputs[:1]),
        with_layer(3, inputs=(ADD.output, ADD.inputs[0])),
    ],
    "IR-ATTRIBUTES": [
        with_layer(0, strides=(0, 1)),
        with_layer(0, strides=(1,)),
        with_layer(0, dilation=(1, 1, 1)),
        with_layer(0, padding=((-1, 1), (1, 1))),
        with_layer(0, clamp=graph.Clamp(1.0, 0.0)),
        with_layer(0, clamp=graph.Clamp(math.nan, 0.0)),
        with_layer(5, beta=math.nan),
        with_layer(5, beta=-1.0),
        pooled(pool=dataclasses.replace(POOL, kernel_size=(0, 2))),
    ],
    "IR-KERNEL": [
        with_kernel(0, KERNEL.T, axis=3),
        with_kernel(0, KERNEL[..., 0], axis=0),
        with_kernel(4, GOOD.constants[GOOD.layers[4].weights].T),
    ],
    "IR-WINDOW": [
        with_layer(0, padding=((0, 0), (0, 0))),
        with_layer(0, strides=(2, 2)),
        with_layer(0, dilation=(2, 2)),
        with_tensor(CONV.output, shape=()),
        pooled((1, 4, 3, 3)),
        pooled((1, 4, 4, 4)),
    ],
    "IR-EXTENT": [
        with_layer(0, dilation=(1 << 26, 1), padding=((1 << 26, 1 << 26), (1, 1))),
        with_layer(0, dilation=(1, 1 << 40), padding=((1, 1), (1 << 40, 1 << 40))),
    ],
    "IR-RESULT": [
        with_layer(3, axes=(1,)),
        with_layer(3, axes=(4,)),
        with_layer(2, inputs=(ADD.inputs[0], GOOD.inputs[0])),
        with_layer(2, g=CONCAT, axis=1),
        with_layer(2, g=CONCAT, axis=7),
    ],
    "IR-OPERANDS": [
        # A softmax of int8 writes int16 too, and nothing wider.
        with_tensor(RESULT, dtype="int32"),
        with_tensor(CONV.output, dtype="int16"),
        # Sums of 32 bits can be handed out, but not read by other layers.
        with_tensor(CONV.output, dtype="int32"),
    ],
    "IR-SCALES": [
        with_quant(CONV.weights, axis=3, scale=(0.5,) * 3, zero_point=(0,) * 3),
        with_quant(CONV.weights, zero_point=(1, *(0,) * 7)),
        with_tensor(RESULT, quant=None),
        with_quant(RESULT, scale=(0.0,)),
        with_quant(RESULT, scale=(0.5,) * 10, zero_point=(0,) * 10, axis=1),
        pooled(quant=GOOD.tensors[RESULT].quant),
    ],
}
CASES = [(rule, i) for rule, graphs in BROKEN.items() for i in range(len(graphs))]


@pytest.mark.parametrize(("rule", "index"), CASES)
def test_rule_finds_the_broken_graph(rule, index):
    found = verify.violations(BROKEN[rule][index])
    assert rule in {violation.rule.id for violation in found}
    with pytest.raises(errors.GraphError, match=r"not well formed: .*\[IR-"):
        verify.require(BROKEN[rule][index])


def test_every_rule_has_a_broken_graph():
    assert set(BROKEN) == {rule.id for rule in verify.RULES}


@pytest.mark.parametrize("g", [GOOD, CONCAT, pooled()], ids=["good", "concat", "pool"])
def test_good_graphs_break_no_rule(g):
    assert verify.violations(g) == ()
    assert verify.require(g) is g


def test_last_layer_may_hand_out_its_sums():
    *layers, softmax = GOOD.layers
    tensors = {name: t for name, t in GOOD.tensors.items() if name != RESULT}
    logits = dataclasses.replace(
        GOOD, layers=tuple(layers), tensors=tensors, outputs=softmax.inputs
    )
    (name,) = logits.outputs
    assert verify.violations(with_tensor(name, logits, dtype="int32")) == ()


def test_all_violations_are_reported_in_one_line():
    broken = with_layer(1, g=with_layer(0, strides=(0, 1)), strides=(1, 0))
    found = verify.violations(broken)
    assert [v.subject for v in found] == ["Conv2D 'conv2d'", "Conv2D 'conv2d_1'"]
    with pytest.raises(errors.GraphError, match=r"'conv2d': .*; and 1 more") as caught:
        verify.require(broken)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
