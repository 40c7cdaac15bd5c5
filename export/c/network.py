"""A network as C: where everything lies, and the text of its files.

The generated files are the same, byte for byte, for the same graph, name and images.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from export.c import (
    arithmetic,
    convolution_kernels,
    depthwise_kernels,
    fragment,
    function_kernels,
    gathering_kernels,
    layers,
    limits,
    literals,
    paired_products,
    patches,
    place,
    plain_kernels,
    recurrent_kernels,
    shared_tables,
    states,
    storage,
    vector_depthwise,
    vector_plain_kernels,
    vector_products,
    weighted_kernels,
    weighted_layers,
)
from tfpipeline import errors
from tfpipeline.cost import memory_plan
from tfpipeline.ir import graph, verify
from tfpipeline.metadata import model_metadata, words

Ends = Mapping[str, graph.Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """An integer graph that can be written, its name in C and its place in the arena.

    Attributes:
        g: the graph.
        name: in C.
        stored: where everything lies that it computes.
        metadata: how it is fed and what it says.
        patched: its first layers in patches, if they are computed so.
    """

    g: graph.Graph
    name: str
    stored: storage.Storage
    metadata: model_metadata.Metadata | None = None
    patched: patches.Patched | None = None

    @property
    def plan(self) -> memory_plan.Plan:
        """Of the arena."""
        return self.stored.plan

    @property
    def computed(self) -> graph.Graph:
        """The graph that is written: `g`, or that with its first layers in patches."""
        return self.g if self.patched is None else self.patched.g

    @property
    def steps(self) -> tuple[graph.Layer, ...]:
        """The layers of `computed` that do anything, in order."""
        if self.patched is None:
            return self.g.layers
        views = self.patched.views
        return tuple(x for x in self.computed.layers if x.name not in views)

    def origin(self, layer: graph.Layer) -> str:
        """The name of the layer of `g` that one of `steps` is a part of."""
        return layer.name if self.patched is None else self.patched.origins[layer.name]

    @property
    def inputs(self) -> Ends:
        """What the caller gives, by its name in C: `input`, or `input1`, `input2`."""
        return _ends(self.g, "input", self.g.inputs)

    @property
    def outputs(self) -> Ends:
        """What the caller gets, by its name in C."""
        return _ends(self.g, "output", self.g.outputs)


def _ends(g: graph.Graph, role: str, names: Sequence[str]) -> Ends:
    if len(names) == 1:
        return {role: g.tensors[names[0]]}
    return {f"{role}{i}": g.tensors[name] for i, name in enumerate(names, start=1)}


def prepare(
    g: graph.Graph, name: str, metadata: model_metadata.Metadata | None = None
) -> Network:
    """Checks a graph and plans its arena.

    Args:
        g: of int8, or of int16 with int8 weights.
        name: of files and functions, spelled in lower case with underscores.
        metadata: how it is fed and what it says, for the header.

    Raises:
        GraphError: the graph is not well formed.
        ExportError: naming everything in it that cannot be written.
    """
    _require_writable(verify.require(g))
    return Network(g, literals.identifier(name), storage.planned(g), metadata)


def in_patches(found: Network, patched: patches.Patched) -> Network:
    """The network with its first layers in patches, in the smaller of its arenas.

    Raises:
        GraphError, ExportError: as `prepare`, of what is to be computed.
    """
    _require_writable(verify.require(patched.g))
    stored = storage.smallest(patched)
    return dataclasses.replace(found, stored=stored, patched=patched)


def _require_writable(g: graph.Graph) -> None:
    found = limits.reasons(g)
    if found:
        raise errors.ExportError(errors.told(f"graph '{g.name[:60]}': ", found))


def header(found: Network) -> str:
    """The text of NAME.h: the functions, shapes, scales, and bytes of memory."""
    name, upper = found.name, found.name.upper()
    ends = {**found.inputs, **found.outputs}
    kept = states.num_bytes(found.g)
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
        *(_STATE_BYTES.format(upper, kept).splitlines() if kept else ()),
        "",
        "/* Steps of the computation. */",
        f"#define {upper}_LAYERS {len(found.steps)}",
        "",
        "/* real = SCALE * (integer - ZERO_POINT), but for positions, which have no",
        "   scale; SIZE is the SHAPE's product. */",
        *(
            line
            for end, tensor in ends.items()
            for line in _described(f"{upper}_{end.upper()}", tensor)
        ),
        *_metadata(found),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Computes the output of one input. Not reentrant: the arena is static. */"
        if len(ends) == 2
        else "/* Computes outputs of inputs. Not reentrant: the arena is static. */",
        *_prototype(found, ";"),
        *(_RESET.format(name).splitlines() if kept else ()),
        "",
        "/* Where they lie in the arena. An input written there and given to run is",
        "   not copied, nor an output that is asked for there; run overwrites all. */",
        *(f"{tensor.dtype}_t *{name}_{end}(void);" for end, tensor in ends.items()),
        "",
        f"#ifdef {upper}_MARKS",
        "/* Yours, to measure layers: called before each layer, and at the end with",
        f"   {upper}_LAYERS. */",
        f"void {name}_mark(int32_t layer);",
        "#endif",
        "",
        f"#ifdef {upper}_GUARDS",
        "/* To test: fills bytes around the arena; tells whether they stayed so. */",
        f"void {name}_set_guards(void);",
        f"int {name}_guards_hold(void);",
        "#endif",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _metadata(found: Network) -> Iterator[str]:
    """How the network is fed and what it says: a comment, and names for the device."""
    if found.metadata is None:
        return
    rows = words.wrapped(found.metadata, _WIDTH - 6)
    yield ""
    # No name of a class ends the comment, or begins one in it.
    first, *others = (
        row.replace("*/", "* /")
        .replace("/*", "/ *")
        .encode("ascii", "replace")
        .decode()
        for row in rows
    )
    yield "\n".join([f"/* {first}", *(f"   {row}" for row in others)]) + " */"
    if names := found.metadata.names:
        texts = ", ".join(literals.string(name) for name in names)
        yield f"#define {found.name.upper()}_OUTPUT_NAMES {{{texts}}}"


def _prototype(found: Network, end: str) -> list[str]:
    """The head of the function that runs the network, on as many lines as it needs."""
    parameters = [f"const {t.dtype}_t *{end}" for end, t in found.inputs.items()]
    parameters += [f"{t.dtype}_t *{end}" for end, t in found.outputs.items()]
    line = f"void {found.name}_run({', '.join(parameters)}){end}"
    if len(line) <= _WIDTH:
        return [line]
    rows = literals.items(parameters, "    ").rstrip().removesuffix(",")
    return [f"void {found.name}_run(", *f"{rows}){end}".splitlines()]


def _described(prefix: str, tensor: graph.Tensor) -> Iterator[str]:
    yield f"#define {prefix}_SHAPE {{{', '.join(map(str, tensor.shape))}}}"
    yield f"#define {prefix}_RANK {len(tensor.shape)}"
    yield f"#define {prefix}_SIZE {tensor.num_elements}"
    if tensor.quant is None:
        return
    yield f"#define {prefix}_SCALE {literals.real(tensor.quant.scale[0])}"
    yield f"#define {prefix}_ZERO_POINT ({tensor.quant.zero_point[0]})"


def _weight_bytes(g: graph.Graph) -> int:
    """Of the arrays in C, where weights have a byte each."""
    sizes: dict[str, int] = {}
    for layer in g.layers:
        sizes |= {
            name: g.constants[name].nbytes for name in graph.constant_names(layer)
        }
        if isinstance(layer, graph.Weighted):
            sizes[layer.weights] = weighted_layers.weight_bytes(g, layer)
    return sum(sizes.values())


def source(found: Network) -> str:
    """The text of NAME.c: the kernels that the network uses, its tables, its run."""
    g = found.computed
    labels = _labels(g)
    operands = _operands(g)
    pointers = {name: f"{label}_values" for name, label in operands.items()}
    pointers |= _activations(found)
    scratch = _scratch(found)
    kept = states.find(g, labels)
    codes = [
        layers.BUILDERS[type(layer)](
            place.Place(
                g,
                labels[layer.name],
                tuple(pointers.get(name, "0") for name in layer.inputs),
                pointers[layer.output],
                scratch.get(layer.name, "0"),
                tuple(pointers[name] for name in graph.written_names(layer)[1:]),
                tuple(kept[name].pointer for name in graph.state_names(layer)),
            ),
            layer,
        )
        for layer in found.steps
    ]
    if found.patched is not None:
        codes = shared_tables.once(
            codes,
            [labels[layer.name] for layer in found.steps],
            [found.origin(layer) for layer in found.steps],
        )
    kernels = [name for code in codes for name in code.kernels]
    tables = [
        f"{_comment(g, layer)}\n" + "".join(code.tables)
        for layer, code in zip(found.steps, codes, strict=True)
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
        _arena(found, states.declared(kept.values())),
        *states.reset(found.name, kept.values()),
        *_run(found, pointers, codes),
    ]
    return "\n".join(parts)


def _labels(g: graph.Graph) -> dict[str, str]:
    """What names of each layer's constants begin with."""
    return {layer.name: f"{layer.kind.lower()}_{i}" for i, layer in enumerate(g.layers)}


