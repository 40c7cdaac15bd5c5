"""Every registered network builds, runs, can be folded, and refuses what cannot be."""

import re

import numpy as np
import pytest

from tests import registered_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import counts, registry, specs

NAMES = registered_networks.STUDIED

# What tfmot's default 8-bit scheme and TensorFlow Lite Micro both support.
PORTABLE_LAYERS = {
    "Add",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "InputLayer",
    "MaxPooling2D",
    "ReLU",
}


@pytest.fixture(scope="module", params=NAMES)
def model(request) -> keras.Model:
    """Each network with BatchNormalization and Dropout."""
    keras.utils.set_random_seed(1)
    return registry.build(request.param, batch_norm=True, dropout=0.25)


def test_names_are_those_promised():
    assert tuple(specs.MODELS) == (
        *("facenet_v1", "facenet_v2", "facenet_v3", "facenet_v6", "facenet_v7"),
        *("cmsisnet", "nascifarnet", "simplenet", "cmsis_cifar10", "resnet8"),
        *("reid_squeezenet", "lffd_v1", "lffd_v2", "lffd_head17"),
        *("lffd_mcu", "lffd_mcu_2", "mobilefacenet_mcu", "mobilefacenet_max78000"),
        *("mobilefacenet_y1", "mobilefacenet_y2"),
        *("arcface_r18", "arcface_r34", "arcface_r50", "arcface_r100"),
        *("unet_mcu", "unet_mcu_folded"),
    )


def test_a_line_of_all_names_puts_families_together():
    assert specs.listed_names() == (
        "facenet_v1|v2|v3|v6|v7, cmsisnet, nascifarnet, simplenet, cmsis_cifar10, "
        "resnet8, reid_squeezenet, lffd_v1|v2|head17|mcu|mcu_2, "
        "mobilefacenet_mcu|max78000|y1|y2, arcface_r18|r34|r50|r100, "
        "unet_mcu|mcu_folded"
    )


@pytest.mark.default_cases(4)
def test_specs_are_filed_under_their_names(model):
    spec = specs.MODELS[model.name]
    assert spec.name == model.name
    assert model.input_shape == (None, *spec.input_shape)
    assert model.output_shape == (None, spec.num_classes)


@pytest.mark.default_cases(5)
def test_forward_on_zeros_gives_finite_logits(model):
    spec = specs.MODELS[model.name]
    logits = np.asarray(model(np.zeros((1, *spec.input_shape), np.float32)))
    assert logits.shape == (1, spec.num_classes)
    assert np.isfinite(logits).all()


@pytest.mark.default_cases(4)
def test_logits_depend_on_the_image_and_have_no_softmax(model):
    shape = specs.MODELS[model.name].input_shape
    images = np.random.default_rng(3).uniform(-1, 127 / 128, (4, *shape))
    logits = np.asarray(model(images.astype(np.float32)))
    assert len(np.unique(logits, axis=0)) == 4
    if model.name == "reid_squeezenet":
        # Pooled ReLU outputs: a descriptor has no layer of logits.
        assert logits.min() >= 0
    else:
        assert model.layers[-1].activation is keras.activations.linear
    assert np.abs(logits.sum(axis=1) - 1).max() > 1e-3


def test_layers_are_portable_and_uniquely_named(model):
    assert {type(layer).__name__ for layer in model.layers} <= PORTABLE_LAYERS
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    last = "descriptor" if model.name == "reid_squeezenet" else "logits"
    assert names[0] == "image" and names[-1] == last


def test_every_batch_norm_folds_into_the_convolution_it_is_named_after(model):
    folds = {name: conv.name for name, conv in counts.foldable(model).items()}
    assert folds
    assert all(name == f"{conv}_bn" for name, conv in folds.items())
    assert not any(
        layer.use_bias for layer in model.layers if f"{layer.name}_bn" in folds
    )


@pytest.mark.default_cases(3)
@pytest.mark.parametrize("name", NAMES)
def test_own_defaults_of_batch_norm_and_dropout(name):
    spec = specs.MODELS[name]
    layers = registry.build(name).layers
    assert (
        any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
        == spec.batch_norm
    )
    rates = {layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)}
    assert rates == ({spec.dropout} if spec.dropout else set())


def test_dropout_of_simplenet_stands_after_its_first_three_pools():
    names = [layer.name for layer in registry.build("simplenet").layers]
    for index in (1, 2, 3):
        assert names[names.index(f"pool{index}") + 1] == f"dropout{index}"
    assert registry.build("simplenet", dropout=0.0).name == "simplenet"


def test_layer_names_of_a_checkpoint_stay_what_they_are():
    names = [layer.name for layer in registry.build("cmsisnet").layers]
    assert names[:8] == [
        *("image", "conv1", "conv1_bn", "conv1_relu"),
        *("conv2", "conv2_bn", "conv2_relu", "pool1"),
    ]


@pytest.mark.default_cases(3)
@pytest.mark.parametrize(
    ("name", "input_shape", "num_classes"),
    [
        ("nascifarnet", (32, 32, 3), 100),
        ("facenet_v1", (64, 64, 3), 2),
        ("facenet_v2", (64, 48, 1), 7),
        ("cmsis_cifar10", (33, 20, 3), 4),
        ("resnet8", (64, 64, 3), 5),
        ("reid_squeezenet", (64, 48, 3), 33),
    ],
)
def test_other_inputs_and_classes(name, input_shape, num_classes):
    model = registry.build(name, input_shape=input_shape, num_classes=num_classes)
    logits = np.asarray(model(np.zeros((1, *input_shape), np.float32)))
    assert logits.shape == (1, num_classes)
    assert np.isfinite(logits).all()


