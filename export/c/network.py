"""A network as C: where everything lies, and the text of its files.

The generated files are the same, byte for byte, for the same graph, name and images.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from export.c import (
    arithmetic,
    fragment,
    function_kernels,
    layers,
    limits,
    literals,
    plain_kernels,
    weighted_kernels,
)
from tfpipeline import errors
from tfpipeline.cost import activations, arena_planner, memory_plan
from tfpipeline.ir import graph, verify


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """An integer graph that can be written, its name in C and its plan of the arena."""

    g: graph.Graph
    name: str
    plan: memory_plan.Plan

    @property
    def input(self) -> graph.Tensor:
        """What the caller gives."""
        return self.g.tensors[self.g.inputs[0]]

    @property
    def output(self) -> graph.Tensor:
        """What the caller gets."""
        return self.g.tensors[self.g.outputs[0]]


def prepare(g: graph.Graph, name: str) -> Network:
    """Checks a graph and plans its arena.

    Args:
        g: of int8, or of int16 with int8 weights; one input and one output.
        name: of files and functions, spelled in lower case with underscores.

    Raises:
        GraphError: the graph is not well formed.
        ExportError: naming everything in it that cannot be written.
    """
    found = limits.reasons(verify.require(g))
    if found:
        raise errors.ExportError(f"graph '{g.name}': {'; '.join(found)}")
    plan = arena_planner.plan_arena(activations.find_buffers(g))
    return Network(g, literals.identifier(name), plan)


def header(found: Network) -> str:
    """The text of NAME.h: the functions, shapes, scales, and bytes of memory."""
    name, upper = found.name, found.name.upper()
    input_type, output_type = (f"{t.dtype}_t" for t in (found.input, found.output))
    lines = [
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdint.h>",
        "",
        "/* Memory for activations, input and output included. */",
        f"#define {upper}_ARENA_BYTES {found.plan.peak_bytes}",
        "/* Weights and biases. */",
        f"#define {upper}_WEIGHT_BYTES {_weight_bytes(found.g)}",
        "",
        "/* real = SCALE * (integer - ZERO_POINT); SIZE is the SHAPE's product. */",
        *_described(f"{upper}_INPUT", found.input),
        *_described(f"{upper}_OUTPUT", found.output),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Computes the output of one input. Not reentrant: the arena is static. */",
        f"void {name}_run(const {input_type} *input, {output_type} *output);",
        "",
        "/* Where both lie in the arena. An input written there and given to run is",
        "   not copied, nor an output that is asked for there; run overwrites both. */",
        f"{input_type} *{name}_input(void);",
        f"{output_type} *{name}_output(void);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _described(prefix: str, tensor: graph.Tensor) -> Iterator[str]:
    assert tensor.quant is not None
    yield f"#define {prefix}_SHAPE {{{', '.join(map(str, tensor.shape))}}}"
    yield f"#define {prefix}_RANK {len(tensor.shape)}"
    yield f"#define {prefix}_SIZE {tensor.num_elements}"
    yield f"#define {prefix}_SCALE {literals.real(tensor.quant.scale[0])}"
    yield f"#define {prefix}_ZERO_POINT ({tensor.quant.zero_point[0]})"


def _weight_bytes(g: graph.Graph) -> int:
    """Of the arrays in C, where weights have a byte each."""
    names = {name for layer in g.layers for name in graph.constant_names(layer)}
    return sum(g.constants[name].nbytes for name in names)


def source(found: Network) -> str:
    """The text of NAME.c: the kernels that the network uses, its tables, its run."""
    g = found.g
    labels = {
        layer.name: f"{layer.kind.lower()}_{i}" for i, layer in enumerate(g.layers)
    }
    operands = _operands(g)
    pointers = {name: f"{label}_values" for name, label in operands.items()} | {
        buffer.name: f"&arena.{_at(g, buffer.name, offset)}"
        for buffer, offset in zip(found.plan.buffers, found.plan.offsets, strict=True)
    }
    codes = [
        layers.BUILDERS[type(layer)](
            layers.Place(
                g,
                labels[layer.name],
                tuple(pointers[name] for name in layer.inputs),
                pointers[layer.output],
            ),
            layer,
        )
        for layer in g.layers
    ]
    kernels = [name for code in codes for name in code.kernels]
    tables = [
        f"{_comment(g, layer)}\n" + "".join(code.tables)
        for layer, code in zip(g.layers, codes, strict=True)
        if code.tables
    ]
    parts = [
        f'#include "{found.name}.h"\n\n#include <string.h>\n',
        *fragment.closure(_FRAGMENTS, kernels),
        *(
            literals.array(
                f"{g.tensors[name].dtype}_t",
                f"{label}_values",
                g.constants[name].ravel().tolist(),
            )
            for name, label in operands.items()
        ),
        *tables,
        _arena(found),
        *_run(found, pointers, codes),
    ]
    return "\n".join(parts)


def _at(g: graph.Graph, name: str, offset: int) -> str:
    """The member of the arena's union for a tensor, and the element."""
    dtype = g.tensors[name].dtype
    return f"{dtype}[{offset // np.dtype(dtype).itemsize}]"


