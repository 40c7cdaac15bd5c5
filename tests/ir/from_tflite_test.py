"""Reading `.tflite` files into graphs: every operator, type and refusal."""

import dataclasses

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tests.ir.tflite_values import (
    CMSISNET,
    GOLDENS,
    IMAGE,
    RELU,
    SAME,
    TANH,
    VALID,
    Value,
    bias,
    conv_options,
    pool_options,
    weights,
)
from tfpipeline import errors
from tfpipeline.ir import (
    from_tflite,
    graph,
    tflite_file,
    tflite_operators,
    verify,
)

# Operator, inputs, output, options, the layer without name, inputs and output.
CASES = [
    (
        "CONV_2D",
        [IMAGE, weights((6, 3, 3, 4), scale=[0.5] * 6), bias(6)],
        Value((1, 4, 4, 6)),
        conv_options(),
        graph.Conv2D,
        {
            "strides": (2, 2),
            "padding": ((0, 1), (0, 1)),
            "dilation": (1, 1),
            "clamp": graph.RELU6,
        },
    ),
    (
        "DEPTHWISE_CONV_2D",
        [IMAGE, weights((1, 3, 3, 8), scale=[0.5] * 8, axis=3), bias(8)],
        Value((1, 4, 4, 8)),
        schema.DepthwiseConv2DOptionsT(
            padding=VALID,
            strideH=1,
            strideW=1,
            depthMultiplier=2,
            dilationHFactor=2,
            dilationWFactor=2,
            fusedActivationFunction=RELU,
        ),
        graph.DepthwiseConv2D,
        {"padding": ((0, 0), (0, 0)), "dilation": (2, 2), "clamp": graph.RELU},
    ),
    (
        "TRANSPOSE_CONV",
        [models.integers([1, 16, 16, 6]), weights((6, 3, 3, 4)), IMAGE, bias(6)],
        Value((1, 16, 16, 6)),
        schema.TransposeConvOptionsT(padding=SAME, strideH=2, strideW=2),
        graph.TransposeConv2D,
        {"strides": (2, 2), "padding": ((0, 1), (0, 1)), "bias": "input3"},
    ),
    (
        "FULLY_CONNECTED",
        [IMAGE, weights((10, 256)), None],
        Value((1, 10)),
        schema.FullyConnectedOptionsT(),
        graph.Dense,
        {"bias": None, "clamp": graph.NO_CLAMP},
    ),
    (
        "MAX_POOL_2D",
        [IMAGE],
        Value((1, 4, 4, 4)),
        pool_options(),
        graph.MaxPool,
        {"kernel_size": (2, 2), "strides": (2, 2)},
    ),
    (
        "AVERAGE_POOL_2D",
        [Value((1, 7, 7, 4))],
        Value((1, 4, 4, 4)),
        pool_options(SAME),
        graph.AveragePool,
        {"padding": ((0, 1), (0, 1))},
    ),
    (
        "MEAN",
        [IMAGE, models.integers([-2, 1])],
        Value((1, 4)),
        schema.ReducerOptionsT(),
        graph.Mean,
        {"axes": (1, 2)},
    ),
    ("ADD", [IMAGE, IMAGE], IMAGE, schema.AddOptionsT(), graph.Add, {}),
    (
        "SPLIT",
        [models.integers(-1), IMAGE],
        [Value((1, 8, 8, 2))] * 2,
        schema.SplitOptionsT(numSplits=2),
        graph.Split,
        {"axis": 3, "further": ("net/layer/Output:1",)},
    ),
    (
        "SPLIT_V",
        [IMAGE, models.integers([3, 5]), models.integers([1])],
        [Value((1, 3, 8, 4)), Value((1, 5, 8, 4))],
        schema.SplitVOptionsT(numSplits=2),
        graph.Split,
        {"axis": 1, "further": ("net/layer/Output:1",)},
    ),
    (
        "PACK",
        [IMAGE, IMAGE],
        Value((1, 8, 8, 4, 2)),
        schema.PackOptionsT(valuesCount=2, axis=-1),
        graph.Pack,
        {"axis": 4, "inputs": ("input0", "input1")},
    ),
    (
        "UNPACK",
        [Value((1, 2, 4))],
        [Value((1, 4))] * 2,
        schema.UnpackOptionsT(num=2, axis=1),
        graph.Unpack,
        {"axis": 1, "further": ("net/layer/Output:1",)},
    ),
    (
        "SUB",
        [IMAGE, Value((1, 1, 1, 4), scale=0.125)],
        IMAGE,
        schema.SubOptionsT(fusedActivationFunction=RELU),
        graph.Sub,
        {"clamp": graph.RELU},
    ),
    ("MUL", [IMAGE, weights((4,))], IMAGE, schema.MulOptionsT(), graph.Mul, {}),
    ("MINIMUM", [IMAGE, IMAGE], IMAGE, None, graph.Minimum, {}),
    ("MAXIMUM", [IMAGE, weights((4,), scale=0.5)], IMAGE, None, graph.Maximum, {}),
    *(
        (name, [IMAGE, models.integers([-2, 0])], result, options, kind, fields)
        for name, result, options, kind, fields in (
            (
                "REDUCE_MAX",
                Value((8, 4)),
                schema.ReducerOptionsT(),
                graph.ReduceMax,
                {"axes": (0, 2)},
            ),
            (
                "REDUCE_MIN",
                Value((1, 8, 1, 4)),
                schema.ReducerOptionsT(keepDims=True),
                graph.ReduceMin,
                {"axes": (0, 2)},
            ),
        )
    ),
    (
        "ARG_MAX",
        [IMAGE, models.integers(-1)],
        Value((1, 8, 8), "int64", None),
        schema.ArgMaxOptionsT(),
        graph.ArgMax,
        {"axis": 3},
    ),
    (
        "ARG_MIN",
        [IMAGE, models.integers([1])],
        Value((1, 8, 4), "int32", None),
        schema.ArgMinOptionsT(),
        graph.ArgMin,
        {"axis": 1},
    ),
    (
        "PADV2",
        [
            IMAGE,
            models.integers([[0, 0], [1, 2], [0, 1], [0, 0]]),
            Value((), data=np.array(-3, np.int8)),
        ],
        Value((1, 11, 9, 4)),
        schema.PadV2OptionsT(),
        graph.PadV2,
        {"padding": ((0, 0), (1, 2), (0, 1), (0, 0)), "inputs": ("input0", "input2")},
    ),
    (
        "MIRROR_PAD",
        [IMAGE, models.integers([[0, 0], [7, 2], [0, 1], [0, 0]])],
        Value((1, 17, 9, 4)),
        schema.MirrorPadOptionsT(mode=schema.MirrorPadMode.REFLECT),
        graph.MirrorPad,
        {"padding": ((0, 0), (7, 2), (0, 1), (0, 0)), "mode": "reflect"},
    ),
    (
        "TRANSPOSE",
        [Value((1, 2, 3, 4)), models.integers([0, 3, -3, 2])],
        Value((1, 4, 2, 3)),
        None,
        graph.Transpose,
        {"permutation": (0, 3, 1, 2)},
    ),
    (
        "SLICE",
        [IMAGE, models.integers([0, 2, 0, 1]), models.integers([1, 3, -1, 2])],
        Value((1, 3, 8, 2)),
        None,
        graph.Slice,
        {"begin": (0, 2, 0, 1), "size": (1, 3, 8, 2)},
    ),
    (
        "STRIDED_SLICE",
        [IMAGE, *map(models.integers, ([0, -1, 1, 2], [1, 0, 9, 9], [1, -3, 2, 1]))],
        Value((1, 3, 4)),
        schema.StridedSliceOptionsT(shrinkAxisMask=8),
        graph.StridedSlice,
        {"begin": (0, 7, 1, 2), "size": (1, 3, 4, 1), "steps": (1, -3, 2, 1)},
    ),
    (
        "RESIZE_NEAREST_NEIGHBOR",
        [IMAGE, models.integers([16, 4])],
        Value((1, 16, 4, 4)),
        schema.ResizeNearestNeighborOptionsT(halfPixelCenters=True),
        graph.ResizeNearestNeighbor,
        {"align_corners": False, "half_pixel_centers": True},
    ),
    (
        "RESIZE_BILINEAR",
        [IMAGE, models.integers([16, 4])],
        Value((1, 16, 4, 4)),
        schema.ResizeBilinearOptionsT(alignCorners=True),
        graph.ResizeBilinear,
        {"align_corners": True, "half_pixel_centers": False},
    ),
    (
        "LEAKY_RELU",
        [IMAGE],
        IMAGE,
        schema.LeakyReluOptionsT(alpha=0.25),
        graph.LeakyRelu,
        {"alpha": 0.25},
    ),
    ("PRELU", [IMAGE, weights((1, 1, 4))], IMAGE, None, graph.PRelu, {}),
    (
        "CONCATENATION",
        [IMAGE, Value((1, 8, 8, 2))],
        Value((1, 8, 8, 6)),
        schema.ConcatenationOptionsT(axis=-1),
        graph.Concat,
        {"axis": 3},
    ),
    (
        "PAD",
        [IMAGE, models.integers([[0, 0], [1, 2], [0, 1], [0, 0]])],
        Value((1, 11, 9, 4)),
        schema.PadOptionsT(),
        graph.Pad,
        {"padding": ((0, 0), (1, 2), (0, 1), (0, 0))},
    ),
    (
        "RESHAPE",
        [IMAGE, models.integers([1, 256])],
        Value((1, 256)),
        None,
        graph.Reshape,
        {},
    ),
    ("SQUEEZE", [Value((1, 1, 4))], Value((1, 4)), None, graph.Reshape, {}),
    (
        "EXPAND_DIMS",
        [Value((1, 4)), models.integers([1])],
        Value((1, 1, 4)),
        None,
        graph.Reshape,
        {},
    ),
    (
        "SPACE_TO_DEPTH",
        [IMAGE],
        Value((1, 4, 4, 16)),
        schema.SpaceToDepthOptionsT(blockSize=2),
        graph.SpaceToDepth,
        {"block_size": 2},
    ),
    ("QUANTIZE", [IMAGE], Value((1, 8, 8, 4), "int16"), None, graph.Requantize, {}),
    (
        "SOFTMAX",
        [Value((1, 4))],
        Value((1, 4), scale=1 / 256, zero_point=-128),
        schema.SoftmaxOptionsT(beta=2.0),
        graph.Softmax,
        {"beta": 2.0},
    ),
    *(
        (name, [IMAGE], IMAGE, None, graph.Activation, {"function": function})
        for name, function in tflite_operators.FUNCTIONS.items()
    ),
]


