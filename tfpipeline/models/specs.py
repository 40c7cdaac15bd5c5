"""The networks by name: what is known of each before it is built."""

import dataclasses
import enum
import itertools
from collections.abc import Callable

from tfpipeline import errors

_FACE_STUDY = "Face detection using MAX78000"
_CIFAR_STUDY = "CIFAR image classification on MAX78000"
_LFFD = "LFFD, github.com/YonghaoHe/LFFD-A-Light-and-Fast-Face-Detector"
_ARCFACE = "ArcFace, github.com/deepinsight/insightface"
_MOBILEFACENET = "MobileFaceNets, arXiv:1804.07573"
_OWN = "this package"


class Output(enum.Enum):
    """What a network gives."""

    # [batch, num_classes], no softmax.
    LOGITS = "logits"
    # [batch, num_classes]: what is near belongs together.
    DESCRIPTOR = "descriptor"
    # A score [batch, h, w, num_classes] and a box [batch, h, w, 4] of each branch.
    BOXES = "boxes"
    # [batch, rows, columns, num_classes], a class for each pixel, no softmax.
    MASK = "mask"


@dataclasses.dataclass(frozen=True)
class Branch:
    """One branch of a detector: the faces that its cells see, all in pixels.

    Cell (row, column) of its maps looks at the pixel `center + stride * column`,
    `center + stride * row`. Its box is (left, top, right, bottom) of a face as the
    distances of that pixel, x - left, y - top, x - right and y - bottom, in units of
    half of `largest`.

    Attributes:
      smallest: longer side of the smallest face that the branch finds.
      largest: longer side of the largest one.
      stride: from cell to cell.
      center: of the first cell; halfway between two pixels where it ends in .5.
      receptive_field: side of the square that a cell sees.
    """

    smallest: int
    largest: int
    stride: int
    center: float
    receptive_field: int


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """One network and its defaults.

    Attributes:
      name: what `--model` takes; also the Keras model's name.
      function: "module:name" in this room, called with every option given;
        `registry.build` fills in the defaults below and checks the input first.
      input_shape: default (height, width, channels).
      num_classes: default number of logits, length of a descriptor, or channels of a
        detector's score.
      description: one line on what the network is and where it stands.
      weight_bits: the widths that the network's study stores weights in, or None
        where it does not say.
      source: where the layers are from.
      min_side: smallest height and width for which no pooling runs out of pixels.
      multiple: what height and width must be multiples of.
      batch_norm: whether it has BatchNormalization unless told otherwise.
      dropout: its own dropout rate.
      output: what it gives.
      branches: of a detector, in the order of its outputs: score1, box1, score2, ...
    """

    name: str
    function: str
    input_shape: tuple[int, int, int]
    num_classes: int
    description: str
    weight_bits: tuple[int, ...] | None
    source: str
    min_side: int
    multiple: int = 1
    batch_norm: bool = True
    dropout: float = 0.0
    output: Output = Output.LOGITS
    branches: tuple[Branch, ...] = ()