def _operands(g: graph.Graph) -> dict[str, str]:
    """Constants that layers read beside their weights, and their names in C."""
    names = [n for layer in g.layers for n in layer.inputs if n in g.constants]
    return {name: f"constant_{i}" for i, name in enumerate(dict.fromkeys(names))}


def _comment(g: graph.Graph, layer: graph.Layer, indent: str = "") -> str:
    shapes = [str(g.tensors[name].shape) for name in layer.inputs]
    result = g.tensors[layer.output].shape
    return literals.comment(
        f"{layer.name}: {layer.kind}, {' and '.join(shapes)} to {result}", indent
    )


def _arena(found: Network) -> str:
    """A union of arrays, for alignment and because types may not be mixed."""
    size = f"{found.name.upper()}_ARENA_BYTES"
    dtypes = {found.g.tensors[b.name].dtype for b in found.plan.buffers}
    members = "".join(
        f"    {dtype}_t {dtype}[{size} / {np.dtype(dtype).itemsize}];\n"
        for dtype in sorted(dtypes)
    )
    return f"/* All activations. */\nstatic union {{\n{members}}} arena;\n"


def _run(
    found: Network, pointers: dict[str, str], codes: list[layers.Code]
) -> Iterator[str]:
    ends = (("input", found.input), ("output", found.output))
    for end, tensor in ends:
        yield (
            f"{tensor.dtype}_t *{found.name}_{end}(void)\n"
            f"{{\n    return {pointers[tensor.name]};\n}}\n"
        )
    lines = [
        f"void {found.name}_run(const {found.input.dtype}_t *input, "
        f"{found.output.dtype}_t *output)",
        "{",
        *_copied(pointers[found.input.name], "input", "input", found.input),
    ]
    for layer, code in zip(found.g.layers, codes, strict=True):
        lines += ["", _comment(found.g, layer, "    ")]
        lines += [line for text in code.statements for line in _wrapped(text)]
    output = pointers[found.output.name]
    lines += ["", *_copied("output", output, "output", found.output), "}"]
    yield "\n".join(lines) + "\n"


def _copied(to: str, source: str, given: str, tensor: graph.Tensor) -> list[str]:
    """Copies between the caller's memory and the arena, if they are two."""
    place = source if given == "output" else to
    size = tensor.num_elements * np.dtype(tensor.dtype).itemsize
    return [
        f"    if ({given} != {place}) {{",
        f"        memcpy({to}, {source}, {size});",
        "    }",
    ]


def _wrapped(statement: str) -> list[str]:
    """A statement of a function, its arguments on more lines if it is long."""
    if len(statement) + 4 <= 88 or "(" not in statement:
        return [f"    {statement}"]
    indent = " " * (4 + len(statement) - len(statement.lstrip()))
    head, _, rest = statement.strip().partition("(")
    rows = literals.items(rest.removesuffix(");").split(", "), f"{indent}    ")
    return [f"{indent}{head}(", *f"{rows.rstrip().removesuffix(',')});".splitlines()]


def test(found: Network, images: graph.Array, outputs: graph.Array) -> str:
    """The text of NAME_test.c: known answers, and a main that compares."""
    name, upper = found.name, found.name.upper()
    inputs = literals.array(f"{found.input.dtype}_t", "inputs", images.ravel().tolist())
    answers = literals.array(
        f"{found.output.dtype}_t", "answers", outputs.ravel().tolist()
    )
    return f"""\
/* Known answers of {name}: exits with 0 if all are met, else with 1. */
#include "{name}.h"

#include <string.h>

{inputs}
{answers}
int main(void)
{{
    for (int32_t i = 0; i < {len(images)}; ++i) {{
        static {found.output.dtype}_t output[{upper}_OUTPUT_SIZE];
        {name}_run(inputs + i * {upper}_INPUT_SIZE, output);
        if (memcmp(output, answers + i * {upper}_OUTPUT_SIZE, sizeof output) != 0) {{
            return 1;
        }}
    }}
    return 0;
}}
"""


_FRAGMENTS = {
    **arithmetic.FRAGMENTS,
    **weighted_kernels.fragments(),
    **plain_kernels.fragments(),
    **function_kernels.fragments(),
}