def read_case(operator):
    name, inputs, output, options, _, _ = next(c for c in CASES if c[0] == operator)
    return from_tflite.read(models.one_operator(name, inputs, output, options))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_reads_operator(case):
    name, _, _, _, kind, fields = case
    g = read_case(name)

    (layer,) = g.layers
    assert type(layer) is kind
    assert {field: getattr(layer, field) for field in fields} == fields
    assert (layer.name, layer.output) == ("layer", "net/layer/Output")
    assert g.outputs == graph.written_names(layer)
    assert verify.violations(g) == ()


@pytest.mark.parametrize("axes", [[1, 2], [-2, -3]])
def test_largest_of_a_plane_is_a_pool_and_a_reshape(axes):
    inputs = [Value((1, 8, 6, 4)), models.integers(axes)]
    result = Value((1, 4), name="net/gmp/Max")
    model = models.one_operator("REDUCE_MAX", inputs, result)
    pool, reshape = from_tflite.read(model).layers
    assert (pool.kind, pool.kernel_size, pool.strides) == ("MaxPool", (8, 6), (8, 6))
    assert (pool.name, reshape.name) == ("gmp_pool", "gmp")
    assert (reshape.kind, reshape.inputs) == ("Reshape", (pool.output,))

    kept = models.one_operator("REDUCE_MAX", inputs, Value((1, 1, 1, 4)))
    (layer,) = from_tflite.read(kept).layers
    assert (layer.kind, layer.output) == ("MaxPool", "net/layer/Output")


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_largest_of_other_axes_and_types_stays_what_it_is(dtype):
    image = Value((1, 8, 6, 4), dtype)
    axes = [1, 2] if dtype == "int16" else [1]
    shape = (1, 4) if dtype == "int16" else (1, 6, 4)
    inputs = [image, models.integers(axes)]
    model = models.one_operator("REDUCE_MAX", inputs, Value(shape, dtype))
    (layer,) = from_tflite.read(model).layers
    assert (layer.kind, layer.axes) == ("ReduceMax", tuple(axes))


