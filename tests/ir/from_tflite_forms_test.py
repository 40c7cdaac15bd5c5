"""Forms of `.tflite` files as they are in the world, and files known in part."""

import subprocess
import sys

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tests.ir.tflite_values import (
    CMSISNET,
    GOLDENS,
    IMAGE,
    ROOT,
    Value,
    conv_options,
    partly_unknown,
    weights,
)
from tfpipeline import errors
from tfpipeline.ir import (
    from_tflite,
    graph,
    tflite_file,
)


def test_operators_without_a_kind_are_left_out_and_counted(tmp_path):
    file = tmp_path / "partly.tflite"
    file.write_bytes(partly_unknown())

    found = from_tflite.read_file_partly(file)

    assert found.missing == {"CUMSUM": 2}
    kinds = [layer.kind for layer in found.graph.layers]
    assert kinds == ["Add", "Unknown", "Unknown", "Add"]
    unknown = found.graph.layers[1]
    assert (unknown.operator, unknown.inputs) == ("CUMSUM", ("b",))
    assert graph.written_names(unknown) == ("c",)
    with pytest.raises(errors.GraphError, match=r"CUMSUM.*not supported") as caught:
        from_tflite.read_file(file)
    assert len(str(caught.value).splitlines()) == 1


def test_without_its_work_a_network_is_not_priced(tmp_path):
    """Convolutions of a form that is not supported, or nothing but unknown kinds."""
    file = tmp_path / "hybrid.tflite"
    hybrid = Value((1, 8, 8, 4), "float32")
    file.write_bytes(
        models.one_operator(
            "CONV_2D",
            [hybrid, weights((4, 3, 3, 4)), None],
            Value((1, 4, 4, 4), "float32"),
            conv_options(),
        )
    )
    with pytest.raises(errors.GraphError, match="dynamic range"):
        from_tflite.read_file_partly(file)
    file.write_bytes(
        models.one_operator(
            "CUMSUM", [Value((1, 4)), models.integers([0])], Value((1, 4))
        )
    )
    with pytest.raises(errors.GraphError, match="no operator is supported"):
        from_tflite.read_file_partly(file)


def test_a_dilation_without_an_end_is_refused():
    def dilate(model):
        for operator in model.subgraphs[0].operators:
            if hasattr(operator.builtinOptions, "dilationWFactor"):
                operator.builtinOptions.dilationWFactor = 1 << 26

    model = models.edited(GOLDENS[0].read_bytes(), dilate)
    with pytest.raises(errors.GraphError) as caught:
        from_tflite.read(model)
    assert "elements" in str(caught.value) and len(str(caught.value)) < 2000


def test_reading_agrees_with_the_interpreters_reader():
    model = CMSISNET.read_bytes()
    program = tflite_file.parse(model)
    stored = schema.ModelT.InitFromPackedBuf(model).subgraphs[0]
    assert [t.name for t in program.tensors] == [
        t.name.decode() for t in stored.tensors
    ]
    assert [o.inputs for o in program.operators] == [
        tuple(o.inputs) for o in stored.operators
    ]


