"""Names of tensors and layers, from what the converter left of Keras's names.

A tensor that fused operators write carries all their names:
`net/quant_conv1_relu/Relu;net/quant_conv1/BiasAdd;net/quant_conv1/Conv2D`. The layer is
`conv1`: the part whose operation is the layer's own, without tfmot's prefix.
"""

from collections.abc import Mapping, Sequence

from tfpipeline.ir import graph, tflite_file

# Operations of TensorFlow that a layer of this kind comes from.
_OPERATIONS: dict[type[graph.Layer], tuple[str, ...]] = {
    graph.Conv2D: ("Conv2D", "BiasAdd"),
    graph.DepthwiseConv2D: ("depthwise", "BiasAdd"),
    graph.TransposeConv2D: ("conv2d_transpose", "BiasAdd"),
    graph.Dense: ("MatMul", "BiasAdd"),
    graph.Add: ("add",),
    graph.Sub: ("sub",),
    graph.Mul: ("mul",),
}
_TFMOT_PREFIX = "quant_"


def tensor_names(tensors: Sequence[tflite_file.FileTensor]) -> dict[int, str]:
    """Tensor index -> unique name; one that is empty or taken gets the index."""
    return _unique(
        {tensor.index: tensor.name or f"tensor_{tensor.index}" for tensor in tensors}
    )


def layer_names(layers: Sequence[graph.Layer]) -> dict[int, str]:
    """Position of a layer -> unique short name."""
    return _unique({i: _short(layer) for i, layer in enumerate(layers)})


def _short(layer: graph.Layer) -> str:
    parts = layer.output.split(";")
    wanted = _OPERATIONS.get(type(layer), ())
    own = (
        [p for p in parts if p.rsplit("/", 1)[-1].startswith(wanted)] if wanted else []
    )
    path = (own or parts)[0].split("/")
    return path[-2 if len(path) > 1 else -1].removeprefix(_TFMOT_PREFIX) or layer.output


def _unique(names: Mapping[int, str]) -> dict[int, str]:
    taken: set[str] = set()
    result = {}
    for index, name in names.items():
        while name in taken:
            name = f"{name}#{index}"
        taken.add(name)
        result[index] = name
    return result