def test_axes_that_do_not_exist_are_refused():
    inputs = [IMAGE, models.integers([5, 6])]
    message = error_of("REDUCE_MAX", inputs, Value((1, 8, 8)))
    assert "axes (5, 6) do not exist in 4 dimensions" in message


@pytest.mark.parametrize(
    ("inputs", "options", "reason"),
    [
        ([[0, 0], [1, 4], [1, 1]], {}, "must have a value for each of (1, 4)"),
        ([[0, 0], [1, 4], [1, 0]], {}, "no stride may be 0"),
        ([[0, 0], [1, 4], [1, 1]], {"ellipsisMask": 1}, "ellipsis_mask 1 is not"),
        ([[0, 0], [1, 4], [1, 1]], {"newAxisMask": 2}, "new_axis_mask 2 is not"),
        ([[0, 3], [1, 4], [1, -1]], {"shrinkAxisMask": 2}, "dropped by the stride -1"),
        ([[0, 4], [1, 4], [1, 1]], {}, "IR-RESULT"),
    ],
)
def test_slices_that_are_none_are_refused(inputs, options, reason):
    operands = [Value((1, 4)), *map(models.integers, inputs)]
    if "for each" in reason:
        operands[1] = models.integers([0])
    options = schema.StridedSliceOptionsT(**options)
    message = error_of("STRIDED_SLICE", operands, Value((1, 4)), options)
    assert reason in message


