"""A program as portable C99 for a PC, in the chip's integers: the text of its files.

Both rules for convolutions are in it, and the caller says which. The files are the
same, byte for byte, for the same program, name and images.
"""

import textwrap
from collections.abc import Mapping

from export.c import fragment, literals
from export.gap8 import c_arena, c_kernels, c_layers, precisions
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import kernels, program


def header(p: program.Program, name: str) -> str:
    """The text of NAME.h: the function, shapes and fraction bits."""
    upper, value = name.upper(), _value(p)
    lines = [
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdint.h>",
        "",
        "/* Channels, rows, columns; real = integer / 2^Q. */",
        *_described(f"{upper}_INPUT", p.input),
        *_outputs_described(p, f"{upper}_OUTPUT"),
        "",
        *(
            (
                "/* Kernels of 2019 saturate after every input channel: KOP_CONV. */",
                f"#define {upper}_SINGLE_PRECISION 0",
            )
            if kernels.SINGLE in precisions.possible(p)
            else ("/* No single precision: biases have fraction bits of their own. */",)
        ),
        "/* What NNTool calls saturates once: KOP_CONV_DP. */",
        f"#define {upper}_DOUBLE_PRECISION 1",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Computes the output of one input. Not reentrant. */"
        if len(p.outputs) == 1
        else "/* All outputs of one input, one behind the other. Not reentrant. */",
        f"void {name}_run(const {value} *input, {value} *output, int precision);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def source(p: program.Program, name: str) -> str:
    """The text of NAME.c: the kernels that the program uses, tables, and the run."""
    arena = c_arena.plan(p)
    has_single = kernels.SINGLE in precisions.possible(p)
    codes = [
        c_layers.BUILDERS[type(layer)](
            c_layers.Place(p, arena, f"{layer.kind.lower()}_{index}", has_single), layer
        )
        for index, layer in enumerate(p.layers)
    ]
    used = [kernel for code in codes for kernel in code.kernels]
    plane = max(c_layers.plane_size(layer, p) for layer in p.layers)
    tables = [
        f"{_comment(p, layer)}\n" + "".join(code.tables)
        for layer, code in zip(p.layers, codes, strict=True)
        if code.tables
    ]
    parts = [
        f'#include "{name}.h"\n\n#include <string.h>\n',
        f"typedef {_value(p)} value;\n",
        f"#define LOWEST INT{p.num_bits}_MIN\n#define HIGHEST INT{p.num_bits}_MAX\n",
        *([f"#define PLANE_SIZE {plane}\n"] if plane else []),
        *fragment.closure(c_kernels.FRAGMENTS, used),
        *tables,
        f"/* All data between layers. */\nstatic value arena[{arena.elements}];\n",
        _run(p, name, arena, codes),
    ]
    return "\n".join(parts)


def test(
    p: program.Program,
    name: str,
    images: graph.Array,
    answers: Mapping[str, graph.Array],
) -> str:
    """The text of NAME_test.c: known answers, and a main that compares.

    Args:
        p: the program.
        name: of the files.
        images: `[N, channels, rows, columns]`, integers of the input.
        answers: by precision, `[N, channels, rows, columns]` of the output; of several
            `[N, values]`.
    """
    upper, value = name.upper(), _value(p)
    inputs = literals.array(value, "inputs", images.ravel().tolist())
    outputs = "\n".join(
        literals.array(value, f"{precision}_answers", values.ravel().tolist())
        for precision, values in answers.items()
    )
    checks = "\n            || ".join(
        f"differs(i, {precision}_answers, {upper}_{precision.upper()})"
        for precision in answers
    )
    return f"""\
/* Known answers of {name}: exits with 0 if all are met, else with 1. */
#include "{name}.h"

#include <string.h>

{inputs}
{outputs}
static int differs(int32_t i, const {value} *answers, int precision)
{{
    static {value} output[{upper}_OUTPUT_SIZE];
    {name}_run(inputs + i * {upper}_INPUT_SIZE, output, precision);
    return memcmp(output, answers + i * {upper}_OUTPUT_SIZE, sizeof output) != 0;
}}

int main(void)
{{
    for (int32_t i = 0; i < {len(images)}; ++i) {{
        if ({checks}) {{
            return 1;
        }}
    }}
    return 0;
}}
"""


def _value(p: program.Program) -> str:
    return f"int{p.num_bits}_t"


def _described(prefix: str, tensor: program.Tensor) -> list[str]:
    return [
        f"#define {prefix}_SHAPE {{{', '.join(map(str, tensor.shape))}}}",
        f"#define {prefix}_SIZE {tensor.num_elements}",
        f"#define {prefix}_Q ({tensor.q})",
    ]


def _outputs_described(p: program.Program, prefix: str) -> list[str]:
    """Of several outputs each, where it begins, and the size of all."""
    tensors = [p.tensors[name] for name in p.outputs]
    if len(tensors) == 1:
        return _described(prefix, tensors[0])
    lines, start = [], 0
    for number, tensor in enumerate(tensors):
        lines += _described(f"{prefix}{number}", tensor)
        lines.append(f"#define {prefix}{number}_OFFSET {start}")
        start += tensor.num_elements
    return [*lines, f"#define {prefix}_SIZE {start}"]


def _comment(p: program.Program, layer: program.Layer, indent: str = "") -> str:
    shapes = [str(p.tensors[name].shape) for name in layer.inputs]
    result = p.tensors[layer.output].shape
    return literals.comment(
        f"{layer.name}: {layer.kind}, {' and '.join(shapes)} to {result}", indent
    )


def _run(
    p: program.Program, name: str, arena: c_arena.Arena, codes: list[c_layers.Code]
) -> str:
    value = _value(p)
    is_asked = kernels.SINGLE in precisions.possible(p) and any(
        isinstance(layer, program.Conv) for layer in p.layers
    )
    flag = f"const int is_double = precision == {name.upper()}_DOUBLE_PRECISION;"
    lines = [
        f"void {name}_run(const {value} *input, {value} *output, int precision)",
        "{",
        f"    {flag}" if is_asked else "    (void)precision;",
        f"    memcpy(arena + {arena.offsets[p.input.name]}, input, "
        f"{p.tensor_bytes(p.input.name)});",
    ]
    for layer, code in zip(p.layers, codes, strict=True):
        lines += ["", _comment(p, layer, "    ")]
        for statement in code.statements:
            lines += textwrap.wrap(
                statement, 88, initial_indent=" " * 4, subsequent_indent=" " * 8
            )
    lines.append("")
    start = 0
    for result in p.outputs:
        place = f"output + {start}" if start else "output"
        lines.append(
            f"    memcpy({place}, arena + {arena.offsets[result]}, "
            f"{p.tensor_bytes(result)});"
        )
        start += p.tensors[result].num_elements
    return "\n".join([*lines, "}"]) + "\n"