# Branches as (smallest, largest, stride, center, receptive field): the configurations
# of the source's training; the last three follow from the layers.
_LFFD_V1_BRANCHES = (
    Branch(10, 15, 4, 3, 55),
    Branch(15, 20, 4, 3, 71),
    Branch(20, 40, 8, 7, 111),
    Branch(40, 70, 8, 7, 143),
    Branch(70, 110, 16, 15, 223),
    Branch(110, 250, 32, 31, 383),
    Branch(250, 400, 32, 31, 511),
    Branch(400, 560, 32, 31, 639),
)
_LFFD_V2_BRANCHES = (
    Branch(10, 20, 4, 3, 55),
    Branch(20, 40, 8, 7, 95),
    Branch(40, 80, 16, 15, 175),
    Branch(80, 160, 32, 31, 335),
    Branch(160, 320, 64, 63, 655),
)
# Of pools: a cell's center lies between pixels.
_LFFD_MCU_BRANCHES = (
    Branch(8, 16, 4, 1.5, 34),
    Branch(16, 32, 8, 3.5, 86),
    Branch(32, 64, 16, 7.5, 190),
)

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
        output=Output.DESCRIPTOR,
    ),
    ModelSpec(
        name="lffd_v1",
        function="lffd:lffd_v1",
        input_shape=(640, 640, 3),
        num_classes=2,
        description="faces of 10 to 560 pixels by 8 branches; WIDER validation 0.910, "
        "0.881, 0.780",
        weight_bits=(16, 8),
        source=_LFFD,
        min_side=63,
        batch_norm=False,
        output=Output.BOXES,
        branches=_LFFD_V1_BRANCHES,
    ),
    ModelSpec(
        name="lffd_v2",
        function="lffd:lffd_v2",
        input_shape=(640, 640, 3),
        num_classes=2,
        description="faces of 10 to 320 pixels by 5 branches; WIDER validation 0.875, "
        "0.863, 0.754",
        weight_bits=None,
        source=_LFFD,
        min_side=127,
        batch_norm=False,
        output=Output.BOXES,
        branches=_LFFD_V2_BRANCHES,
    ),
    ModelSpec(
        name="lffd_head17",
        function="lffd:lffd_head17",
        input_shape=(480, 640, 3),
        num_classes=2,
        description="heads of 10 to 160 pixels by 4 branches",
        weight_bits=None,
        source=_LFFD,
        min_side=63,
        batch_norm=False,
        output=Output.BOXES,
        branches=_LFFD_V2_BRANCHES[:4],
    ),
    ModelSpec(
        name="lffd_mcu",
        function="lffd_mcu:lffd_mcu",
        input_shape=(80, 80, 3),
        num_classes=2,
        description="faces of 8 to 64 pixels by 3 branches, for microcontrollers",
        weight_bits=(8,),
        source=_OWN,
        min_side=16,
        output=Output.BOXES,
        branches=_LFFD_MCU_BRANCHES,
    ),
    ModelSpec(
        name="lffd_mcu_2",
        function="lffd_mcu:lffd_mcu_2",
        input_shape=(80, 80, 3),
        num_classes=2,
        description="lffd_mcu for faces of 8 to 32 pixels, by 2 branches",
        weight_bits=(8,),
        source=_OWN,
        min_side=8,
        output=Output.BOXES,
        branches=_LFFD_MCU_BRANCHES[:2],
    ),
    ModelSpec(
        name="mobilefacenet_mcu",
        function="mobilefacenet:mobilefacenet_mcu",
        input_shape=(112, 112, 3),
        num_classes=64,
        description="mobilefacenet_y1 of half the channels and blocks, with ReLU",
        weight_bits=(8,),
        source=_OWN,
        min_side=2,
        output=Output.DESCRIPTOR,
    ),
    ModelSpec(
        name="mobilefacenet_max78000",
        function="mobilefacenet:mobilefacenet_max78000",
        input_shape=(80, 80, 3),
        num_classes=64,
        description="a descriptor of a face without depthwise layers and strides",
        weight_bits=(8,),
        source=_OWN,
        min_side=16,
        output=Output.DESCRIPTOR,
    ),
    ModelSpec(
        name="mobilefacenet_y1",
        function="mobilefacenet:mobilefacenet_y1",
        input_shape=(112, 112, 3),
        num_classes=128,
        description="a small descriptor of a face; LFW 0.9955",
        weight_bits=None,
        source=_MOBILEFACENET,
        min_side=2,
        output=Output.DESCRIPTOR,
    ),
    ModelSpec(
        name="mobilefacenet_y2",
        function="mobilefacenet:mobilefacenet_y2",
        input_shape=(112, 112, 3),
        num_classes=256,
        description="mobilefacenet_y1 with twice its blocks",
        weight_bits=None,
        source=_ARCFACE,
        min_side=2,
        output=Output.DESCRIPTOR,
    ),
    *(
        ModelSpec(
            name=f"arcface_r{depth}",
            function=f"arcface:arcface_r{depth}",
            input_shape=(112, 112, 3),
            num_classes=512,
            description=f"LResNet{depth}E-IR, a descriptor of a face{accuracy}",
            weight_bits=weight_bits,
            source=_ARCFACE,
            # Four halvings of padded sides.
            min_side=2,
            dropout=0.4,
            output=Output.DESCRIPTOR,
        )
        for depth, accuracy, weight_bits in (
            (18, "", None),
            (34, "", None),
            (50, "", None),
            (100, "; the cascade study's", (16, 8)),
        )
    ),
    ModelSpec(
        name="unet_mcu",
        function="unet_mcu:unet_mcu",
        input_shape=(64, 64, 3),
        num_classes=4,
        description="a class for each pixel, by transposed convolutions; for TensorFlow "
        "Lite Micro",
        weight_bits=(8,),
        source=_OWN,
        min_side=4,
        multiple=4,
        output=Output.MASK,
    ),
    ModelSpec(
        name="unet_mcu_folded",
        function="unet_mcu:unet_mcu_folded",
        input_shape=(32, 32, 12),
        num_classes=4,
        description="unet_mcu of folded pictures, 64x64x3 here; for the MAX78000",
        weight_bits=(8,),
        source=_OWN,
        min_side=4,
        multiple=4,
        output=Output.MASK,
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
            f"unknown model {name!r}; choose one of: {listed_names()}"
        )
    return MODELS[name]


def listed_names() -> str:
    """All names for a line of text, families as `lffd_v1|v2`."""
    return _families(lambda ends: "|".join(ends))


def listed_families() -> str:
    """As `listed_names`, in a third of its length: families as `lffd_*`."""
    return _families(lambda ends: "*")


def _families(ending: Callable[[list[str]], str]) -> str:
    parts = []
    for family, members in itertools.groupby(
        MODELS, key=lambda name: name.partition("_")[0]
    ):
        names = list(members)
        ends = [name.partition("_")[2] for name in names]
        parts.append(f"{family}_{ending(ends)}" if len(names) > 1 else names[0])
    return ", ".join(parts)
