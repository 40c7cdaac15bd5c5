"""Fast kernels against readable ones, as ratios within one run.

    python -m tests.benchmarks.kernels_bench

An int8 tensor of 32x32x32 (or as much for what has another shape) through one layer of
each kind whose two kernels differ. The promise is that a batch takes a fiftieth of the
time an image. The readable kernels of Split, Unpack, Pad and PadV2 move whole arrays
and are the fast ones.
"""

import time

from tests import recurrent
from tests.ir import tflite_models as models
from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution

SIDE = 32
PROMISE = 50
_ROUNDS = 5
_F, _SCHEMA = cases.INT8, cases.schema


def networks() -> dict[str, bytes]:
    """Name -> a file of one layer."""
    plane = _F.image(SIDE, SIDE, SIDE)
    other = cases.operand(plane, 1, SIDE, SIDE, SIDE)
    slopes = cases.operand(_F.image(SIDE), 1, 1, SIDE)
    result = _F.result(SIDE, SIDE, SIDE)
    double = _F.image(2 * SIDE, 2 * SIDE, SIDE)
    lines = models.integers
    strides = cases.window(_SCHEMA.TransposeConvOptionsT, stride=3)
    kernel = _F.kernel(SIDE, 2, 2, SIDE)
    small = _F.image(8, 8, SIDE)
    by_size = lines([2 * SIDE, 2 * SIDE])
    position = _SCHEMA.TensorType.INT32
    operators = {
        "LeakyRelu": (
            "LEAKY_RELU",
            [plane],
            result,
            _SCHEMA.LeakyReluOptionsT(alpha=0.3),
        ),
        "PRelu": ("PRELU", [plane, slopes], result, None),
        "Minimum": ("MINIMUM", [plane, other], plane, None),
        "Maximum": ("MAXIMUM", [plane, other], plane, None),
        **{
            f"{name} over {over}": (
                operator,
                [plane, lines(axes)],
                _F.image(*shape),
                _SCHEMA.ReducerOptionsT(),
            )
            for name, operator in (
                ("ReduceMax", "REDUCE_MAX"),
                ("ReduceMin", "REDUCE_MIN"),
            )
            for over, axes, shape in (
                ("rows", [1], (SIDE, SIDE)),
                ("channels", [3], (SIDE, SIDE)),
            )
        },
        **{
            f"{name} of {along}": (
                operator,
                [plane, lines(axis)],
                models.Value((1, SIDE, SIDE), "int32", None),
                options(outputType=position),
            )
            for name, operator, options in (
                ("ArgMax", "ARG_MAX", _SCHEMA.ArgMaxOptionsT),
                ("ArgMin", "ARG_MIN", _SCHEMA.ArgMinOptionsT),
            )
            for along, axis in (("rows", 1), ("channels", 3))
        },
        "MirrorPad": (
            "MIRROR_PAD",
            [plane, lines([[0, 0], [2, 2], [2, 2], [0, 0]])],
            _F.image(SIDE + 4, SIDE + 4, SIDE),
            _SCHEMA.MirrorPadOptionsT(),
        ),
        "Transpose": (
            "TRANSPOSE",
            [plane, lines([0, 3, 1, 2])],
            plane,
            _SCHEMA.TransposeOptionsT(),
        ),
        "Slice": (
            "SLICE",
            [plane, lines([0, 1, 1, 1]), lines([1, 30, 30, 30])],
            _F.image(30, 30, 30),
            _SCHEMA.SliceOptionsT(),
        ),
        "StridedSlice": (
            "STRIDED_SLICE",
            [plane, lines([0, 0, 0, 0]), lines([1, 32, 32, 32]), lines([1, 2, 2, 1])],
            _F.image(SIDE // 2, SIDE // 2, SIDE),
            _SCHEMA.StridedSliceOptionsT(),
        ),
        "ResizeNearestNeighbor": (
            "RESIZE_NEAREST_NEIGHBOR",
            [plane, by_size],
            double,
            _SCHEMA.ResizeNearestNeighborOptionsT(),
        ),
        "ResizeBilinear": (
            "RESIZE_BILINEAR",
            [plane, by_size],
            double,
            _SCHEMA.ResizeBilinearOptionsT(),
        ),
        "TransposeConv2D with gaps": (
            "TRANSPOSE_CONV",
            [lines([1, 24, 24, SIDE]), kernel, small, _F.bias(SIDE)],
            _F.result(24, 24, SIDE),
            strides,
        ),
    }
    return {
        **{name: models.one_operator(*case) for name, case in operators.items()},
        "Lstm": recurrent.lstm(rows=SIDE, channels=SIDE, units=SIDE),
        # As many weights as the tensor has values.
        "Svdf": recurrent.svdf(moments=SIDE, channels=128, units=128),
    }


def _seconds(run, times: int) -> float:
    """The least of some rounds: what others do on the machine only adds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def ratio(model: bytes) -> float:
    """How many times the readable kernel's time an image takes the fast one's."""
    g = from_tflite.read(model)
    inputs = micro.random_inputs(g, execution.BATCH_SIZE)
    first = [each[:1] for each in inputs]
    fast = _seconds(lambda: execution.run(g, inputs), _ROUNDS) / execution.BATCH_SIZE
    readable = _seconds(lambda: execution.run(g, first, readable=True), 1)
    return readable / fast


def main() -> None:
    """Prints a line a layer, and whether the promise holds."""
    for name, model in networks().items():
        found = ratio(model)
        verdict = "kept" if found >= PROMISE else "BROKEN"
        print(f"  {name:26} {found:7.0f} x readable, {PROMISE} promised: {verdict}")


if __name__ == "__main__":
    main()
