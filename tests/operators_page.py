"""docs/operators.md: which target does what, from the tables of the code.

    python -m tests.operators_page

writes the page again after a change of a table; a test holds them together. What a
chip does with a kind is what its own constraints say of a small network with it.
"""

import re

from export.c import layers as c_layers
from tests import graph_builder, recurrent, room_table
from tests.cost import operations_test
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, graph, tflite_operators, tflite_rewrites
from tfpipeline.simulate import support
from tfpipeline.targets import catalog
from tfpipeline.targets.stm32 import cost, lowering

FILE = room_table.ROOT / "docs" / "operators.md"

_HEAD = """\
# Operators

What each kind of layer is in a `.tflite` file, and who runs it. Written by `python -m
tests.operators_page` from the code's tables; a test fails where they differ.

* **int8, int16**: TensorFlow Lite Micro has a kernel, which `simulate` equals bit for
  bit ("to int32" where that is what it writes); "-": it has none, and every command
  says so.
* **C**: `python -m export --targets=c` writes it, for the same types.
* **MAX78000, GAP8**: "yes": the chip runs it within its constraints
  ([max78000.md](targets/max78000.md), [gap8.md](targets/gap8.md)); "host": at the end
  of a network, or folding its input, it is left to the host; "-": a constraint refuses
  it, in one line.
* **STM32**: how `estimate` prices it: by CMSIS-NN's own kernel, as another one of as
  much work (a note says so), or not at all, as data that is only moved.

"""


def _example(kind: type[graph.Layer]) -> graph.Graph | None:
    """A network that ends with a layer of a kind; none where only integers have it."""
    if kind is graph.Requantize:
        return None
    if issubclass(kind, graph.Stateful):
        model = recurrent.lstm() if kind is graph.Lstm else recurrent.svdf()
        return from_tflite.read(model)
    builder = graph_builder.Builder((8, 4) if kind is graph.Conv1D else (8, 6, 4))
    builder.conv(4, 1)
    if kind is graph.Activation:
        builder.conv(4, relu=False)
    if kind is graph.Conv1D:
        return builder.build()
    if kind is graph.Pad:
        builder.pad(((0, 0), (1, 1), (1, 1), (0, 0)))
        builder.conv(4, padding="valid")
    elif issubclass(kind, graph.Position):
        builder.mean()
        builder.position(1, kind)
    elif kind is graph.ReduceMax:
        # Of a square: strides of MAX78000's pools are the same in both directions.
        builder = graph_builder.Builder((8, 8, 4))
        builder.conv(4, 1)
        builder.reduce()
    elif kind is graph.TransposeConv2D:
        builder.transposed(4, cut=(1, 0))
    elif kind is graph.SpaceToDepth:
        builder = graph_builder.Builder((8, 6, 1))
        builder.space_to_depth(2)
        builder.conv(4)
    else:
        operations_test.CASES[kind][0](builder)
    return builder.build()


def _chip(kind: type[graph.Layer], target: str) -> str:
    g = _example(kind)
    if g is None:
        return "yes"
    found = catalog.TARGETS[target].estimate(g, estimate.Options())
    if found.violations:
        return "-"
    left = [note for note in found.notes if "left to the host" in note]
    return "host" if any(f"{kind.__name__} '" in note for note in left) else "yes"


def _stm32(kind: type[graph.Layer]) -> str:
    if kind in lowering.STAND_INS:
        return lowering.STAND_INS[kind].removeprefix("counted ")
    g = _example(kind)
    if g is None:
        return "moved"
    layer = next(x for x in g.layers[::-1] if isinstance(x, kind))
    lowered = next(x for x in lowering.lower(g) if x.name == layer.name)
    return "moved" if lowered.kind == cost.FREE else "own kernel"


def _types(kind: type[graph.Layer]) -> tuple[str, str]:
    if kind is graph.Requantize:
        return "yes", "yes"
    word = "to int32" if issubclass(kind, graph.Position) else "yes"
    known = support.TYPES[kind]
    return tuple(word if dtype in known else "-" for dtype in support.BOTH)


def _operators(kind: type[graph.Layer]) -> str:
    """Names in files, that of what the kind is written as first."""
    return ", ".join(f"`{name}`" for name in NAMES[kind])


def _names() -> dict[type[graph.Layer], tuple[str, ...]]:
    """Kind -> operators, by the name that both have, and where they differ."""
    known = {*tflite_operators.READERS, *tflite_rewrites.REWRITES}
    special = {
        graph.Conv1D: ("CONV_2D",),
        graph.Conv2D: ("CONV_2D",),
        graph.DepthwiseConv2D: ("DEPTHWISE_CONV_2D",),
        graph.TransposeConv2D: ("TRANSPOSE_CONV",),
        graph.Dense: ("FULLY_CONNECTED",),
        graph.MaxPool: ("MAX_POOL_2D",),
        graph.AveragePool: ("AVERAGE_POOL_2D",),
        graph.Concat: ("CONCATENATION",),
        graph.Split: ("SPLIT", "SPLIT_V"),
        graph.Lstm: ("UNIDIRECTIONAL_SEQUENCE_LSTM",),
        graph.PadV2: ("PADV2",),
        graph.PRelu: ("PRELU",),
        graph.Reshape: ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"),
        graph.Requantize: ("QUANTIZE",),
        graph.Activation: tuple(sorted(tflite_operators.FUNCTIONS)),
    }
    names = {}
    for kind in graph.LAYER_KINDS:
        spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()
        names[kind] = special.get(kind, (spelled,))
    assert known == {name for found in names.values() for name in found}
    return names


NAMES = _names()


def text() -> str:
    """The page."""
    columns = ("kind", "operators", "int8", "int16", "C", "MAX78000", "GAP8", "STM32")
    rows = [columns, ("---",) * len(columns)]
    for kind in graph.LAYER_KINDS:
        rows.append(
            (
                kind.__name__,
                _operators(kind),
                *_types(kind),
                "yes" if kind in c_layers.BUILDERS else "-",
                _chip(kind, "max78000"),
                _chip(kind, "gap8"),
                _stm32(kind),
            )
        )
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    """Writes the page."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
