"""docs/layers.md: which Keras layer goes where, from the tables of the code.

    python -m tests.layers_page

writes the page again after a change of a table; a test holds them together, and others
do what its cells say (tests/integration/layers_test.py). What a cell says is what the
checks in front of any training say of the smallest network with the layer.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

from export.c import layers as c_layers
from export.tflite import limits
from tests import layer_networks, room_table
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.deploy import catalog, choices
from tfpipeline.ir import graph
from tfpipeline.keras_networks import quantizable
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import layers as max78000_layers
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int8
from tfpipeline.readers import from_keras

FILE = room_table.ROOT / "docs" / "layers.md"
# Number format -> the type of TensorFlow Lite Micro's activations.
TYPES = {"int8": "int8", "int16x8": "int16", "int4": "int8"}
FORMATS = (*TYPES, "max78000", "gap8")
BOTH, QAT, PTQ, NONE = "QAT, PTQ", "QAT", "PTQ", "-"
# What is read as TensorFlow's converter has it, and does not run after training then.
UNREADABLE_AFTER_TRAINING = {
    "UpSampling1D": "after training: it joins all rows, TFLite Micro ten at most"
}

_HEAD = """\
# Layers

Which layer of Keras goes where, tried on the smallest network with it. Written by
`python -m tests.layers_page` from the code's own checks; tests do what the cells say
(`tests/integration/layers_test.py`).

* **becomes**: what training for integers has in its place. It computes the same
  (`keras_networks/quantizable.py`, proven by trial each time), keeps the layer's name
  or has it in front (`conv/depthwise`), and is what the exported files hold. An empty
  cell: the layer itself. MAX78000 and GAP8 may have others: `rewrites.py` of each.
* **int8, int16x8, int4, MAX78000, GAP8**: "QAT, PTQ": trained for the integers or
  quantized after training; "QAT", "PTQ": one of them only; "-": refused before any
  training, in one line, which stands below the table.
* **TFLM**: the types that TensorFlow Lite Micro has kernels for; **C**: whether
  `--targets=c` writes it; **estimate**: whether `estimate` reads it.

A function may stand inside a layer with weights or as a layer of its own, which is the
same for all of this.

"""
_REFUSALS = """
## What is refused, and what it says

"""


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a number format does with a layer.

    Attributes:
        word: `BOTH`, `QAT`, `PTQ` or `NONE`.
        message: why not all of it; empty for `BOTH`.
    """

    word: str
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        becomes: classes of the layers in a layer's place; empty if it stays.
        formats: by number format.
        types: of TensorFlow Lite Micro's kernels.
        is_in_c: whether there is a kernel in C for all of it.
        is_read: whether it has a place in a graph.
    """

    becomes: str
    formats: dict[str, Cell]
    types: str
    is_in_c: bool
    is_read: bool


def _fault(check: Callable[[], object]) -> str:
    """What a check says; empty where it passes."""
    try:
        check()
    except errors.PipelineError as error:
        return str(error)
    return ""


@functools.cache
def row(name: str) -> Row:
    """What the code says of a case of `layer_networks`."""
    model = layer_networks.build(name)
    unread = _fault(lambda: require_readable(model))
    if unread:
        unreadable = {each: Cell(NONE, unread) for each in FORMATS}
        return Row("", unreadable, NONE, False, False)
    g = from_keras.read(model, name="net")
    types = [
        dtype
        for dtype in ("int8", "int16")
        if not _fault(lambda dtype=dtype: limits.require_runnable(g, dtype))
    ]
    cells = {each: _cell(each, model, g) for each in FORMATS}
    if name in UNREADABLE_AFTER_TRAINING:
        cells |= {
            each: Cell(QAT, UNREADABLE_AFTER_TRAINING[name])
            for each in TYPES
            if cells[each].word == BOTH
        }
    return Row(
        _becomes(model),
        cells,
        ", ".join(types) or NONE,
        all(type(layer) in c_layers.BUILDERS for layer in g.layers),
        True,
    )


def require_readable(model: keras.Model) -> None:
    """Checks that all layers have a place in a graph.

    Raises:
        GraphError: names those that have none.
    """
    from_keras.read(model, name="net")


def _cell(number_format: str, model: keras.Model, g: graph.Graph) -> Cell:
    fault = qat_fault(number_format, model)
    if not fault:
        return Cell(BOTH)
    if number_format not in TYPES or any(
        isinstance(layer, graph.Lstm) and number_format == "int4" for layer in g.layers
    ):
        return Cell(NONE, fault)
    dtype = TYPES[number_format]
    if _fault(lambda: limits.require_runnable(g, dtype)):
        return Cell(NONE, fault)
    return Cell(PTQ, fault)


def qat_fault(number_format: str, model: keras.Model) -> str:
    """What stands in the way of training for a format; empty if nothing does."""
    return _fault(lambda: require_trainable(number_format, model))


def require_trainable(number_format: str, model: keras.Model) -> None:
    """The checks of a format, none of which makes a quantized network.

    Raises:
        PipelineError: what training would refuse.
    """
    given = choices.Choices()
    deployment = catalog.of(number_format)
    folded, g = _folded(model, deployment.training(given).target)
    if deployment.check is not None:
        deployment.check(g, given)
    if number_format in TYPES:
        int8.require_supported(folded, number_format)
        limits.require_runnable(g, TYPES[number_format])
    elif number_format == "gap8":
        gap8.require_supported(folded)
    else:
        scheme = max78000.Scheme()
        wide = scheme.wide_layers(folded)
        max78000_layers.check(folded, scheme.policy, wide)


@functools.lru_cache(maxsize=4)
def _folded(
    model: keras.Model, target: quantizable.Target
) -> tuple[keras.Model, graph.Graph]:
    if target is not quantizable.ANY and not quantizable.is_rewritten(model, target):
        return _folded(model, quantizable.ANY)
    folded = quantizable.fold(model, target)
    return folded, from_keras.read(folded, name="net")


def _becomes(model: keras.Model) -> str:
    """The layers of the int8 scheme's network that the float one does not have."""
    if not quantizable.is_rewritten(model):
        return ""
    before = {(layer.name, type(layer)) for layer in model.layers}
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        return "its layers"
    folded, _ = _folded(model, quantizable.ANY)
    kinds = [
        type(layer).__name__
        for layer in folded.layers
        if (layer.name, type(layer)) not in before
    ]
    return ", ".join(kinds) or "nothing: its neighbor takes it in"


def text() -> str:
    """The page."""
    columns = (
        *("layer", "becomes", "int8", "int16x8", "int4", "MAX78000", "GAP8"),
        *("TFLM", "C", "estimate"),
    )
    lines = [columns, ("---",) * len(columns)]
    for name in layer_networks.CASES:
        found = row(name)
        lines.append(
            (
                name.replace("|", "\\|"),
                found.becomes,
                *(found.formats[each].word for each in FORMATS),
                found.types,
                "yes" if found.is_in_c else NONE,
                "yes" if found.is_read else NONE,
            )
        )
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return _HEAD + table + _REFUSALS + "".join(_refusals())


def _refusals() -> Iterator[str]:
    for name in layer_networks.CASES:
        said: dict[str, list[str]] = {}
        for number_format, cell in row(name).formats.items():
            if cell.message:
                said.setdefault(cell.message, []).append(number_format)
        if said:
            yield f"* **{name}**\n"
        for message, formats in said.items():
            yield f"  * {', '.join(formats)}: `{message}`\n"


def main() -> None:
    """Writes the page."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
