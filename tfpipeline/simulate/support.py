"""Which graphs can be simulated, as tables; each limit is one of TFLite Micro's own."""

from collections.abc import Iterator

from tfpipeline.ir import graph
from tfpipeline.simulate import activation_functions, derived

BOTH = ("int8", "int16")

# Types of input and output that a kind is defined for, where they are equal.
TYPES: dict[type[graph.Layer], tuple[str, ...]] = {
    graph.Conv1D: BOTH,
    graph.Conv2D: BOTH,
    graph.DepthwiseConv2D: BOTH,
    graph.TransposeConv2D: BOTH,
    graph.Dense: BOTH,
    graph.MaxPool: BOTH,
    graph.AveragePool: BOTH,
    graph.Mean: BOTH,
    graph.Add: BOTH,
    graph.Sub: BOTH,
    graph.Mul: BOTH,
    graph.Concat: BOTH,
    graph.Pad: BOTH,
    graph.Reshape: BOTH,
    graph.SpaceToDepth: ("int8",),
    graph.Softmax: BOTH,
    graph.Activation: BOTH,
}

# Types from which and to which QUANTIZE works: quantize_common.cc.
REQUANTIZED = {
    ("int8", "int8"),
    ("int8", "uint8"),
    ("int8", "int16"),
    ("int8", "int32"),
    ("uint8", "int8"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
}

# Scale and zero point of the output that the integers of a kernel have by themselves.
FIXED_OUTPUTS = {
    ("sigmoid", "int8"): (1 / 256, -128),
    ("sigmoid", "int16"): (1 / 32768, 0),
    ("softmax", "int8"): (1 / 256, -128),
    ("softmax", "int16"): (1 / 32768, 0),
    ("tanh", "int8"): (1 / 128, 0),
    ("tanh", "int16"): (1 / 32768, 0),
}

# Kernels of int16 without a version for int32 biases.
_INT64_BIAS_ONLY = (graph.DepthwiseConv2D, graph.TransposeConv2D)


def reasons(g: graph.Graph) -> list[str]:
    """Everything that keeps a verified graph from being simulated; empty if nothing."""
    found = [
        f"{layer.kind} '{layer.name}' is not simulated: {reason}"
        for layer in g.layers
        for reason in _of_layer(g, layer)
    ]
    if (len(g.inputs), len(g.outputs)) != (1, 1):
        found.append(
            "one input and one output are supported; found "
            f"{len(g.inputs)} and {len(g.outputs)}"
        )
    return found


def _of_layer(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    names = (*layer.inputs, layer.output)
    dtypes = [g.tensors[name].dtype for name in names]
    if isinstance(layer, graph.Requantize):
        if (dtypes[0], dtypes[1]) not in REQUANTIZED:
            pairs = ", ".join(f"{a} to {b}" for a, b in sorted(REQUANTIZED))
            yield f"it turns {dtypes[0]} into {dtypes[1]}; supported are {pairs}"
            return
    elif not set(dtypes) <= set(TYPES[type(layer)]):
        yield f"it has {dtypes[0]} tensors; supported are " + ", ".join(
            TYPES[type(layer)]
        )
        return
    for name, dtype in zip(names, dtypes, strict=True):
        tensor = g.tensors[name]
        if dtype != f"int{tensor.num_bits}" and dtype != f"uint{tensor.num_bits}":
            yield f"'{name}' of {tensor.num_bits} bits must fill its {dtype}"
        if dtype == "int16" and derived.zero_point(g, name) != 0:
            yield f"the zero point of the int16 tensor '{name}' must be 0"
    if isinstance(layer, _INT64_BIAS_ONLY):
        is_wide = derived.has_wide_sums(g, layer)
        if dtypes[0] == "int16" and not is_wide:
            yield "beside int16 its bias must be int64; found int32"
    if isinstance(layer, (graph.Activation, graph.Softmax)):
        yield from _of_function(g, layer, dtypes[0])


def _of_function(
    g: graph.Graph, layer: graph.Activation | graph.Softmax, dtype: str
) -> Iterator[str]:
    name = layer.function if isinstance(layer, graph.Activation) else "softmax"
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    reason = activation_functions.NOT_SUPPORTED.get((name, dtype))
    if reason is not None:
        yield f"{name} of {dtype}: {reason}"
    wanted = FIXED_OUTPUTS.get((name, dtype))
    if wanted is not None and wanted != (result.scale[0], result.zero_point[0]):
        yield (
            f"{name} of {dtype} writes the scale {wanted[0]:g} and the zero point "
            f"{wanted[1]}; found {result.scale[0]:g} and {result.zero_point[0]}"
        )
    if name == "hard_swish" and source.scale[0] >= 127 * result.scale[0]:
        yield "the output's scale must be at least a 127th of the input's"