def test_a_padded_value_that_is_no_constant_is_refused():
    inputs = [Value((1, 4)), models.integers([[0, 0], [1, 0]]), Value((1,))]
    message = error_of("PADV2", inputs, Value((1, 5)), schema.PadV2OptionsT())
    assert "the value must be constant" in message


def test_a_pad_with_a_value_is_one_of_that_value():
    value = Value((), data=np.array(3, np.int8))
    inputs = [Value((1, 4)), models.integers([[0, 0], [1, 0]]), value]
    model = models.one_operator("PAD", inputs, Value((1, 5)), schema.PadOptionsT())
    (layer,) = from_tflite.read(model).layers
    assert (layer.kind, layer.inputs) == ("PadV2", ("input0", "input2"))


def test_transposed_kernels_may_leave_gaps():
    inputs = [models.integers([1, 24, 25, 6]), weights((6, 2, 2, 4)), IMAGE, bias(6)]
    options = schema.TransposeConvOptionsT(padding=VALID, strideH=3, strideW=3)
    result = Value((1, 24, 25, 6))
    model = models.one_operator("TRANSPOSE_CONV", inputs, result, options)
    (layer,) = from_tflite.read(model).layers
    assert layer.padding == ((0, -1), (0, -2))
    wider = dataclasses.replace(result, shape=(1, 26, 25, 6))
    inputs[0] = models.integers([1, 26, 25, 6])
    assert "IR-ATTRIBUTES" in error_of("TRANSPOSE_CONV", inputs, wider, options)


def test_reshape_needs_no_shape_operand():
    g = from_tflite.read(models.one_operator("RESHAPE", [IMAGE], Value((1, 256))))
    assert g.layers[0].kind == "Reshape"


def test_every_reader_has_a_case():
    # Files with variables: simulate/recurrent_test.
    found = {case[0] for case in CASES} | tflite_file.STATEFUL
    assert found == set(tflite_operators.READERS)


def test_every_kind_is_read_from_some_operator():
    # TFLite has no convolution along one axis: it is CONV_2D between reshapes.
    others = {graph.Conv1D, graph.Lstm, graph.Svdf}
    assert {case[4] for case in CASES} == set(graph.LAYER_KINDS) - others


@pytest.mark.parametrize("path", [*GOLDENS, CMSISNET], ids=lambda path: path.stem)
def test_reads_converted_networks(path):
    g = from_tflite.read_file(path)

    assert g.name == path.stem
    (source,) = (g.tensors[name] for name in g.inputs)
    assert (source.dtype, len(source.shape), source.num_bits) == ("int8", 4, 8)
    assert len(g.layers) >= 4


