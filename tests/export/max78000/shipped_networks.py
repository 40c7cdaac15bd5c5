"""The vendor's own networks that stream or write over what they have read, in Keras.

Their layers are those of ai8x-synthesis ab4f4c0, networks/*.yaml, and the sizes those
of its trained checkpoints or, where it has none, of its models (ai8x-training 2cab474).
"""

import functools

import numpy as np

from tests.export.max78000 import vendor_networks
from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.readers import from_keras
from tfpipeline.targets.max78000 import policy
from tfpipeline.targets.max78000 import spec as specs

layers = keras.layers


def _conv(x, channels, size=3, *, bias=True, relu=True, **options):
    options = {"padding": "same", **options}
    activation = "relu" if relu else None
    return layers.Conv2D(
        channels, size, use_bias=bias, activation=activation, **options
    )(x)


def _pool(x, size=2, **options):
    return layers.MaxPooling2D(size, **options)(x)


def _average(x, size):
    return layers.AveragePooling2D(size, strides=1)(x)


def cats_dogs() -> keras.Model:
    """networks/cats-dogs-hwc.yaml."""
    image = keras.Input((128, 128, 3))
    x = _conv(image, 16, bias=False)
    for channels in (32, 64, 32, 32):
        x = _conv(_pool(x), channels, bias=False)
    x = _conv(x, 16, bias=False)
    return keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))


def faceid() -> keras.Model:
    """networks/faceid.yaml; its last pool is a layer of its own."""
    image = keras.Input((160, 120, 3))
    x = _conv(image, 16, bias=False)
    for channels in (32, 32, 64, 64):
        x = _conv(_pool(x), channels, bias=False)
    x = _conv(x, 64, bias=False)
    x = _conv(x, 64, bias=False)
    x = _conv(_pool(x), 512, 1, bias=False, relu=False)
    return keras.Model(image, _average(x, (5, 3)))


def faceid_112() -> keras.Model:
    """networks/ai85-faceid_112.yaml; `FACEID_112_BITS` go with it."""
    image = keras.Input((112, 112, 3))
    x = _conv(image, 32, bias=False, name="pre_stage")
    x = before = _conv(_pool(x), 32, bias=False, name="pre_stage_2")
    for stage, (middle, channels) in enumerate(
        ((64, 48), (192, 64), (128, 64), (256, 96), (192, 128))
    ):
        x = _conv(x, middle, 1, bias=False, name=f"stage_{stage}_conv1")
        if stage in (0, 1, 3):
            x = _pool(x)
        x = _conv(x, channels, relu=False, name=f"stage_{stage}_conv2")
        if stage == 2:
            x = layers.Add()([x, before])
        before = x
    x = _conv(x, 128, 1, bias=False, name="post_stage")
    x = _average(_conv(x, 128, bias=False, relu=False, name="pre_avg"), 7)
    x = _conv(x, 128, 1, bias=False, relu=False, name="fakepass")
    x = layers.Dense(64, use_bias=False, name="linear")(layers.Flatten()(x))
    return keras.Model(image, x)


# ai8x-training 2cab474, policies/qat_policy_faceid_112.yaml.
FACEID_112_BITS = policy.Policy(
    weight_bits=4,
    overrides={
        "pre_stage": 8,
        "pre_stage_2": 8,
        "stage_1_conv2": 2,
        "stage_2_conv2": 2,
        "stage_4_conv2": 2,
        "linear": 8,
    },
)


def facedet() -> keras.Model:
    """networks/ai85-facedet-tinierssd.yaml: four results."""
    image = keras.Input((224, 168, 3))
    x = _conv(_pool(image), 16, bias=False)
    x = _conv(_pool(x), 32, bias=False)
    for channels in (64, 64, 64, 64, 128, 32):
        x = _conv(x, channels)
    middle = _conv(_pool(x), 32)
    x = _conv(_conv(_pool(middle), 32), 16)
    last = _conv(_pool(x), 16)
    results = [
        _conv(source, channels, relu=False)
        for channels in (8, 4)
        for source in (middle, last)
    ]
    return keras.Model(image, results)