def _activations(found: Network) -> dict[str, str]:
    """C's pointer to each activation."""
    tensors = found.computed.tensors
    return {
        name: _at(tensors[name].dtype, offset)
        for name, offset in found.stored.offsets.items()
    }


def _scratch(found: Network) -> dict[str, str]:
    """C's pointer to the scratch memory of each layer that has any."""
    g, offsets = found.computed, found.stored.scratch
    return {
        layer.name: _at(weighted_layers.scratch_dtype(g, layer), offsets[layer.name])
        for layer in g.layers
        if layer.name in offsets
    }


def _at(dtype: str, offset: int) -> str:
    """An element of the member of the arena's union of a type."""
    return f"&arena.{dtype}[{offset // np.dtype(dtype).itemsize}]"


def _operands(g: graph.Graph) -> dict[str, str]:
    """Constants that layers read beside their weights, and their names in C."""
    names = [
        name
        for layer in g.layers
        if not isinstance(layer, layers.SPELLED_OUT)
        for name in layer.inputs
        if name in g.constants
    ]
    return {name: f"constant_{i}" for i, name in enumerate(dict.fromkeys(names))}


def _comment(g: graph.Graph, layer: graph.Layer, indent: str = "") -> str:
    shapes = [str(g.tensors[name].shape) for name in layer.inputs]
    results = [str(g.tensors[name].shape) for name in graph.written_names(layer)]
    return literals.comment(
        f"{layer.name}: {layer.kind}, {' and '.join(shapes)} to "
        f"{' and '.join(results)}",
        indent,
    )