def test_reads_the_weights_that_tflite_reads():
    path = GOLDENS[0]
    g = from_tflite.read_file(path)
    stored = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    tensors = {t.name.decode(): t for t in stored.subgraphs[0].tensors}

    weighted = [layer for layer in g.layers if isinstance(layer, graph.Weighted)]
    assert weighted
    for layer in weighted:
        tensor = tensors[layer.weights]
        expected = np.asarray(stored.buffers[tensor.buffer].data, np.uint8)
        found = g.constants[layer.weights]
        np.testing.assert_array_equal(found.view(np.uint8).ravel(), expected)
        quant = g.tensors[layer.weights].quant
        assert quant.scale == tuple(map(float, tensor.quantization.scale))


def test_layers_have_the_names_of_keras():
    names = [layer.name for layer in from_tflite.read_file(CMSISNET).layers]
    assert " ".join(names) == (
        "conv1 conv2 pool1 conv3 conv4 pool2 conv5 pool3 conv6 flatten logits"
    )


@pytest.mark.parametrize(
    ("activation", "kernel", "bias_type"),
    [
        ("float32", "float32", "float32"),
        ("int8", "int4", "int32"),
        ("int16", "int8", "int64"),
        ("int16", "int8", "int32"),
    ],
)
def test_reads_all_combinations_of_types(activation, kernel, bias_type):
    shape = (5, 3, 3, 3)
    model = models.one_operator(
        "CONV_2D",
        [Value((1, 8, 8, 3), activation), weights(shape, kernel), bias(5, bias_type)],
        Value((1, 4, 4, 5), activation),
        conv_options(),
    )
    g = from_tflite.read(model)

    (layer,) = g.layers
    expected = (np.arange(135) % 15 - 7).reshape(shape)
    np.testing.assert_array_equal(g.constants[layer.weights], expected)
    np.testing.assert_array_equal(g.constants[layer.bias], np.arange(5))
    assert g.tensors[layer.weights].num_bits == {"int4": 4, "int8": 8}.get(kernel, 32)
    assert g.tensors[layer.weights].dtype == ("int8" if kernel == "int4" else kernel)
    assert (g.tensors[g.inputs[0]].quant is None) == (activation == "float32")


def test_empty_and_repeated_names_become_unique():
    inputs = [Value((1, 4), name="x"), Value((1, 4), name="x")]
    model = models.one_operator(
        "ADD", inputs, Value((1, 4), name=""), schema.AddOptionsT()
    )
    g = from_tflite.read(model)
    assert (g.layers[0].inputs, g.outputs) == (("x", "x#1"), ("tensor_2",))


def test_names_cannot_break_a_message_into_lines():
    source = Value((1, 8, 4), signature=(1, -1, 4), name="a\nb\x00")
    message = error_of("TANH", [source], Value((1, 8, 4)))
    assert "'a?b?'" in message


def test_free_batch_is_one():
    source = Value((1, 4), signature=(-1, 4))
    g = from_tflite.read(models.one_operator("TANH", [source], Value((1, 4))))
    assert g.tensors[g.inputs[0]].shape == (1, 4)


def error_of(name, inputs, output, options=None):
    with pytest.raises(errors.GraphError) as caught:
        from_tflite.read(models.one_operator(name, inputs, output, options))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_dynamic_shape_names_the_tensor():
    source = Value((1, 8, 4), signature=(1, -1, 4), name="sequence")
    message = error_of("TANH", [source], Value((1, 8, 4)))
    assert "tensor 0 'sequence' has a dynamic shape" in message


def test_unsupported_operator_is_named_with_what_is_supported():
    message = error_of("GATHER", [IMAGE, models.integers([0])], IMAGE)
    assert message.startswith("operator 0 GATHER writing 'net/layer/Output'")
    assert "docs/operators.md lists" in message


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("DEQUANTIZE", IMAGE, "float"),
        ("QUANTIZE", Value((1, 8, 8, 4), "float32"), "float"),
        ("SHAPE", IMAGE, "the batch is open"),
    ],
)
def test_refusals_say_why(name, source, reason):
    assert reason in error_of(name, [source], IMAGE)


