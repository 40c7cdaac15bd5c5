"""Each layer as gap_quantization writes it: one JSON file with integers and formats.

One thing differs from the tool's own files: where a concatenation made a layer shift
its output by n places more, the tool's `out_frac_bits` and `b_frac_bits` stay as they
were, n too high, although `norm` and the bias have changed. Here all agree:
norm = inp_frac_bits + w_frac_bits - out_frac_bits.
"""

import json
from collections.abc import Iterator
from typing import Any

from export.gap8 import file_names
from tfpipeline.targets.gap8 import program

FOLDER = "layers"


def files(p: program.Program) -> Iterator[tuple[str, str]]:
    """Paths under the export's folder, and what is in each file.

    Pools have no integers, and no file.
    """
    stems = file_names.stems(p)
    for layer in p.layers:
        fields = record(p, layer)
        if fields:
            yield f"{FOLDER}/{stems[layer.name]}.json", json.dumps(fields) + "\n"


def record(p: program.Program, layer: program.Layer) -> dict[str, Any]:
    """The tool's keys. A matrix product is a convolution as large as the plane."""
    if isinstance(layer, program.Weighted):
        weights = layer.weights
        if isinstance(layer, program.Linear):
            weights = weights.reshape(-1, *p.tensors[layer.inputs[0]].shape)
        form = layer.format
        return {
            "weight": weights.tolist(),
            "bias": layer.bias.tolist(),
            "norm": [form.norm],
            "w_frac_bits": [form.weight_q],
            "b_frac_bits": [form.bias_q],
            "inp_frac_bits": [form.in_q],
            "out_frac_bits": [form.out_q],
        }
    if isinstance(layer, program.Joined):
        out_q = p.tensors[layer.output].q
        return {"norm": list(layer.norms), "out_frac_bits": [out_q]}
    return {}


def q_header(p: program.Program, name: str) -> str:
    """The text of NAME_q.h: four defines for each layer with weights, by its number.

    The numbers count the layers with weights, as the tool's header does.
    """
    upper = f"{name.upper()}_Q_H"
    lines = [
        f"#ifndef {upper}",
        f"#define {upper}",
        "",
        "/* Fraction bits. A layer shifts right by Q_IN + Q_WEIGHTS - Q_OUT. */",
        f"#define Q_NETWORK_IN {_literal(p.input.q)}",
        *(
            f"#define Q_NETWORK_OUT{number or ''} {_literal(p.tensors[name].q)}"
            for number, name in enumerate(p.outputs)
        ),
    ]
    weighted = [layer for layer in p.layers if isinstance(layer, program.Weighted)]
    for index, layer in enumerate(weighted):
        form = layer.format
        lines += [
            "",
            f"/* {file_names.stems(p)[layer.name]} */",
            f"#define Q_IN_{index} {_literal(form.in_q)}",
            f"#define Q_OUT_{index} {_literal(form.out_q)}",
            f"#define Q_WEIGHTS_{index} {_literal(form.weight_q)}",
            f"#define Q_BIAS_{index} {_literal(form.bias_q)}",
        ]
    return "\n".join([*lines, "", "#endif"]) + "\n"


def _literal(value: int) -> str:
    return f"({value})" if value < 0 else str(value)
