"""What cannot be written is said before training, in every number format."""

import numpy as np
import pytest

from tests import registered_networks
from tfpipeline import errors, number_formats
from tfpipeline.compat import keras
from tfpipeline.configs.network import Network
from tfpipeline.configs.quantization import Quantization
from tfpipeline.configs.run import Run
from tfpipeline.data import splits
from tfpipeline.deploy import catalog, choices, rehearsal
from tfpipeline.jobs import classifier
from tfpipeline.models import registry, specs
from tfpipeline.readers import from_keras
from tfpipeline.tasks import kind
from tfpipeline.training import objectives, stages

L = keras.layers
FORMATS = [each.name for each in number_formats.ALL]
SHAPE = (6, 6, 3)


def _three(image):
    one, other = (L.Conv2D(3, 1, name=f"conv{i}")(image) for i in (1, 2))
    third = L.Conv2D(3, 1, name="conv3")(image)
    return L.Flatten()(L.Add(name="sum_of_three")([one, other, third]))


def _two(image):
    x = L.Conv2D(3, 3, name="conv")(image)
    return [L.Flatten(name="a")(x), L.GlobalAveragePooling2D(name="b")(x)]


def _beside(image):
    x = L.Conv2D(4, 1, name="conv")(image)
    both = [L.ReLU(name="plain")(x), L.ReLU(6.0, name="six")(x)]
    return L.Dense(4, name="last")(L.Flatten()(L.Add(name="sum")(both)))


def _softmax(image):
    x = L.Flatten()(L.Conv2D(4, 3, activation="relu", name="conv")(image))
    return L.Dense(4, activation="softmax", name="own_softmax")(x)


def _sigmoid(image):
    x = L.Flatten()(L.Conv2D(4, 3, activation="relu", name="conv")(image))
    return L.Dense(4, activation="sigmoid", name="own_sigmoid")(x)


def _lambda(image):
    x = L.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = L.Lambda(lambda value: value * value, name="square")(x)
    return L.Dense(4, name="last")(L.Flatten()(x))


# Network, and the layer that its refusal names.
LATE = {
    "two outputs": (_two, "'a', 'b'"),
    "ReLU6 beside ReLU": (_beside, ""),
    "a function": (_lambda, "square"),
}
# Network, and the formats that refuse it, with the layer that they name.
REWRITTEN = {
    "a sum of three": (_three, (), ""),
    "a softmax of its own": (_softmax, (), ""),
    "a sigmoid of its own": (_sigmoid, ("max78000",), "own_sigmoid/sigmoid"),
}
# A ReLU6 of its own is written with scales that its kernel needs.
RUNS = {("ReLU6 beside ReLU", name) for name in ("int8", "int16x8", "int4")}


def _good(image):
    x = L.BatchNormalization(name="norm")(L.Conv2D(4, 3, name="conv")(image))
    return L.Dense(4, name="last")(L.Flatten()(L.ReLU(name="relu")(x)))


def _dataset(shape, classes):
    random = np.random.default_rng(0)

    def split(count):
        images = random.integers(0, 256, (count, *shape)).astype(np.uint8)
        return splits.Split(images, np.zeros(count, np.int32))

    names = tuple(map(str, range(classes)))
    one = split(1)
    return splits.Dataset(
        "random", names, split(9), one, one, np.arange(9), np.arange(1)
    )


def rehearse(model, number_format, method="qat"):
    scheme = number_formats.named(number_format).scheme
    quantization = Quantization(scheme=scheme, method=method, export=(number_format,))
    shape = model.input_shape[1:]
    rehearsal.require(model, "net", quantization, choices.Choices(), _dataset(shape, 4))


def _model(function):
    image = keras.Input(SHAPE, name="image")
    return keras.Model(image, function(image), name="net")


@pytest.mark.default_cases(4)
@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("late", LATE)
def test_late_failures_come_early(late, number_format):
    function, layer = LATE[late]
    model = _model(function)
    if (late, number_format) in RUNS:
        rehearse(model, number_format)
        return
    with pytest.raises(errors.PipelineError) as caught:
        rehearse(model, number_format)
    message = str(caught.value)
    assert layer in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("number_format", ["int8", "max78000", "gap8"])
@pytest.mark.parametrize("name", REWRITTEN)
def test_what_can_be_rewritten_is_written(name, number_format):
    function, refusing, layer = REWRITTEN[name]
    if number_format not in refusing:
        rehearse(_model(function), number_format)
        return
    with pytest.raises(errors.PipelineError, match=layer):
        rehearse(_model(function), number_format)


@pytest.mark.slow
def test_a_rehearsal_leaves_the_fresh_weights_as_they_were():
    config = Run(
        network=Network(model="cmsisnet", width=0.1),
        quantization=Quantization(scheme="max78000"),
        seed=3,
    )
    dataset = _dataset((32, 32, 3), 10)
    given = choices.Choices()
    objective = objectives.of("auto", kind.Options(), dataset)
    stages.set_up_tensorflow(config.seed)
    classifier._check(config, given, dataset, objective)
    expected = stages.build(config.network, dataset, dataset.num_classes)
    stages.set_up_tensorflow(config.seed)
    classifier._check(config, given, dataset, objective)
    classifier._rehearse(config, given, dataset, objective)
    found = stages.build(config.network, dataset, dataset.num_classes)
    assert [x.name for x in found.layers] == [x.name for x in expected.layers]
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", registered_networks.PORTABLE)
@pytest.mark.parametrize("number_format", FORMATS)
def test_registered_networks_pass_where_their_checks_do(name, number_format):
    spec = specs.named(name)
    dataset = _dataset(spec.input_shape, spec.num_classes)
    model = registry.build(name)
    check = catalog.of(number_format).check
    try:
        if check is not None:
            check(from_keras.read(model, name=name), choices.Choices())
    except errors.PipelineError:
        pytest.skip("refused by the format's own check")
    scheme = number_formats.named(number_format).scheme
    quantization = Quantization(scheme=scheme, export=(number_format,))
    rehearsal.require(model, name, quantization, choices.Choices(), dataset)


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("method", ["qat", "ptq"])
@pytest.mark.parametrize("number_format", ["int8", "max78000", "gap8"])
def test_what_can_be_written_passes(number_format, method):
    rehearse(_model(_good), number_format, method)