def test_hybrid_weights_are_refused():
    message = error_of(
        "FULLY_CONNECTED",
        [Value((1, 4), "float32"), weights((2, 4)), None],
        Value((1, 2), "float32"),
        schema.FullyConnectedOptionsT(),
    )
    assert message.startswith("operator 0 FULLY_CONNECTED writing")
    assert "dynamic range quantization" in message


def test_kernel_that_is_computed_is_refused():
    message = error_of(
        "FULLY_CONNECTED",
        [Value((1, 4)), Value((2, 4)), None],
        Value((1, 2)),
        schema.FullyConnectedOptionsT(),
    )
    assert "must be constants; input 1 'input1' is not" in message


def test_int16_sums_of_32_bits_without_bias_are_refused():
    options = schema.FullyConnectedOptionsT(quantizedBiasType=models.TYPES["int32"])
    message = error_of(
        "FULLY_CONNECTED",
        [Value((1, 4), "int16"), weights((2, 4)), None],
        Value((1, 2), "int16"),
        options,
    )
    assert "without a bias, sums of 32 bits of int16" in message


def test_fused_tanh_is_refused():
    message = error_of(
        "ADD", [IMAGE, IMAGE], IMAGE, schema.AddOptionsT(fusedActivationFunction=TANH)
    )
    assert "fused activation 4" in message


def test_options_of_another_operator_are_refused():
    message = error_of("ADD", [IMAGE, IMAGE], IMAGE, schema.Pool2DOptionsT())
    assert "needs AddOptions" in message


def test_options_that_are_all_defaults_may_be_left_out():
    given, absent = (
        from_tflite.read(models.one_operator("ADD", [IMAGE, IMAGE], IMAGE, options))
        for options in (schema.AddOptionsT(), None)
    )
    assert absent.layers == given.layers


@pytest.mark.parametrize("name", [*sorted(tflite_file.OPTIONS)])
def test_defaults_are_those_of_the_schema(name):
    options, _ = tflite_file.OPTIONS[name]
    written = getattr(schema, f"{options}T")()
    values = [
        tflite_file.parse(models.one_operator(name, [IMAGE, IMAGE], IMAGE, each))
        .operators[0]
        .options
        for each in (written, None)
    ]
    assert values[0] == values[1]


def test_data_that_do_not_fill_the_shape_are_refused():
    short = Value((10, 256), data=np.zeros(9, np.int8), name="kernel")
    message = error_of(
        "FULLY_CONNECTED",
        [IMAGE, short, None],
        Value((1, 10)),
        schema.FullyConnectedOptionsT(),
    )
    assert "'kernel' of shape (10, 256) and type int8 needs 2560 bytes" in message


def test_absent_file_and_other_file_types(tmp_path):
    with pytest.raises(errors.StorageError, match=r"cannot read .*none\.tflite"):
        from_tflite.read_file(tmp_path / "none.tflite")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"PK\x03\x04" + bytes(20))
    with pytest.raises(errors.GraphError, match=r"model\.tflite: not a TFLite file"):
        from_tflite.read_file(path)


def test_damage_names_the_part_and_its_offset():
    def point_elsewhere(model):
        model.subgraphs[0].operators[0].inputs = [0, 999, 1]

    model = models.edited(GOLDENS[0].read_bytes(), point_elsewhere)
    with pytest.raises(errors.GraphError, match=r"operator 0 at offset \d+: .* 999 of"):
        from_tflite.read(model)


def test_a_variable_is_refused():
    def remember(model):
        model.subgraphs[0].tensors[3].isVariable = True

    model = models.edited(GOLDENS[0].read_bytes(), remember)
    with pytest.raises(errors.GraphError, match=r"tensor 3 .* a variable, which lasts"):
        from_tflite.read(model)


def test_the_first_subgraph_is_read():
    """TensorFlow Lite Micro runs it; others only where an operator calls them."""
    model = GOLDENS[0].read_bytes()

    def add(parsed):
        parsed.subgraphs.append(schema.SubGraphT(name=b"other", tensors=[]))

    several = models.edited(model, add)
    assert graph.equal(from_tflite.read(several), from_tflite.read(model))
