"""The table of networks: what `--model` accepts, and how to build each of them."""

import dataclasses
from collections.abc import Callable

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import (
    cmsis_cifar10,
    cmsisnet,
    facenet,
    nascifarnet,
    reid_squeezenet,
    resnet8,
    simplenet,
)

_FACE_STUDY = "Face detection using MAX78000"
_CIFAR_STUDY = "CIFAR image classification on MAX78000"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """One network and its defaults.

    Attributes:
      name: what `--model` takes; also the Keras model's name.
      build: the network's function, called with every option given; `build` of this
        module fills in the defaults below and checks the input first.
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
    build: Callable[..., keras.Model]
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
        build=facenet.facenet_v1,
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
        build=facenet.facenet_v2,
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
        build=facenet.facenet_v3,
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
        build=facenet.facenet_v6,
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
        build=facenet.facenet_v7,
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
        build=cmsisnet.cmsisnet,
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the study's fastest on CIFAR-10: 87.15 %, 1.97 ms",
        weight_bits=(8,),
        source=_CIFAR_STUDY,
        min_side=8,
    ),
    ModelSpec(
        name="nascifarnet",
        build=nascifarnet.nascifarnet,
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the study's most accurate on CIFAR-10: 90.13 %, 4.57 ms",
        weight_bits=(8,),
        source=_CIFAR_STUDY,
        min_side=16,
    ),
    ModelSpec(
        name="simplenet",
        build=simplenet.simplenet,
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
        build=cmsis_cifar10.cmsis_cifar10,
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the STM32 reference on CIFAR-10: 79.9 %, 99.1 ms at 216 MHz",
        weight_bits=(8,),
        source="CMSIS-NN paper, arXiv:1801.06601",
        min_side=8,
    ),
    ModelSpec(
        name="resnet8",
        build=resnet8.resnet8,
        input_shape=(32, 32, 3),
        num_classes=10,
        description="the benchmark's image classification reference on CIFAR-10",
        weight_bits=(8,),
        source="MLPerf Tiny",
        min_side=4,
    ),
    ModelSpec(
        name="reid_squeezenet",
        build=reid_squeezenet.reid_squeezenet,
        input_shape=(128, 128, 1),
        num_classes=512,
        description="a descriptor of a gray face, 512 values instead of logits; 0.9638 "
        "on LFW, 380 ms",
        weight_bits=(16,),
        source="Face re-identification on GAP8",
        min_side=31,
    ),
)

# Eight times the channels is 64 times the weights: 27 million of simplenet, far beyond
# any microcontroller.
_MAX_WIDTH = 8

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}


def build(
    name: str,
    *,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    width: float = 1.0,
) -> keras.Model:
    """Builds the network called `name`, with fresh weights.

    Args:
      name: a key of `MODELS`.
      input_shape: (height, width, channels); None for the network's own.
      num_classes: number of logits or length of the descriptor; None for the
        network's own.
      batch_norm: BatchNormalization after each convolution, a training aid that is
        folded away before quantization; None for the network's own choice (all have
        it except FaceNet, whose published form has no convolution biases).
      dropout: rate in [0, 1) at the network's dropout positions; None for its own.
      width: factor in (0, 8] on the channels of every layer but the last, rounded to
        the nearest integer, at least 1; 1 gives the published network.

    Returns:
      A functional Keras model from pixels in [-1, 127/128], float
      [batch, H, W, C], to float32 logits [batch, num_classes].

    Raises:
      errors.UsageError: an unknown name, or an option that does not fit the network.
    """
    spec = MODELS.get(name)
    if spec is None:
        raise errors.UsageError(
            f"unknown model {name!r}; choose one of: {', '.join(MODELS)}"
        )
    shape = spec.input_shape if input_shape is None else tuple(input_shape)
    classes = spec.num_classes if num_classes is None else num_classes
    rate = spec.dropout if dropout is None else dropout
    _check_input_shape(spec, shape)
    if classes < 2:
        raise errors.UsageError(
            f"{name}: num_classes must be at least 2; found {classes}"
        )
    if not 0 <= rate < 1:
        raise errors.UsageError(f"{name}: dropout must be in [0, 1); found {rate}")
    if not 0 < width <= _MAX_WIDTH:
        raise errors.UsageError(
            f"{name}: width must be in (0, {_MAX_WIDTH}]; found {width}"
        )
    return spec.build(
        shape,
        classes,
        batch_norm=spec.batch_norm if batch_norm is None else batch_norm,
        dropout=rate,
        width=width,
    )


def _check_input_shape(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or any(not isinstance(n, int) or n < 1 for n in shape):
        raise errors.UsageError(
            f"{spec.name}: input_shape must be three positive integers (height, "
            f"width, channels); found {shape}"
        )
    if min(shape[:2]) < spec.min_side:
        raise errors.UsageError(
            f"{spec.name}: an input of {shape[0]}x{shape[1]} is too small for its "
            f"pooling layers; height and width must be at least {spec.min_side}"
        )