def _arena(found: Network, kept: str) -> str:
    """A union of arrays, for alignment and because types may not be mixed.

    Args:
        found: the network.
        kept: members of a struct, what is kept from run to run.
    """
    size = f"{found.name.upper()}_ARENA_BYTES"
    g, stored = found.computed, found.stored
    # Of int32 for the alignment.
    dtypes = {g.tensors[name].dtype for name in stored.offsets} | {"int32"}
    dtypes |= {
        weighted_layers.scratch_dtype(g, layer)
        for layer in g.layers
        if layer.name in stored.scratch
    }
    members = "".join(
        f"    {dtype}_t {dtype}[{size} / {np.dtype(dtype).itemsize}];\n"
        for dtype in sorted(dtypes)
    )
    names = {"name": found.name, "upper": found.name.upper()}
    more = {
        key: literals.filled(text, **names, kept=kept) if kept else ""
        for key, text in _WITH_STATES.items()
    }
    return literals.filled(_ARENA, **names, **more, members=members)


def _run(
    found: Network, pointers: dict[str, str], codes: list[place.Code]
) -> Iterator[str]:
    for end, tensor in (*found.inputs.items(), *found.outputs.items()):
        yield (
            f"{tensor.dtype}_t *{found.name}_{end}(void)\n"
            f"{{\n    return {pointers[tensor.name]};\n}}\n"
        )
    lines = [
        *_prototype(found, ""),
        "{",
        *(states.begun(found.name) if states.num_bytes(found.g) else ()),
        *(
            line
            for end, tensor in found.inputs.items()
            for line in _copied(pointers[tensor.name], end, end, tensor)
        ),
    ]
    for i, (layer, code) in enumerate(zip(found.steps, codes, strict=True)):
        lines += ["", _comment(found.computed, layer, "    "), f"    MARK({i});"]
        lines += [line for text in code.statements for line in _wrapped(text)]
    lines += [f"    MARK({len(codes)});", ""]
    for end, tensor in found.outputs.items():
        lines += _copied(end, pointers[tensor.name], end, tensor)
    lines.append("}")
    yield "\n".join(lines) + "\n"


def _copied(to: str, source: str, given: str, tensor: graph.Tensor) -> list[str]:
    """Copies between the caller's memory and the arena, if they are two."""
    place = source if given == to else to
    size = tensor.num_elements * np.dtype(tensor.dtype).itemsize
    return [
        f"    if ({given} != {place}) {{",
        f"        memcpy({to}, {source}, {size});",
        "    }",
    ]


def _wrapped(statement: str) -> list[str]:
    """A statement of a function, its arguments on more lines if it is long."""
    if len(statement) + 4 <= _WIDTH or "(" not in statement:
        return [f"    {statement}"]
    indent = " " * (4 + len(statement) - len(statement.lstrip()))
    head, _, rest = statement.strip().partition("(")
    rows = literals.items(rest.removesuffix(");").split(", "), f"{indent}    ")
    return [f"{indent}{head}(", *f"{rows.rstrip().removesuffix(',')});".splitlines()]


