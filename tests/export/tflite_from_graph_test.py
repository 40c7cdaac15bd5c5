"""Graphs as `.tflite` files: read back, and run by TFLite Micro and TFLite."""

import dataclasses
import pathlib

import hypothesis
import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from hypothesis import strategies
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import from_graph, lowering, operators, packing
from tests import graph_builder, recurrent
from tests.export import tflite_graphs
from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.ir import from_tflite, geometry, graph, verify
from tfpipeline.simulate import execution

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden").glob("*_int*/*.tflite"))

FAMILIES = {
    "int8": (
        cases.INT8,
        cases.convolutions,
        cases.other_weighted,
        cases.transposed,
        cases.dense_per_channel,
        cases.unweighted,
        cases.sloped,
        cases.moved,
        cases.int8_only,
    ),
    "int4": (cases.INT4, cases.convolutions, cases.other_weighted),
    "int16": (
        cases.INT16,
        cases.convolutions,
        cases.other_weighted,
        cases.transposed,
        cases.dense_per_channel,
        cases.unweighted,
        cases.sloped,
        cases.moved,
    ),
    # Without a bias the file names the type of the sums, and the reader refuses int32.
    "narrow": (cases.INT16_NARROW, cases.dense_per_channel),
}
CASES = {
    f"{name}/{case}": arguments
    for name, (family, *groups) in FAMILIES.items()
    for group in groups
    for case, arguments in group(family).items()
}

FUNCTIONS = [
    ("ABS", "int8", 0.04, -3),
    ("ABS", "int16", 0.0004, 0),
    ("HARD_SWISH", "int8", 0.04, -3),
    ("RELU", "int8", 0.04, -3),
    ("RELU", "int16", 0.0004, 0),
    ("RELU6", "int8", 0.05, 0),
    ("LOGISTIC", "int8", 1 / 256, -128),
    ("LOGISTIC", "int16", 1 / 32768, 0),
    ("TANH", "int8", 1 / 128, 0),
    ("TANH", "int16", 1 / 32768, 0),
]


def lite(model, images, resolver=litert.OpResolverType.BUILTIN_REF):
    """TFLite's kernels, by default the reference, one image after another."""
    (found,) = lite_run(model, [images], resolver)
    return found


def lite_run(model, inputs, resolver):
    """As `lite`, of all inputs and outputs."""
    found = litert.Interpreter(
        model_content=model, experimental_op_resolver_type=resolver
    )
    found.allocate_tensors()
    sources, targets = (
        [each["index"] for each in details]
        for details in (found.get_input_details(), found.get_output_details())
    )
    outputs = []
    for image in zip(*inputs, strict=True):
        for source, values in zip(sources, image, strict=True):
            found.set_tensor(source, values[np.newaxis])
        found.invoke()
        outputs.append([found.get_tensor(target) for target in targets])
    return [np.concatenate(values) for values in zip(*outputs, strict=True)]


def parsed(model):
    return schema.ModelT.InitFromPackedBuf(model)


def versions(model):
    """Operator -> version, of the operators in the file."""
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
    return {
        names[code.builtinCode]: code.version for code in parsed(model).operatorCodes
    }


def assert_runs(g, seed=0, count=3):
    """The file computes in TFLite Micro what the simulation does; returns the file."""
    verify.require(g)
    model = from_graph.to_bytes(g)
    inputs = micro.random_inputs(g, count, seed)
    expected = execution.run(g, inputs)
    assert len(np.unique(expected[0])) > 1, "a constant shows nothing"
    found = micro.run(model, inputs, len(g.outputs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    return model


def assert_comes_back(g, **options):
    assert lowering.lower(g) is g
    model = assert_runs(g, **options)
    assert graph.equal(from_tflite.read(model, name=g.name), g)
    return model


def test_every_kind_is_written():
    assert {*operators.WRITERS, graph.Conv1D} == set(graph.LAYER_KINDS)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_goldens(path):
    converted = path.read_bytes()
    g = from_tflite.read(converted)
    model = assert_comes_back(g, count=8)
    assert list(from_tflite.read(model).tensors) == list(g.tensors)
    # The converter adds its metadata and signatures.
    assert 0.7 * len(converted) < len(model) < len(converted)
    images = micro.random_images(g, 4, seed=1)
    np.testing.assert_array_equal(lite(model, images), lite(converted, images))


@pytest.mark.parametrize("case", CASES)
def test_operators(case):
    g = from_tflite.read(cases.models.one_operator(*CASES[case]))
    if "conv without bias" in case:
        lowered = lowering.lower(g)
        (layer,) = lowered.layers
        assert not lowered.constants[layer.bias].any()
        model = assert_runs(g)
        assert graph.equal(from_tflite.read(model), lowered)
        g = lowered
    assert_comes_back(g)


@pytest.mark.parametrize("case", CASES)
def test_tflite_takes_the_operators(case):
    g = from_tflite.read(cases.models.one_operator(*CASES[case]))
    model = from_graph.to_bytes(g)
    inputs = micro.random_inputs(g, 3)
    resolvers = litert.OpResolverType
    # The list of reference kernels ends before the version of int4.
    is_int4 = case.startswith("int4/depthwise")
    kernels = resolvers.BUILTIN if is_int4 else resolvers.BUILTIN_REF
    results = lite_run(model, inputs, kernels)
    # TFLite rounds once: sums of dense layers, of optimized kernels, slopes.
    limit = 1 if is_int4 or "dense" in case or "relu" in case else 0
    for found, expected in zip(results, execution.run(g, inputs), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).max() <= limit


@pytest.mark.parametrize(("name", "dtype", "scale", "zero_point"), FUNCTIONS)
def test_functions(name, dtype, scale, zero_point):
    source = cases.Value((1, 50), dtype, 0.05 / (256 if dtype == "int16" else 1))
    result = cases.Value((1, 50), dtype, scale, zero_point)
    assert_comes_back(
        from_tflite.read(cases.models.one_operator(name, [source], result))
    )


def test_space_to_depth():
    case = (
        "SPACE_TO_DEPTH",
        [cases.INT8.image(4, 6, 3)],
        cases.INT8.image(2, 3, 12),
        schema.SpaceToDepthOptionsT(blockSize=2),
    )
    assert_comes_back(from_tflite.read(cases.models.one_operator(*case)))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_random_networks(dtype):
    kinds = set()
    for seed in range(20):
        g = tflite_graphs.random_network(seed, dtype)
        model = assert_runs(g, seed)
        lowered = lowering.lower(g)
        assert graph.equal(from_tflite.read(model), lowered, names=False)
        kinds |= {layer.kind for layer in g.layers}
    assert len(kinds) == 11, "every kind that a random network has"


def test_versions_are_those_of_the_types():
    def of(case):
        return versions(
            from_graph.to_bytes(
                from_tflite.read(cases.models.one_operator(*CASES[case]))
            )
        )

    assert of("int8/conv strided") == {"CONV_2D": 3}
    assert of("int8/conv grouped") == {"CONV_2D": 6}
    assert of("int4/conv strided") == {"CONV_2D": 7}
    assert of("int16/conv strided") == {"CONV_2D": 8}
    assert of("int4/dense") == {"FULLY_CONNECTED": 10}
    assert of("int16/add") == {"ADD": 3}
    assert of("int8/transposed") == {"TRANSPOSE_CONV": 3}
    assert of("int16/pad") == {"PAD": 3}


def test_data_are_aligned_and_stored_once():
    g = from_tflite.read_file(ROOT / "tests/golden/mlperf_int8/squeeze.tflite")
    model = from_graph.to_bytes(g, description="a network")
    buffers = [bytes(b.data) for b in parsed(model).buffers if b.data is not None]
    assert len(set(buffers)) == len(buffers) > 5
    for data in buffers:
        start = model.find(data)
        while start % packing.ALIGNMENT:
            start = model.find(data, start + 1)
            assert start > 0
    assert parsed(model).description == b"a network"


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("name", ["ds_cnn", "resnet"])
def test_narrow_kernels_are_packed(name, bits):
    path = ROOT / f"tests/golden/mlperf_int8/{name}.tflite"
    g = with_narrow_kernels(from_tflite.read_file(path), bits)
    model = assert_runs(g)
    # Of a dense layer with a scale a channel TFLite Micro reads 8 bits only.
    packed = [layer for layer in weighted(g) if layer.kind != "Dense"]
    assert len(packed) == len(weighted(g)) - 1
    in_8_bits = labeled(g, 8, weighted(g))
    expected = labeled(in_8_bits, 4, packed)
    assert graph.equal(from_tflite.read(model, name=name), expected)
    saved = len(from_graph.to_bytes(in_8_bits)) - len(model)
    elements = sum(g.tensors[layer.weights].num_elements for layer in packed)
    # Half of the kernels, but for the alignment of each.
    assert abs(saved - elements / 2) <= 16 * len(packed)


def test_kernels_beside_int16_stay_in_8_bits():
    g = from_tflite.read_file(ROOT / "tests/golden/tflite_int16/residual.tflite")
    g = with_narrow_kernels(g, 4)
    model = assert_runs(g)
    expected = labeled(g, 8, weighted(g))
    assert graph.equal(from_tflite.read(model, name=g.name), expected)


def weighted(g):
    return [layer for layer in g.layers if isinstance(layer, graph.Weighted)]


def labeled(g, bits, layers):
    """The graph with kernels whose `num_bits` is `bits`, of the same values."""
    tensors = dict(g.tensors)
    for name in {layer.weights for layer in layers}:
        quant = dataclasses.replace(tensors[name].quant, num_bits=bits)
        tensors[name] = dataclasses.replace(tensors[name], quant=quant)
    return dataclasses.replace(g, tensors=tensors)


def with_narrow_kernels(g, bits):
    """The graph of 8 bits with kernels rounded to `bits` on coarser scales."""
    tensors, constants = dict(g.tensors), dict(g.constants)
    step, limit = 2 ** (8 - bits), 2 ** (bits - 1)
    for name in {layer.weights for layer in weighted(g)}:
        rounded = np.rint(constants[name] / step).clip(-limit, limit - 1)
        constants[name] = rounded.astype(np.int8)
        quant = tensors[name].quant
        scale = tuple(step * each for each in quant.scale)
        tensors[name] = dataclasses.replace(
            tensors[name], quant=dataclasses.replace(quant, scale=scale)
        )
    g = dataclasses.replace(g, tensors=tensors, constants=constants)
    return labeled(g, bits, weighted(g))


@pytest.mark.parametrize("family", [cases.INT8, cases.INT16, cases.INT16_NARROW])
def test_a_bias_without_a_scale_gets_that_of_the_sums(family):
    case = cases.convolutions(family)["dense"]
    g = from_tflite.read(cases.models.one_operator(*case))
    (layer,) = g.layers
    bare = dataclasses.replace(g.tensors[layer.bias], quant=None)
    model = assert_runs(dataclasses.replace(g, tensors={**g.tensors, layer.bias: bare}))
    found = from_tflite.read(model).tensors["input2"].quant.scale
    expected = (np.float32(g.tensors["input0"].quant.scale[0]) * np.float32(0.01),)
    assert found == expected


def convolution(family, padding, stride, clamp, *, depthwise=False, dilation=1):
    """A graph of one 3x2 convolution with explicit padding, on a plane of 9x7."""
    kernel, name = (family.kernel(6, 3, 2, 4), "CONV_2D")
    if depthwise:
        kernel, name = family.kernel(1, 3, 2, 4, axis=3), "DEPTHWISE_CONV_2D"
    channels = kernel.shape[-1] if depthwise else 6
    options = cases.depthwise(1) if depthwise else cases.conv()
    model = cases.models.one_operator(
        name,
        [
            cases.INT16.image(9, 7, 4)
            if family is cases.INT16
            else family.image(9, 7, 4),
            kernel,
            family.bias(channels),
        ],
        family.result(9, 7, channels),
        options,
    )
    g = from_tflite.read(model)
    (layer,) = g.layers
    plane = [
        geometry.output_size(size, taps, stride, pair, dilation)
        for size, taps, pair in zip((9, 7), (3, 2), padding, strict=True)
    ]
    result = dataclasses.replace(g.tensors[layer.output], shape=(1, *plane, channels))
    changed = dataclasses.replace(
        layer,
        padding=padding,
        strides=(stride, stride),
        dilation=(dilation, dilation),
        clamp=clamp,
    )
    return dataclasses.replace(
        g, layers=(changed,), tensors={**g.tensors, layer.output: result}
    )


# All but int4: TFLite's reference has no such kernel.
@pytest.mark.parametrize("family", [cases.INT8, cases.INT16, cases.INT16_NARROW])
def test_a_depthwise_layer_without_a_bias_runs_in_every_kernel(family):
    """TFLite's optimized kernel reads a bias that is not there (ai-edge-litert 2.3)."""
    g = convolution(family, ((1, 1), (0, 1)), 1, graph.NO_CLAMP, depthwise=True)
    (layer,) = g.layers
    g = dataclasses.replace(
        g,
        layers=(dataclasses.replace(layer, bias=None),),
        tensors={k: v for k, v in g.tensors.items() if k != layer.bias},
        constants={k: v for k, v in g.constants.items() if k != layer.bias},
    )
    model = assert_runs(g)
    (written,) = from_tflite.read(model).layers
    assert not from_tflite.read(model).constants[written.bias].any()
    inputs = micro.random_inputs(g, 3)
    optimized = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    (found,) = lite_run(model, inputs, optimized)
    (expected,) = execution.run(g, inputs)
    # The optimized kernel rounds once.
    assert np.abs(found.astype(int) - expected).max() <= 1


pairs = strategies.tuples(strategies.integers(0, 3), strategies.integers(0, 3))


@pytest.mark.slow
@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT4, cases.INT16]),
    padding=strategies.tuples(pairs, pairs),
    stride=strategies.integers(1, 3),
    dilation=strategies.integers(1, 2),
    clamp=strategies.sampled_from(lowering.FUSED),
    depthwise=strategies.booleans(),
    seed=strategies.integers(0, 2**32 - 1),
)
def test_any_padding(family, padding, stride, dilation, clamp, depthwise, seed):
    hypothesis.assume(dilation == 1 or stride == 1)
    g = convolution(
        family, padding, stride, clamp, depthwise=depthwise, dilation=dilation
    )
    model = assert_runs(g, seed)
    lowered = lowering.lower(g)
    assert graph.equal(from_tflite.read(model), lowered, names=False)
    same = geometry.same_padding((9, 7), (3, 2), (stride, stride), (dilation, dilation))
    is_named = padding in (same, ((0, 0), (0, 0)))
    assert [layer.kind for layer in lowered.layers[:-1]] == (
        [] if is_named else ["Pad"]
    )


@pytest.mark.parametrize("padding", ["same", "valid", ((2, 1),)])
def test_rows(padding):
    builder = graph_builder.Builder((20, 3))
    builder.conv(4, 5, stride=2, padding=padding)
    builder.pool(2)
    g = builder.build()
    lowered = lowering.lower(g)
    verify.require(lowered)
    assert not any(
        isinstance(layer, graph.Conv1D) or len(getattr(layer, "strides", (1, 1))) == 1
        for layer in lowered.layers
    )
    model = from_graph.to_bytes(g)
    assert graph.equal(from_tflite.read(model), lowered, names=False)


def test_integer_rows_equal_the_plane():
    g = from_tflite.read(
        cases.models.one_operator(
            "CONV_2D",
            [
                cases.INT8.image(1, 16, 4),
                cases.INT8.kernel(6, 1, 3, 4),
                cases.INT8.bias(6),
            ],
            cases.INT8.result(1, 8, 6),
            cases.conv(stride=2),
        )
    )
    (layer,) = g.layers
    flat = {
        name: dataclasses.replace(t, shape=t.shape[:1] + t.shape[2:])
        for name, t in g.tensors.items()
        if len(t.shape) == 4
    }
    row = graph.Conv1D(
        name="row",
        inputs=layer.inputs,
        output=layer.output,
        weights=layer.weights,
        bias=layer.bias,
        clamp=layer.clamp,
        strides=layer.strides[1:],
        padding=layer.padding[1:],
    )
    weights = g.constants[layer.weights]
    assert_runs(
        dataclasses.replace(
            g,
            tensors={**g.tensors, **flat},
            constants={**g.constants, layer.weights: weights[:, 0]},
            layers=(row,),
        )
    )


def float_network():
    builder = graph_builder.Builder((12, 12, 3))
    builder.conv(8, padding=((0, 1), (2, 1)), stride=2)
    builder.depthwise(3)
    builder.pool(2)
    builder.conv(6, 1)
    builder.mean()
    builder.dense(5, relu=True)
    builder.softmax()
    g = builder.build()
    random = np.random.default_rng(0)
    return dataclasses.replace(
        g,
        constants={
            name: random.normal(0, 0.3, array.shape).astype(np.float32)
            for name, array in g.constants.items()
        },
    )


def test_float_networks():
    g = float_network()
    model = from_graph.to_bytes(g)
    assert graph.equal(
        from_tflite.read(model, name=g.name), lowering.lower(g), names=False
    )
    images = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32)
    expected = lite(model, images)
    assert len(np.unique(expected)) > 5
    # Sums of at most 72 products in another order.
    np.testing.assert_allclose(micro.predict(model, images), expected, rtol=1e-5)


def test_a_clamp_that_no_operator_carries_stands_alone():
    builder = graph_builder.Builder((6, 6, 2))
    builder.conv(3, 1)
    g = builder.build()
    unit = dataclasses.replace(g.layers[0], clamp=graph.Clamp(0.0, 1.0))
    g = dataclasses.replace(g, layers=(unit, *g.layers[1:]))
    model = from_graph.to_bytes(g)
    assert "RELU_0_TO_1" in versions(model)
    images = np.random.default_rng(1).normal(size=(1, 6, 6, 2)).astype(np.float32)
    found = lite(model, images)
    sums = images.sum(axis=-1, keepdims=True) + 1
    # Products with ones and the bias of one, in float32.
    np.testing.assert_allclose(
        found, np.broadcast_to(np.clip(sums, 0, 1), found.shape), atol=1e-6
    )


def test_all_that_cannot_be_written_is_named_at_once():
    builder = graph_builder.Builder((8, 8, 4), name="net")
    builder.pool(2, padding=((1, 1), (1, 1)))
    builder.conv(3, 3)
    g = builder.build()
    odd = dataclasses.replace(g.layers[1], name="odd", clamp=graph.Clamp(0.0, 4.0))
    g = dataclasses.replace(g, layers=(g.layers[0], odd))
    with pytest.raises(errors.ExportError) as caught:
        from_graph.to_bytes(g)
    message = str(caught.value)
    assert "graph 'net' cannot be written" in message
    assert f"MaxPool '{g.layers[0].name}': its padding must be" in message
    assert "Conv2D 'odd': its clamp must be one of" in message
    assert "found 0 to 4" in message


def test_operators_that_int16_lacks_are_named():
    g = from_tflite.read(
        cases.models.one_operator(
            "SPACE_TO_DEPTH",
            [cases.INT16.image(2, 2, 1)],
            cases.INT16.image(1, 1, 4),
            schema.SpaceToDepthOptionsT(blockSize=2),
        )
    )
    with pytest.raises(
        errors.ExportError, match=r"SpaceToDepth 'layer'.*int16 tensors"
    ):
        from_graph.to_bytes(g)


def test_a_dense_layer_of_another_shape_is_refused():
    builder = graph_builder.Builder((4, 6), name="net")
    builder.dense(3)
    g = builder.build()
    (layer,) = g.layers
    source = dataclasses.replace(g.tensors[layer.output], shape=(1, 1, 3))
    g = dataclasses.replace(g, tensors={**g.tensors, layer.output: source})
    verify.require(g)
    with pytest.raises(errors.ExportError, match="must have two dimensions or"):
        from_graph.to_bytes(g)


@pytest.mark.parametrize(
    "model", [recurrent.lstm(), recurrent.lstm("int16"), recurrent.svdf()]
)
def test_layers_that_keep_a_state(model):
    assert_comes_back(from_tflite.read(model))
