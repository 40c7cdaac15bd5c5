"""The networks by name: what is known of each before it is built."""

import dataclasses

from tfpipeline import errors

_FACE_STUDY = "Face detection using MAX78000"
_CIFAR_STUDY = "CIFAR image classification on MAX78000"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """One network and its defaults.

    Attributes:
      name: what `--model` takes; also the Keras model's name.
      function: "module:name" in this room, called with every option given;
        `registry.build` fills in the defaults below and checks the input first.
      input_shape: default (height, width, channels).
      num_classes: default number of logits; of `reid_squeezenet`, which has none, the
        length of its descriptor.
      description: one line on what the network is and where it stands.
      weight_bits: the widths that the network's study stores weights in, or None
        where it does not say.
      source: where the layers are from.
      min_side: smallest height and width for which no pooling runs out of pixels.
      batch_norm: whether it has BatchNormalization unless told otherwise.
      dropout: its own dropout rate.
    """

    name: str
    function: str
    input_shape: tuple[int, int, int]
    num_classes: int
    description: str
    weight_bits: tuple[int, ...] | None
    source: str
    min_side: int
    batch_norm: bool = True
    dropout: float = 0.0


_SPECS = (
    ModelSpec(
        name="facenet_v1",
        function="facenet:facenet_v1",
        input_shape=(88, 88, 3),
        num_classes=2,
        description="face / no face; 85 % in its study",
        weight_bits=(8,),
        source=_FACE_STUDY,
        min_side=16,
        batch_norm=False,
    ),
    ModelSpec(
        name="facenet_v2",
        function="facenet:facenet_v2",
        input_shape=(88, 88, 3),
        num_classes=2,
        description="face / no face; 86 %, 3081.31 us expected",
        weight_bits=(8,),
        source=_FACE_STUDY,
        min_side=32,
        batch_norm=False,
    ),
    ModelSpec(
        name="facenet_v3",
        function="facenet:facenet_v3",
        input_shape=(88, 88, 3),
        num_classes=2,
        description="facenet_v2 with 4-bit weights",
        weight_bits=(4,),
        source=_FACE_STUDY,
        min_side=32,
        batch_norm=False,
    ),
    ModelSpec(
        name="facenet_v6",
        function="facenet:facenet_v6",
        input_shape=(88, 88, 3),
        num_classes=2,
        description="face / no face for speed; 1307.51 us expected",
        weight_bits=(8,),
        source=_FACE_STUDY,
        min_side=16,
        batch_norm=False,
    ),
    ModelSpec(
        name="facenet_v7",
        function="facenet:facenet_v7",
        input_shape=(88, 88, 3),
        num_classes=2,
        description="the fastest face / no face; 658.95 us expected",
        weight_bits=(8,),
        source=_FACE_STUDY,
        min_side=16,
        batch_norm=False,
    ),
    ModelSpec(
        name="cmsisnet",
        function="cmsisnet:cmsisnet",
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the study's fastest on CIFAR-10: 87.15 %, 1.97 ms",
        weight_bits=(8,),
        source=_CIFAR_STUDY,
        min_side=8,
    ),
    ModelSpec(
        name="nascifarnet",
        function="nascifarnet:nascifarnet",
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the study's most accurate on CIFAR-10: 90.13 %, 4.57 ms",
        weight_bits=(8,),
        source=_CIFAR_STUDY,
        min_side=16,
    ),
    ModelSpec(
        name="simplenet",
        function="simplenet:simplenet",
        input_shape=(32, 32, 3),
        num_classes=10,
        description="87.57 % on CIFAR-10; the study prints 401,599 parameters, which "
        "its layers do not have",
        weight_bits=(8,),
        source=_CIFAR_STUDY,
        min_side=32,
        dropout=0.3,
    ),
    ModelSpec(
        name="cmsis_cifar10",
        function="cmsis_cifar10:cmsis_cifar10",
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the STM32 reference on CIFAR-10: 79.9 %, 99.1 ms at 216 MHz",
        weight_bits=(8,),
        source="CMSIS-NN paper, arXiv:1801.06601",
        min_side=8,
    ),
    ModelSpec(
        name="resnet8",
        function="resnet8:resnet8",
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the benchmark's image classification reference on CIFAR-10",
        weight_bits=(8,),
        source="MLPerf Tiny",
        min_side=4,
    ),
    ModelSpec(
        name="reid_squeezenet",
        function="reid_squeezenet:reid_squeezenet",
        input_shape=(128, 128, 1),
        num_classes=512,
        description="a descriptor of a gray face, 512 values instead of logits; 0.9638 "
        "on LFW, 380 ms",
        weight_bits=(16,),
        source="Face re-identification on GAP8",
        min_side=31,
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}


def named(name: str) -> ModelSpec:
    """The network called `name`.

    Raises:
        UsageError: there is none; the message lists the names.
    """
    if name not in MODELS:
        raise errors.UsageError(
            f"unknown model {name!r}; choose one of: {', '.join(MODELS)}"
        )
    return MODELS[name]
