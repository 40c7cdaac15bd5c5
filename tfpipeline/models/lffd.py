"""LFFD: one-shot detectors of 3x3 and 1x1 convolutions, a branch for each face size."""

import dataclasses
from collections.abc import Iterator

from tfpipeline.compat import keras, tf
from tfpipeline.models import blocks

# Of a head's hidden convolutions at width 1.
_HEAD_CHANNELS = 128


@dataclasses.dataclass(frozen=True)
class _Stage:
    """One step down: a convolution with stride 2, then pairs of convolutions.

    Attributes:
      channels: of every convolution of the stage.
      pairs: residual pairs in front of each branch, so as many as there are branches.
    """

    channels: int
    pairs: tuple[int, ...]


# The first stage begins behind `conv1`, which halves the image as well.
_V1 = (
    _Stage(64, (3, 1)),
    _Stage(64, (1, 1)),
    _Stage(128, (1,)),
    _Stage(128, (1, 1, 1)),
)
_HEAD17 = (_Stage(64, (3,)), _Stage(64, (1,)), _Stage(64, (1,)), _Stage(128, (1,)))
_V2 = (*_HEAD17, _Stage(128, (1,)))


def lffd_v1(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the LFFD of 25 layers and 8 branches, for faces of 10 to 560 pixels.

    Convolutions with stride 2 have no padding, all others keep their size. What the
    trunk adds up has no ReLU: each pair of convolutions reads a copy that has one. A
    branch has two outputs, the logits `score1` of face (channel 0) and background, and
    the box `box1` (`specs.Branch` says what they mean); outputs are score1, box1,
    score2 and so on. Layers have the source's names but for these. Deployed form at
    640x640x3, each row once for all layers that are alike:

    | layers                          | output      | weights and biases of each |
    |---------------------------------|-------------|----------------------------|
    | conv1 3x3 /2                    | 319x319x64  |    1,728 + 64              |
    | conv2 3x3 /2, conv3 to conv10   | 159x159x64  |   36,864 + 64              |
    | conv11 3x3 /2, conv12 to conv15 | 79x79x64    |   36,864 + 64              |
    | conv16 3x3 /2                   | 39x39x128   |   73,728 + 128             |
    | conv17, conv18 3x3              | 39x39x128   |  147,456 + 128             |
    | conv19 3x3 /2, conv20 to conv25 | 19x19x128   |  147,456 + 128             |
    | conv8_1, conv10_1 1x1           | 159x159x128 |    8,192 + 128             |
    | ..._2_score, ..._2_bbox 1x1     | 128 channels |  16,384 + 128             |
    | score1 to score8 1x1            | 2 channels  |      256 + 2               |
    | box1 to box8 1x1                | 4 channels  |      512 + 4               |

    2,290,608 parameters and 13,407,827,648 MACs, 10,024,243,648 at 480x640x3.

    Args:
      input_shape: (height, width, channels).
      num_classes: channels of a score, 2 as published.
      batch_norm: a BatchNormalization after each convolution but the outputs, to be
        folded; its authors found that training without is more stable.
      dropout: rate in front of each branch (the authors' own is 0).
      width: factor on the channels of every layer but the outputs.

    Returns:
      A functional model, [batch, H, W, C] float to float32 [batch, h, w, num_classes]
      and [batch, h, w, 4] of each branch.
    """
    return _Builder(batch_norm, dropout, width).build(
        "lffd_v1", input_shape, num_classes, _V1
    )


def lffd_v2(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the LFFD of 20 layers and 5 branches, for faces of 10 to 320 pixels.

    Made as `lffd_v1`, with one branch behind each step down; 64 channels to conv14,
    128 from conv15. 1,520,606 parameters, 9,127,763,392 MACs at 640x640x3 and
    6,823,964,096 at 480x640x3. Arguments and outputs are those of `lffd_v1`.
    """
    return _Builder(batch_norm, dropout, width).build(
        "lffd_v2", input_shape, num_classes, _V2
    )


def lffd_head17(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch_norm: bool,
    dropout: float,
    width: float = 1.0,
) -> keras.Model:
    """Builds the LFFD of 17 layers and 4 branches that its authors gave for heads.

    `lffd_v2` without its last step: 1,027,544 parameters. Arguments and outputs are
    those of `lffd_v1`.
    """
    return _Builder(batch_norm, dropout, width).build(
        "lffd_head17", input_shape, num_classes, _HEAD17
    )


@dataclasses.dataclass(frozen=True)
class _Builder:
    """What every layer of a network is made with."""

    batch_norm: bool
    dropout: float
    width: float

    def build(
        self,
        name: str,
        input_shape: tuple[int, int, int],
        num_classes: int,
        stages: tuple[_Stage, ...],
    ) -> keras.Model:
        """The network of `stages` behind the convolution that halves the image."""
        image = blocks.image_input(input_shape)
        x = self._conv(image, stages[0].channels, "conv1", strides=2)
        outputs: list[tf.Tensor] = []
        for number, branch in self._trunk(x, stages):
            place = len(outputs) // 2 + 1
            outputs += self._head(branch, f"conv{number}", place, num_classes)
        return keras.Model(image, outputs, name=name)

    def _trunk(
        self, x: tf.Tensor, stages: tuple[_Stage, ...]
    ) -> Iterator[tuple[int, tf.Tensor]]:
        """Yields the number of the last convolution and its ReLU, of each branch."""
        number = 1
        for stage in stages:
            number += 1
            total = self._conv(
                x, stage.channels, f"conv{number}", strides=2, relu=False
            )
            x = _relu(total, number)
            for pairs in stage.pairs:
                for _ in range(pairs):
                    first, second = f"conv{number + 1}", f"conv{number + 2}"
                    number += 2
                    x = self._conv(x, stage.channels, first)
                    x = self._conv(x, stage.channels, second, relu=False)
                    total = keras.layers.Add(name=f"add{number}")([total, x])
                    x = _relu(total, number)
                yield number, x

    def _head(
        self, x: tf.Tensor, name: str, place: int, num_classes: int
    ) -> list[tf.Tensor]:
        """The outputs of one branch: its score and its box."""
        x = blocks.drop(x, self.dropout, f"dropout{place}")
        shared = self._conv(x, _HEAD_CHANNELS, f"{name}_1", size=1)
        score = self._conv(shared, _HEAD_CHANNELS, f"{name}_2_score", size=1)
        box = self._conv(shared, _HEAD_CHANNELS, f"{name}_2_bbox", size=1)
        return blocks.score_and_box(score, box, place, num_classes)

    def _conv(
        self,
        x: tf.Tensor,
        filters: int,
        name: str,
        *,
        size: int = 3,
        strides: int = 1,
        relu: bool = True,
    ) -> tf.Tensor:
        return blocks.conv(
            x,
            filters,
            size,
            name,
            batch_norm=self.batch_norm,
            width=self.width,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            relu=relu,
        )


def _relu(x: tf.Tensor, number: int) -> tf.Tensor:
    return keras.layers.ReLU(name=f"relu{number}")(x)