@pytest.mark.default_cases(3)
@pytest.mark.parametrize("name", NAMES)
def test_smallest_side_builds_and_one_less_is_refused(name):
    side = specs.MODELS[name].min_side
    model = registry.build(name, input_shape=(side, side + 3, 3))
    halved = [
        layer.input_shape[1]
        for layer in model.layers
        if isinstance(layer, keras.layers.MaxPooling2D)
        or getattr(layer, "strides", None) == (2, 2)
    ]
    # The last step down still has as many pixels as it reduces to one.
    assert min(halved) == {"simplenet": 4, "reid_squeezenet": 3}.get(name, 2)
    with pytest.raises(errors.UsageError) as refusal:
        registry.build(name, input_shape=(side + 3, side - 1, 3))
    assert str(refusal.value) == (
        f"{name}: an input of {side + 3}x{side - 1} is too small for its pools "
        f"and strides; height and width must be at least {side}"
    )


@pytest.mark.parametrize(
    "input_shape", [(32, 32), (32, 32, 0), (32, 32, -3), (32.0, 32, 3), (None, 32, 3)]
)
def test_input_shape_that_is_not_three_positive_integers(input_shape):
    with pytest.raises(errors.UsageError, match="must be three positive integers"):
        registry.build("cmsisnet", input_shape=input_shape)


def test_unknown_name_lists_the_choices():
    with pytest.raises(errors.UsageError) as refusal:
        registry.build("cmsisnett")
    assert str(refusal.value) == (
        f"unknown model 'cmsisnett'; choose one of: {specs.listed_names()}"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "cmsisnet: num_classes must be at least 1; found 0"),
        ({"dropout": 1.0}, "cmsisnet: dropout must be in [0, 1); found 1.0"),
        ({"dropout": -0.1}, "cmsisnet: dropout must be in [0, 1); found -0.1"),
        ({"width": 0.0}, "cmsisnet: width must be in (0, 8]; found 0.0"),
        ({"width": -0.5}, "cmsisnet: width must be in (0, 8]; found -0.5"),
        ({"width": 8.01}, "cmsisnet: width must be in (0, 8]; found 8.01"),
        ({"width": float("nan")}, "cmsisnet: width must be in (0, 8]; found nan"),
    ],
)
def test_option_out_of_bounds(options, message):
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        registry.build("cmsisnet", **options)


@pytest.mark.default_cases(3)
@pytest.mark.parametrize(
    "name",
    # Built twice each; the largest takes seconds.
    [
        pytest.param(x, marks=pytest.mark.slow if x == "reid_squeezenet" else [])
        for x in NAMES
    ],
)
def test_half_width_halves_every_layer_but_the_last(name):
    spec = specs.MODELS[name]
    half = registry.build(name, width=0.5)
    logits = np.asarray(half(np.zeros((1, *spec.input_shape), np.float32)))
    assert logits.shape == (1, spec.num_classes)
    assert np.isfinite(logits).all()
    layers = counts.count(half).layers
    published = counts.count(registry.build(name)).layers
    if name == "reid_squeezenet":
        _check_half_width_of_fires(layers, published)
        return
    assert layers[0].output_shape[-1] == max(1, published[0].output_shape[-1] // 2)
    if name == "facenet_v7":
        # Its first layer cannot go below its one channel: 1, 1, 2, 4, 8 channels.
        assert [layer.weights for layer in layers] == [27, 9, 18, 72, 288, 400]
        assert [layer.macs for layer in layers] == [
            *(88 * 88 * 27, 44 * 44 * 9, 22 * 22 * 18, 11 * 11 * 72, 5 * 5 * 288, 400)
        ]
        return
    for layer, full in zip(layers, published, strict=True):
        last = full.name == "logits"
        # The first layer keeps the image's channels, the last one its classes.
        share = 2 if last or full is published[0] else 4
        assert layer == counts.LayerCounts(
            full.name,
            full.kind,
            full.output_shape if last else _half_channels(full.output_shape),
            full.macs // share,
            full.weights // share,
            full.biases if last else full.biases // 2,
        )


def _check_half_width_of_fires(layers, published):
    # The three channels behind `conv0` stay, and so do the 512 of the descriptor.
    assert layers[0] == published[0]
    for layer, full in zip(layers[1:], published[1:], strict=True):
        kept = full.name in ("fire12_expand1x1", "fire12_expand3x3")
        shape = full.output_shape
        assert layer.output_shape == (shape if kept else _half_channels(shape))
        assert layer.weights == full.weights // (
            2 if kept or full.name == "conv1" else 4
        )


def _half_channels(shape):
    return *shape[:2], shape[2] // 2


def test_largest_width_and_batch_norm():
    totals = counts.count(registry.build("facenet_v7", width=8, batch_norm=True))
    assert [layer.output_shape[-1] for layer in totals.layers] == [
        *(8, 16, 32, 64, 128, 2)
    ]
    assert totals.biases == 8 + 16 + 32 + 64 + 128 + 2


@pytest.mark.parametrize("name", ["cmsisnet", "resnet8"])
def test_logits_stay_float32_under_a_bfloat16_policy(name):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = registry.build(name)
        logits = model(np.zeros((1, 32, 32, 3), np.float32))
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert logits.dtype == np.float32
    assert model.get_layer("conv1").compute_dtype == "bfloat16"


def test_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        weights.append(registry.build("facenet_v6").get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
