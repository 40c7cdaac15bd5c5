"""Small networks with the statistics of trained ones, and a TensorFlow Lite runner."""

import collections
import dataclasses

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert

from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization.tflite import int8 as tflite_int8

layers = keras.layers

SIDE = 8


def _conv(x, filters, name, size=3, **options):
    x = layers.Conv2D(
        filters, size, padding="same", use_bias=False, name=name, **options
    )(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def plain():
    """Convolution, pooling, dense; a Dense with normalization, Dropout, Softmax."""
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = _conv(image, 6, "conv1")
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.SpatialDropout2D(0.1, name="drop_maps")(x)
    x = _conv(x, 8, "conv2", strides=2)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(12, name="hidden")(x)
    x = layers.BatchNormalization(name="hidden_bn")(x)
    x = layers.Activation("relu", name="hidden_relu")(x)
    x = layers.Dropout(0.2, name="drop")(x)
    x = layers.Dense(5, name="logits")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="plain")


def residual():
    """A residual addition, a depthwise convolution, global average pooling."""
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = stem = _conv(image, 6, "stem")
    x = _conv(x, 6, "block1")
    x = layers.Conv2D(6, 3, padding="same", name="block2")(x)
    x = layers.BatchNormalization(name="block2_bn", scale=False)(x)
    x = layers.Add(name="add")([x, stem])
    x = layers.ReLU(name="add_relu")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="residual")


def branches():
    """A concatenation of a rectified and a linear branch, pooling, reshape."""
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = _conv(image, 6, "squeeze", strides=2)
    left = _conv(x, 4, "left", size=1)
    right = layers.Conv2D(4, 3, padding="same", name="right")(x)
    right = layers.BatchNormalization(name="right_bn", center=False)(right)
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.Conv2D(6, 1, activation="relu", name="fused")(x)
    x = layers.AveragePooling2D(2, name="average")(x)
    x = layers.Reshape((24,), name="reshape")(x)
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="branches")


def pooled():
    """Two readers of the input, a depthwise multiplier of 2, global maximum pooling."""
    image = layers.Input((SIDE, SIDE, 3), name="image")
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(image)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.ReLU(name="depthwise_relu")(x)
    x = layers.Add(name="add")([x, layers.Conv2D(6, 3, name="shortcut")(image)])
    x = layers.GlobalMaxPooling2D(name="maximum")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="pooled")


BUILDERS = {build.__name__: build for build in (plain, residual, branches, pooled)}


def build_trained_like(name):
    """Builds a network whose normalizations and biases are not at their start."""
    keras.utils.set_random_seed(7)
    model = BUILDERS[name]()
    rng = np.random.default_rng(11)
    for layer in model.layers:
        shapes = [weight.shape for weight in layer.weights]
        if isinstance(layer, layers.BatchNormalization):
            values = {
                "gamma": rng.uniform(0.5, 2.0, shapes[0]),
                "beta": rng.normal(0.0, 0.5, shapes[0]),
                "moving_mean": rng.normal(0.0, 0.5, shapes[0]),
                "moving_variance": rng.uniform(0.1, 3.0, shapes[0]),
            }
            # A dead channel: its output is all in the offset, beta.
            values["gamma"][0] = 1e-12
            names = [w.name.split("/")[-1].split(":")[0] for w in layer.weights]
            layer.set_weights([values[name] for name in names])
        elif layer.weights and layer.use_bias:
            layer.set_weights([layer.get_weights()[0], rng.normal(0, 0.3, shapes[1])])
    return model


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A network in its three forms."""

    float_model: keras.Model
    folded: keras.Model
    qat: keras.Model


@pytest.fixture(scope="session")
def images():
    """Returns 64 images of random pixels, float32 [64, 8, 8, 3] in [-1, 127/128]."""
    pixels = np.random.default_rng(3).integers(0, 256, (64, SIDE, SIDE, 3))
    return (pixels / 128 - 1).astype(np.float32)


@pytest.fixture(scope="session")
def prepared(images):
    """Returns a function: name of a network -> Prepared, made once, not to change."""
    made = {}

    def prepare(name):
        if name not in made:
            model = build_trained_like(name)
            folded = batch_norm_folding.fold(model)
            made[name] = Prepared(
                model, folded, tflite_int8.prepare_qat(folded, images)
            )
        return made[name]

    return prepare


@pytest.fixture(scope="session")
def build():
    """Returns the function that builds a fresh network by name."""
    return build_trained_like


@dataclasses.dataclass(frozen=True)
class LiteResult:
    """What TensorFlow Lite's reference kernels made of some images."""

    outputs: np.ndarray
    input_quantization: tuple[float, int]
    output_quantization: tuple[float, int]
    operators: collections.Counter
    tensors: tuple[dict, ...]


def _convert(model, calibration=None):
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    # A holder of the variables: given the model itself, the converter would trace and
    # save all of its Keras functions first, which takes five times as long.
    holder = tf.Module()
    holder.kept = list(model.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function(spec)], holder
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if calibration is not None:
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


@pytest.fixture(scope="session")
def deployed(prepared, images, lite):
    """Returns a function: name of a network -> LiteResult of its QAT form."""
    made = {}

    def deploy(name):
        if name not in made:
            made[name] = lite(prepared(name).qat, images)
        return made[name]

    return deploy


@pytest.fixture(scope="session")
def lite():
    """Returns a function: (model, images, calibration=None) -> LiteResult.

    The images are fed as a microcontroller does: `pixel - 128`.
    """

    def run(model, images, calibration=None):
        interpreter = litert.Interpreter(
            model_content=_convert(model, calibration),
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
        (source,) = interpreter.get_input_details()
        (result,) = interpreter.get_output_details()
        outputs = []
        for image in images:
            pixels = np.round((image + 1) * 128).astype(np.int32)
            interpreter.set_tensor(
                source["index"], (pixels - 128).astype(np.int8)[None]
            )
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(result["index"])[0].astype(np.int32))
        operators = interpreter._get_ops_details()
        return LiteResult(
            np.array(outputs),
            source["quantization"],
            result["quantization"],
            collections.Counter(entry["op_name"] for entry in operators),
            tuple(interpreter.get_tensor_details()),
        )

    return run
