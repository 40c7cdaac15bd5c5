"""Quantization-aware networks: what is read equals the converter's int8 file."""

import numpy as np
import pytest

from export.tflite import trained, trained_outputs
from tests import registered_networks
from tests.export import tensorflow_converter
from tests.golden import dead_networks, tiny_networks
from tests.readers import from_keras_test, keras_networks
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.ir import from_tflite, graph, layer_rules, verify
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.numerics import lost_weights
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.readers import from_keras
from tfpipeline.targets.tflm import flatbuffer

L = keras.layers


def assert_equals_conversion(qat_model):
    expected = from_tflite.read(tensorflow_converter.convert(qat_model))
    found = from_keras.read(qat_model)
    assert verify.violations(found) == ()
    assert [layer.kind for layer in found.layers] == [
        layer.kind for layer in expected.layers
    ]
    assert graph.equal(found, expected, names=False)


def assert_equals_conversion_but_for_cut_off_biases(qat_model):
    """The converter cuts off a bias that its kernel's scale leaves no room for."""
    expected = from_tflite.read(tensorflow_converter.convert(qat_model))
    found = from_keras.read(qat_model)
    assert verify.violations(found) == ()
    widened = 0
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        assert ours.kind == theirs.kind
        quants = [
            g.tensors[layer.output].quant
            for g, layer in ((found, ours), (expected, theirs))
        ]
        assert quants[0] == quants[1]
        if not isinstance(ours, graph.Weighted):
            continue
        kernel, scale, bias = _weights(found, ours)
        their_kernel, their_scale, their_bias = _weights(expected, theirs)
        is_kept = np.abs(their_bias) < 2**30
        np.testing.assert_array_equal(bias[is_kept], their_bias[is_kept])
        axis = layer_rules.channel_axis(ours, kernel.shape)
        channels = np.moveaxis(kernel, axis, 0), np.moveaxis(their_kernel, axis, 0)
        if len(scale) == 1:
            is_kept = np.array([is_kept.all()])
        np.testing.assert_array_equal(scale[is_kept], their_scale[is_kept])
        is_equal = np.broadcast_to(is_kept, len(channels[0]))
        np.testing.assert_array_equal(channels[0][is_equal], channels[1][is_equal])
        assert (scale[~is_kept] > their_scale[~is_kept]).all()
        widened += int((~is_kept).sum())
    assert widened
    assert lost_weights.notes(expected) != lost_weights.notes(found)
    assert not any("biases" in note for note in lost_weights.notes(found))


def _weights(g, layer):
    """Kernel, its scales and the biases."""
    kernel = g.constants[layer.weights]
    count = g.tensors[layer.output].shape[-1]
    bias = np.zeros(count, int) if layer.bias is None else g.constants[layer.bias]
    return kernel, np.array(g.tensors[layer.weights].quant.scale), bias.astype(int)


def fake_quantized(model):
    shape = (4, *model.input_shape[1:])
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    return tflite_int8.prepare_qat(model, ((pixels - 128) / 128).astype(np.float32))


def registered(name):
    model = from_keras_test.registered(name, batch_norm=True)
    return fake_quantized(batch_norm_folding.fold(model))


