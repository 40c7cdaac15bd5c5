"""The int8 networks of MLPerf Tiny as live ranges, without their files.

Output shapes and peaks are those of the `.tflite` files of mlcommons/tiny at 1afd2c9,
as read into mlperf_models.json of the project's reference data; `arena_planner_test.py`
compares them with that file where it is present. Peaks of TFLite Micro's plan are what
its interpreter recorded as the head of the arena for the same files.
"""

import dataclasses
import math

from tfpipeline.cost import liveness

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Network:
    """A chain of layers; `reads` has what those read that branch (-1: the input)."""

    file: str
    input_shape: Shape
    output_shapes: tuple[Shape, ...]
    bound_bytes: int
    greedy_bytes: int
    reads: dict[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def steps(self) -> list[liveness.Step]:
        return [
            liveness.Step(
                f"layer{i}",
                tuple(_tensor(j) for j in self.reads.get(i, (i - 1,))),
                (_tensor(i),),
            )
            for i in range(len(self.output_shapes))
        ]

    def buffers(self) -> tuple[liveness.Buffer, ...]:
        shapes = (self.input_shape, *self.output_shapes)
        sizes = {_tensor(i): math.prod(shape) for i, shape in enumerate(shapes, -1)}
        last = _tensor(len(self.output_shapes) - 1)
        return liveness.find_buffers(sizes, self.steps(), [_tensor(-1)], [last])


def _tensor(index: int) -> str:
    return "input" if index < 0 else f"tensor{index}"


def _square(size: int, channels: int) -> Shape:
    return (1, size, size, channels)


RESNET8 = Network(
    "image_classification/pretrainedResnet_quant.tflite",
    _square(32, 3),
    (
        *[_square(32, 16)] * 4,
        *[_square(16, 32)] * 4,
        *[_square(8, 64)] * 4,
        _square(1, 64),
        (1, 64),
        (1, 10),
        (1, 10),
    ),
    bound_bytes=49_152,
    greedy_bytes=49_152,
    # Additions, and the 1x1 convolutions of the shortcuts.
    reads={3: (0, 2), 6: (3,), 7: (5, 6), 10: (7,), 11: (9, 10)},
)

VISUAL_WAKE_WORDS = Network(
    "visual_wake_words/vww_96_int8.tflite",
    _square(96, 3),
    (
        *[_square(48, 8)] * 2,
        _square(48, 16),
        _square(24, 16),
        *[_square(24, 32)] * 3,
        _square(12, 32),
        *[_square(12, 64)] * 3,
        _square(6, 64),
        *[_square(6, 128)] * 11,
        _square(3, 128),
        *[_square(3, 256)] * 3,
        _square(1, 256),
        (1, 256),
        (1, 2),
        (1, 2),
    ),
    bound_bytes=55_296,
    greedy_bytes=73_728,
)

KEYWORD_SPOTTING = Network(
    "keyword_spotting/kws_ref_model.tflite",
    (1, 49, 10, 1),
    (*[(1, 25, 5, 64)] * 9, _square(1, 64), (1, 64), (1, 12), (1, 12)),
    bound_bytes=16_000,
    greedy_bytes=16_000,
)

ANOMALY_DETECTION = Network(
    "anomaly_detection/ad01_int8.tflite",
    (1, 640),
    (*[(1, 128)] * 4, (1, 8), *[(1, 128)] * 4, (1, 640)),
    bound_bytes=768,
    greedy_bytes=768,
)

NETWORKS = (RESNET8, VISUAL_WAKE_WORDS, KEYWORD_SPOTTING, ANOMALY_DETECTION)