def test_neither_tensorflow_nor_an_interpreter_is_imported():
    code = (
        "import sys; from tfpipeline.ir import from_tflite; "
        f"from_tflite.read_file({str(CMSISNET)!r}); "
        "heavy = {'tensorflow', 'tflite_micro', 'ai_edge_litert'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run((sys.executable, "-c", code), cwd=ROOT, timeout=120)
    assert done.returncode == 0


def test_an_integer_network_between_float_borders_is_the_network_inside():
    inner = GOLDENS[0].read_bytes()
    expected = from_tflite.read(inner, name="net")
    found = from_tflite.read(models.with_float_border(inner), name="net")
    assert graph.equal(found, expected)


def test_a_border_of_bytes_is_left_out_where_it_only_moves_by_128():
    inner = GOLDENS[0].read_bytes()
    expected = from_tflite.read(inner)
    g = from_tflite.read(models.with_byte_border(inner))
    assert (g.layers, g.inputs, g.outputs) == (
        expected.layers,
        expected.inputs,
        expected.outputs,
    )
    other = from_tflite.read(models.with_byte_border(inner, zero_point=7))
    assert len(other.layers) == len(expected.layers) + 1


def test_a_bias_has_one_axis_whatever_the_file_says():
    output = Value((1, 8, 8, 3), scale=0.5)
    kernel = weights((3, 1, 1, 4), scale=[0.25, 0.5, 0.75])
    scales = [0.125, 0.25, 0.375]
    data = np.arange(3, dtype=np.int32)
    given, expected = (
        from_tflite.read(
            models.one_operator(
                "CONV_2D",
                [IMAGE, kernel, Value((3,), "int32", scales, axis=axis, data=data)],
                output,
                conv_options(stride=1),
            )
        )
        for axis in (3, 0)
    )
    assert given.tensors == expected.tensors


def _unsigned(name):
    def change(model):
        for tensor in model.subgraphs[0].tensors:
            if tensor.type == models.TYPES["int8"]:
                tensor.type = models.TYPES["uint8"]

    return models.edited(name.read_bytes(), change)


def _behind_the_flatbuffer(model):
    def change(parsed):
        tensors = parsed.subgraphs[0].tensors
        [place] = {int(each.buffer) for each in tensors if each.name == b"w"}
        parsed.buffers[place] = schema.BufferT(offset=4096, size=2)

    return models.edited(model, change)


@pytest.mark.parametrize("read", [from_tflite.read, tflite_file.parse])
def test_forms_that_nothing_here_takes_are_named(read):
    kernel = weights((10, 256))
    kernel.name = "w"
    dense = models.one_operator(
        "FULLY_CONNECTED",
        [IMAGE, kernel, None],
        Value((1, 10)),
        schema.FullyConnectedOptionsT(),
    )

    for model, message in (
        (_unsigned(GOLDENS[0]), "quantized to uint8, the form of TensorFlow 1"),
        (_behind_the_flatbuffer(dense), "'w': its values lie behind the flatbuffer"),
    ):
        with pytest.raises(errors.GraphError, match=message) as caught:
            read(model)
        assert "damaged" not in str(caught.value)
        assert len(str(caught.value)) < 400


OPEN = (-1, 8, 8, 4)


def _slice(signature=None, *, of_shape=False):
    """A slice of an image, or of the shape of an image."""
    source = Value((1, 8, 8, 4), signature=signature)
    bounds = [models.integers([0]), models.integers([1]), models.integers([1])]
    model = models.one_operator("STRIDED_SLICE", [source, *bounds], IMAGE)
    if not of_shape:
        return model

    def with_shape(parsed):
        graph_ = parsed.subgraphs[0]
        code = schema.BuiltinOperator.SHAPE
        parsed.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code)
        )
        graph_.tensors.append(
            schema.TensorT(shape=[4], type=models.TYPES["int32"], name=b"shape")
        )
        sizes = len(graph_.tensors) - 1
        operator = schema.OperatorT(opcodeIndex=1, inputs=[0], outputs=[sizes])
        inputs = [sizes, *map(int, graph_.operators[0].inputs[1:])]
        graph_.operators[0].inputs = inputs
        graph_.operators.append(operator)

    return models.edited(model, with_shape)


@pytest.mark.parametrize(
    ("model", "is_open"),
    [
        (_slice(), False),
        (_slice(OPEN), False),
        (_slice(of_shape=True), True),
        (models.one_operator("SPACE_TO_BATCH_ND", [IMAGE], IMAGE), False),
        (
            models.one_operator(
                "SPACE_TO_BATCH_ND",
                [Value((1, 8, 8, 4), signature=(-1, 8, 8, 4))],
                IMAGE,
            ),
            True,
        ),
    ],
    ids=["slice", "slice of open batch", "slice of a shape", "blocks", "open blocks"],
)
def test_batch_1_is_advised_where_it_helps(model, is_open):
    with pytest.raises(errors.GraphError) as caught:
        from_tflite.read(model)
    assert ("function of batch 1" in str(caught.value)) == is_open