def normal(model):
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("network", tiny_networks.NETWORKS, ids=lambda n: n.__name__)
def test_tiny_network_equals_its_conversion(network):
    model = tiny_networks.build(network)
    assert_equals_conversion(tiny_networks.fake_quantized(model))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "facenet_v2",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("cmsisnet", "resnet8")),
    ],
)
def test_registered_network_equals_its_conversion(name):
    assert_equals_conversion(registered(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", registered_networks.PORTABLE)
def test_every_registered_network_equals_its_conversion(name):
    assert_equals_conversion(registered(name))


def conv(x, filters=4, **options):
    return L.Conv2D(filters, 3, padding="same", **options)(x)


def scales_that_differ():
    """Where the converter adds a QUANTIZE, in front of joins; averages need none."""
    image = keras.Input(keras_networks.IMAGE)
    x = conv(image, activation="relu")
    joined = L.Concatenate()([L.MaxPooling2D(2, 1, "same")(x), conv(image), x, image])
    both = L.Concatenate()([joined, conv(joined)])
    x = L.AveragePooling2D()(L.AveragePooling2D()(both))
    x = L.ReLU()(L.MaxPooling2D()(conv(x)))
    return keras.Model(image, L.Dense(3)(L.Flatten()(x)))


def fixed_scales():
    image = keras.Input(keras_networks.IMAGE)
    x = L.Activation("sigmoid")(conv(L.ZeroPadding2D(1)(image)))
    x = L.Activation("tanh")(conv(x, use_bias=False))
    x = L.Dense(5, use_bias=False)(L.GlobalMaxPooling2D()(L.Softmax()(conv(x))))
    return keras.Model(image, L.Softmax()(x))


def rounded_twice():
    """A ReLU moves in front of the rounding before it; what reads both keeps it."""
    image = keras.Input(keras_networks.IMAGE)
    x = L.ReLU()(
        L.Activation("linear")(L.DepthwiseConv2D(3, depth_multiplier=2)(image))
    )
    y = L.Conv2D(6, 3)(image)
    total = L.Add()([x, L.ReLU()(y)])
    return keras.Model(image, L.Add()([total, y]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [scales_that_differ, fixed_scales, rounded_twice],
    ids=lambda network: network.__name__,
)
def test_structure_equals_its_conversion(network):
    assert_equals_conversion(fake_quantized(normal(network())))


def relu6_of_its_own():
    """What it reads has a wider range than what it writes, and is read elsewhere."""
    image = keras.Input(keras_networks.IMAGE)
    x = L.Conv2D(6, 3)(image)
    return keras.Model(image, L.Add()([L.ReLU(6.0)(x), x]))


def test_a_relu6_of_its_own_reads_what_it_writes():
    """TensorFlow Lite Micro does not rescale it, and the converter relies on that."""
    qat_model = fake_quantized(normal(relu6_of_its_own()))
    g = from_keras.read(qat_model)
    (relu6,) = (layer for layer in g.layers if isinstance(layer, graph.Activation))
    quants = [g.tensors[name].quant for name in (*relu6.inputs, relu6.output)]
    assert quants[0] == quants[1]
    assert quants[0].scale[0] == pytest.approx(6 / 255)
    data = trained.convert(qat_model)
    pixels = np.random.default_rng(1).integers(-128, 128, (8, *keras_networks.IMAGE))
    micro_outputs = micro.predict(data, pixels.astype(np.int8))
    images = (pixels / 128).astype(np.float32)
    trained_outputs.compare(
        flatbuffer.read(data), micro_outputs, qat_model(images).numpy()
    )


@pytest.mark.slow
def test_requantize_stands_where_scales_differ():
    g = from_keras.read(fake_quantized(normal(scales_that_differ())))
    assert sum(isinstance(layer, graph.Requantize) for layer in g.layers) >= 5


def unusual():
    """Ranges that do not hold zero, dead and tiny channels, huge biases."""
    model = keras_networks.sequence(
        L.Conv2D(5, 3),
        L.ReLU(),
        L.DepthwiseConv2D(3),
        L.Conv2D(4, 1),
        L.Flatten(),
        L.Dense(3),
    )
    kernel, bias, *rest = normal(model).get_weights()
    kernel[..., 1] = 0
    kernel[..., 2] *= 1e-6
    bias[:] = [1e6, -1e6, 3.0, 1e12, 0.5]
    model.set_weights([kernel, bias, *rest])
    qat_model = fake_quantized(model)
    found = [e for e in ranges.find(qat_model) if e.role in ranges.OUTPUT_ROLES]
    limits = [(1.5, 5.0), (-3.0, -1.0), (-1e-3, 9.0), (-7.3, 0.0)]
    for entry, (low, high) in zip(found, limits, strict=True):
        entry.minimum.assign(low)
        entry.maximum.assign(high)
    return qat_model


@pytest.mark.slow
def test_unusual_ranges_equal_their_conversion():
    assert_equals_conversion_but_for_cut_off_biases(unusual())


@pytest.mark.slow
@pytest.mark.parametrize("variant", dead_networks.VARIANTS)
def test_dead_layers_equal_their_conversion(variant):
    model = dead_networks.build(dead_networks.VARIANTS[variant])
    check = {
        "zeros": assert_equals_conversion,
        "biases": assert_equals_conversion_but_for_cut_off_biases,
    }
    check[variant](dead_networks.fake_quantized(model))


def ties():
    """Zero points and weights that lie in the middle of two integers."""
    random = np.random.default_rng(3)
    layers = [L.Conv2D(8, 1, use_bias=False) for _ in range(8)]
    model = keras_networks.sequence(
        *layers, L.DepthwiseConv2D(3), L.Flatten(), L.Dense(3)
    )
    model.set_weights(
        [
            ((random.integers(-127, 127, w.shape) + 0.5) / 128).astype(np.float32)
            for w in model.get_weights()
        ]
    )
    qat_model = fake_quantized(model)
    for entry in ranges.find(qat_model):
        is_output = entry.role in ranges.OUTPUT_ROLES
        limit = random.uniform(0.1, 50) if is_output else 127 / 128
        entry.maximum.assign(np.full(entry.maximum.shape, limit, np.float32))
        entry.minimum.assign(-entry.maximum)
    return qat_model


@pytest.mark.slow
def test_ties_equal_their_conversion():
    qat_model = ties()
    assert_equals_conversion(qat_model)
    g = from_keras.read(qat_model)
    assert {g.tensors[layer.output].quant.zero_point for layer in g.layers} == {
        (0,),
        (-1,),
    }


def of_tfmot(*layers):
    """tfmot's own scheme, with ranges set to random numbers."""
    # Without AutoGraph, which has nothing to rewrite and takes seconds.
    quantize = tf.autograph.experimental.do_not_convert(
        tfmot.quantization.keras.quantize_model
    )
    model = quantize(normal(keras_networks.sequence(*layers)))
    rng = np.random.default_rng(1)
    variables = {v.name: v for layer in model.layers for v in layer.weights}
    for name, variable in variables.items():
        if name.endswith("_max:0"):
            high = rng.uniform(0.5, 2, variable.shape)
            low = variables[name.replace("_max:0", "_min:0")]
            variable.assign(high)
            low.assign(-high if "kernel" in name else -rng.uniform(0.5, 2, low.shape))
    return model


@pytest.mark.slow
def test_tfmots_scheme_equals_its_conversion():
    assert_equals_conversion(
        of_tfmot(
            L.Conv2D(4, 3, activation="relu"),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.AveragePooling2D(),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        )
    )


def error_of(model):
    with pytest.raises(errors.GraphError) as caught:
        from_keras.read(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_kernel_that_is_not_rounded_is_named():
    # tfmot leaves the kernel in front of a ReLU layer in float.
    layer = L.Conv2D(4, 3, name="float_one")
    message = error_of(of_tfmot(layer, L.ReLU(), L.Flatten(), L.Dense(3)))
    assert "Conv2D 'float_one': its kernel has no range" in message


def test_normalization_that_is_not_folded_is_named():
    model = of_tfmot(L.Conv2D(4, 3), L.BatchNormalization(name="norm"), L.ReLU())
    message = error_of(model)
    assert "norm'" in message and "batch_norm_folding" in message


def test_result_without_a_range_is_named():
    quantization = tfmot.quantization.keras
    image = keras.Input(keras_networks.IMAGE)
    config = tflite_int8.KernelConfig(quantize_output=False)
    float_one = quantization.quantize_annotate_layer(
        L.Conv2D(4, 3, name="float_one"), config
    )
    last = quantization.quantize_annotate_layer(L.Conv2D(2, 1))
    model = keras.Model(image, last(float_one(image)))
    apply = tf.autograph.experimental.do_not_convert(quantization.quantize_apply)
    with quantization.quantize_scope({"KernelConfig": tflite_int8.KernelConfig}):
        model = apply(model)
    assert "no range for what Conv2D 'float_one' writes" in error_of(model)