def test(
    found: Network, inputs: Sequence[graph.Array], outputs: Sequence[graph.Array]
) -> str:
    """The text of NAME_test.c: known answers, and a main that compares.

    Args:
        found: the network.
        inputs: for each of its inputs `[N, ...]`.
        outputs: for each of its outputs `[N, ...]`.
    """
    upper = found.name.upper()
    tables = [
        literals.array(f"{tensor.dtype}_t", f"{end}_values", values.ravel().tolist())
        for (end, tensor), values in (
            *zip(found.inputs.items(), inputs, strict=True),
            *zip(found.outputs.items(), outputs, strict=True),
        )
    ]
    given = [f"{end}_values + i * {upper}_{end.upper()}_SIZE" for end in found.inputs]
    results = [
        f"        static {tensor.dtype}_t {end}[{upper}_{end.upper()}_SIZE];\n"
        for end, tensor in found.outputs.items()
    ]
    compared = [
        f"        if (memcmp({end}, {end}_values + i * {upper}_{end.upper()}_SIZE,\n"
        f"                   sizeof {end}) != 0) {{\n"
        "            return 1;\n"
        "        }\n"
        for end in found.outputs
    ]
    reset = f"        {found.name}_reset();\n" if states.num_bytes(found.g) else ""
    call = place.call(f"        {found.name}_run", *given, *found.outputs)
    return literals.filled(
        _TEST,
        **{"name": found.name, "upper": upper, "count": str(len(inputs[0]))},
        **{"tables": "\n".join(tables), "results": "".join(results)},
        reset=reset,
        **{"call": "\n".join(_wrapped(call[4:])), "compared": "".join(compared)},
    )


_WIDTH = 88

_STATE_BYTES = """\
/* Memory for what layers keep from run to run, beside the arena. */
#define {}_STATE_BYTES {}
"""

_RESET = """\

/* What layers keep from run to run is as before the first one. */
void {}_reset(void);
"""

_TEST = """\
/* Known answers of $name: exits with 0 if all are met, else with 1; with 2 if the
   network is compiled with ${upper}_GUARDS, and writes outside of its arena. */
#include "$name.h"

#include <string.h>

$tables
int main(void)
{
#ifdef ${upper}_GUARDS
    ${name}_set_guards();
#endif
    for (int32_t i = 0; i < $count; ++i) {
$results$reset$call
$compared    }
#ifdef ${upper}_GUARDS
    if (!${name}_guards_hold()) {
        return 2;
    }
#endif
    return 0;
}
"""

_ARENA = """\
/* All activations. Guards show what is written outside. */
typedef union {
$members} activations;
$states
#ifdef ${upper}_GUARDS
enum { GUARD_BYTES = 64 };

static struct {
    uint8_t before[GUARD_BYTES];
    activations values;
    uint8_t after[GUARD_BYTES];
$guarded} guarded;

#define arena guarded.values
$define
void ${name}_set_guards(void)
{
    memset(guarded.before, 0xA5, GUARD_BYTES);
    memset(guarded.after, 0xA5, GUARD_BYTES);
$fill}

int ${name}_guards_hold(void)
{
    /* Not one byte more than what was promised. */
    int hold = sizeof(activations) == ${upper}_ARENA_BYTES;
$size    for (int32_t i = 0; i < GUARD_BYTES; ++i) {
        hold = hold && guarded.before[i] == 0xA5 && guarded.after[i] == 0xA5;
$check    }
    return hold;
}
#else
static activations arena;
$static#endif

#ifdef ${upper}_MARKS
#define MARK(layer) ${name}_mark(layer)
#else
#define MARK(layer) (void)0
#endif
"""

# What `_ARENA` has more where layers keep states.
_WITH_STATES = {
    "states": """
/* What layers keep from run to run. */
typedef struct {
$kept} states;
""",
    "guarded": "    states kept;\n    uint8_t behind[GUARD_BYTES];\n",
    "define": "#define kept guarded.kept\n",
    "fill": "    memset(guarded.behind, 0xA5, GUARD_BYTES);\n",
    "size": "    hold = hold && sizeof(states) == ${upper}_STATE_BYTES;\n",
    "check": "        hold = hold && guarded.behind[i] == 0xA5;\n",
    "static": "static states kept;\n",
}

_FRAGMENTS = {
    **arithmetic.FRAGMENTS,
    **paired_products.fragments(),
    **vector_products.fragments(),
    **vector_depthwise.fragments(),
    **vector_plain_kernels.fragments(),
    **convolution_kernels.fragments(),
    **depthwise_kernels.fragments(),
    **weighted_kernels.fragments(),
    **plain_kernels.fragments(),
    **gathering_kernels.fragments(),
    **function_kernels.fragments(),
    **recurrent_kernels.fragments(),
}
