"""The formats of a program, layer by layer, as rows and as a text table."""

import dataclasses

import numpy as np

from tfpipeline.targets.gap8 import fixed_point, program


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One layer. What a layer does not have is `None`.

    Attributes:
        name: the layer's.
        kind: of `program`, with what is fused: `Conv+relu+pool`.
        in_q: fraction bits of the input, the least of several.
        weight_q: of the weights.
        bias_q: of the bias.
        out_q: of the output.
        norm: places that sums, or the widest input, are shifted right by.
        integer_bits: of the output: magnitudes reach 2**integer_bits.
        extremes: weights at the ends of their range, those cut off among them.
        note: what to know besides.
    """

    name: str
    kind: str
    in_q: int
    weight_q: int | None
    bias_q: int | None
    out_q: int
    norm: int | None
    integer_bits: int
    extremes: int | None
    note: str


_HEADINGS = ("layer", "kernel", "in", "w", "bias", "out", "norm", "int", "extremes", "")


def rows(p: program.Program) -> tuple[Row, ...]:
    """One row a layer, in their order."""
    return tuple(_row(p, layer) for layer in p.layers)


def lines(p: program.Program) -> tuple[str, ...]:
    """A text table with its heading, legend and notes.

    `Q` is fraction bits: an integer stands for integer / 2**Q.
    """
    cells: list[tuple[str, ...]] = [_HEADINGS]
    for row in rows(p):
        values = dataclasses.astuple(row)
        cells.append(tuple("-" if value is None else str(value) for value in values))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = [
        "  ".join(
            cell.ljust(width) if index in (0, 1, 9) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    heading = (
        f"{p.name}: {p.num_bits}-bit fixed point, input Q{p.input.q}; in, w, bias, out "
        "are fraction bits, int the output's integer bits"
    )
    return (heading, *table, *p.notes)


def _row(p: program.Program, layer: program.Layer) -> Row:
    out_q = p.tensors[layer.output].q
    form = layer.format if isinstance(layer, program.Weighted) else None
    norm = form.norm if form else None
    if isinstance(layer, program.Joined):
        norm = max(layer.norms)
    return Row(
        name=layer.name,
        kind=_kind(layer),
        in_q=min(p.tensors[name].q for name in layer.inputs),
        weight_q=form.weight_q if form else None,
        bias_q=form.bias_q if form else None,
        out_q=out_q,
        norm=norm,
        integer_bits=p.num_bits - 1 - out_q,
        extremes=_extremes(layer, p.num_bits),
        note=_note(p, layer),
    )


def _kind(layer: program.Layer) -> str:
    parts = [layer.kind]
    if getattr(layer, "relu", False):
        parts.append("relu")
    if isinstance(layer, program.Conv) and layer.pool is not None:
        parts.append("pool")
    return "+".join(parts)


def _extremes(layer: program.Layer, num_bits: int) -> int | None:
    if not isinstance(layer, program.Weighted):
        return None
    low, high = fixed_point.value_range(num_bits)
    ends = (layer.weights == low) | (layer.weights == high)
    return int(np.count_nonzero(ends))


def _note(p: program.Program, layer: program.Layer) -> str:
    if isinstance(layer, program.AvgPool) and layer.gain != 1:
        return f"gain {layer.gain:.5f}"
    if isinstance(layer, program.Concat) and any(layer.norms):
        return "shifts its inputs itself: a layer before it has other readers"
    if isinstance(layer, program.Conv) and layer.format.norm >= 32 - p.num_bits:
        return "in single precision too large results wrap"
    return ""
