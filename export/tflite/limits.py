"""What a graph may hold that is written as `.tflite`: all violations at once."""

from collections.abc import Iterator

from export.tflite import lowering
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.simulate import support


def require_writable(g: graph.Graph) -> None:
    """Checks that TFLite, and for integers TFLite Micro, has an operator a layer.

    Args:
        g: a verified graph after `lowering.lower`.

    Raises:
        ExportError: naming every layer in the way and why.
    """
    found = [
        f"{layer.kind} '{layer.name}': {reason}"
        for layer in g.layers
        for reason in _of_layer(g, layer)
    ]
    if any(tensor.dtype != "float32" for tensor in g.tensors.values()):
        # The simulation's limits are TFLite Micro's own.
        found += support.reasons(g) + support.undeployable(g)
    if found:
        raise errors.ExportError(
            errors.told(
                f"graph '{g.name[:60]}' cannot be written for TensorFlow Lite Micro: ",
                found,
            )
        )


def require_runnable(g: graph.Graph, dtype: str) -> None:
    """Checks, before a float network is quantized, that TFLite Micro can run it.

    Args:
        g: a float graph.
        dtype: that its activations are to have, int8 or int16.

    Raises:
        ExportError: naming every layer in the way and why.
    """
    lowered = lowering.lower(g)
    found = [
        f"{layer.kind} '{layer.name}': {reason}"
        for layer in lowered.layers
        for reason in (*_of_layer(lowered, layer), *support.lacking(layer, dtype))
    ]
    if found:
        raise errors.ExportError(
            errors.told(
                f"TensorFlow Lite Micro cannot run network '{g.name[:60]}' with "
                f"{dtype} activations: ",
                found,
            )
        )


def _of_layer(g: graph.Graph, layer: graph.Layer) -> Iterator[str]:
    if (
        isinstance(layer, lowering.Windowed)
        and lowering.named_padding(g, layer) is None
    ):
        yield f"its padding must be TensorFlow's SAME or none; found {layer.padding}"
    clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    if clamp not in lowering.FUSED:
        yield (
            "its clamp must be one of RELU, RELU6, RELU_N1_TO_1 and RELU_0_TO_1; found "
            f"{clamp.minimum:g} to {clamp.maximum:g}"
        )
    if isinstance(layer, graph.Dense):
        source, result = (
            g.tensors[name].shape for name in (layer.inputs[0], layer.output)
        )
        if len(result) != 2 and result[:-1] != source[:-1]:
            yield (
                f"its output must have two dimensions or those of its input {source}; "
                f"found {result}"
            )