def camvid(*, size: int = 88) -> keras.Model:
    """networks/camvid-unet-large.yaml, on the folded input."""
    image = x = keras.Input((size, size, 48))
    for channels in (64, 64, 32):
        x = _conv(x, channels, 1)
    first = _conv(x, 8)
    second = _conv(_pool(first), 28)
    third = _conv(_pool(second), 56)
    x = _conv(_pool(third), 112)
    for channels, beside in ((56, third), (28, second), (8, first)):
        x = layers.Conv2DTranspose(channels, 3, strides=2, padding="valid")(x)
        x = layers.Cropping2D(((1, 0), (1, 0)))(x)
        x = layers.Concatenate()([x, beside])
        x = _conv(x, 48 if channels == 8 else channels)
    x = _conv(_conv(_conv(x, 64), 64, 1), 64, 1)
    x = _conv(_conv(x, 64, 1, relu=False), 64, 1, relu=False)
    return keras.Model(image, x)


def action_frame() -> keras.Model:
    """networks/ai85-kinetics-actiontcn.yaml up to `conv5`: the features of a frame.

    There they go into a buffer of 15 frames, which the next inference finds again; no
    network of Keras has one. `action_frames` is what reads the buffer.
    """
    image = keras.Input((60, 60, 96))
    x = _conv(image, 64, 1, name="prep0")
    x = _conv(_conv(x, 64, name="conv0"), 64, name="conv1")
    x = _conv(_pool(x), 64, name="conv1_2")
    for number in (2, 3, 4):
        body = _conv(_pool(x), 64, name=f"conv{number}")
        body = _conv(body, 64, 1, name=f"conv{number}_1")
        beside = _conv(_pool(x), 64, name=f"conv{number}_p")
        x = layers.Add()([beside, body])
    return keras.Model(image, _conv(x, 32, padding="valid", name="conv5"))


def action_frames() -> keras.Model:
    """The layers from `tcn0` on, of the features of 15 frames."""
    frames = x = keras.Input((15, 32))
    for number in (0, 1):
        x = layers.Conv1D(
            32, 3, dilation_rate=2**number, activation="relu", name=f"tcn{number}"
        )(x)
    x = layers.Conv1D(5, 3, dilation_rate=4, name="tcn2")(x)
    return keras.Model(frames, x)


def mobilefacenet() -> keras.Model:
    """networks/ai87-mobilefacenet-112.yaml, for the MAX78002."""

    def depthwise(x, bias):
        return layers.DepthwiseConv2D(
            3, padding="same", use_bias=bias, activation="relu"
        )(x)

    image = keras.Input((112, 112, 3))
    x = depthwise(_pool(_conv(image, 64, bias=False)), True)
    stages = ((5, 64, 2), (1, 128, 4), (6, 128, 2), (1, 128, 4), (2, 128, 2))
    for stage, (count, channels, factor) in enumerate(stages):
        for number in range(count):
            before = x
            x = _conv(x, x.shape[-1] * factor, 1, bias=False)
            halves = number == 0 and stage in (0, 1, 3)
            if halves:
                x = _pool(x)
            x = depthwise(x, number % 2 == 0)
            x = _conv(x, channels, 1, bias=False, relu=False)
            if not halves:
                x = layers.Add()([x, before])
    x = _average(_conv(x, 128, 1, bias=False), 7)
    return keras.Model(image, _conv(x, 64, 1, bias=False, relu=False))


NETWORKS = {
    network.__name__: network
    for network in (
        cats_dogs,
        faceid,
        faceid_112,
        facedet,
        camvid,
        action_frame,
        action_frames,
        mobilefacenet,
    )
}
BITS = {"faceid_112": FACEID_112_BITS}


@functools.cache
def read(name: str) -> graph.Graph:
    """The graph of a network, with random weights."""
    # Keras names layers by how many there were, and the converter orders by names.
    keras.backend.reset_uids()
    return graph_of(NETWORKS[name](), name)


def graph_of(model: keras.Model, name: str) -> graph.Graph:
    """The graph of a model, with random weights of its own for each layer."""
    for number, layer in enumerate(model.layers):
        # The reader takes equal biases, such as zeros, for one.
        layer.set_weights([np.full(w.shape, number) for w in layer.weights])
    return vendor_networks.randomized(from_keras.read(model, name=name))


def spec(name: str) -> specs.Spec:
    """The device that a network is for."""
    return specs.MAX78002 if name == "mobilefacenet" else specs.MAX78000
