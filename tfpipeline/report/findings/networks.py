"""A graph as a list of layers, for people: shapes, bytes, MACs and who reads whom."""

from typing import Any

from tfpipeline.cost import macs, weights
from tfpipeline.ir import graph


def describe(g: graph.Graph) -> dict[str, Any]:
    """Inputs and layers as JSON values; `reads` names layers and inputs."""
    writers = {name: name for name in g.inputs}
    for layer in g.layers:
        writers |= dict.fromkeys(graph.written_names(layer), layer.name)
    return {
        "name": g.name,
        "inputs": [
            {"name": name, "shape": list(g.tensors[name].shape[1:])}
            for name in g.inputs
        ],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(g.tensors[layer.output].shape[1:]),
                "weight_bytes": weights.weight_bytes(g, layer),
                "macs": macs.layer_count(g, layer).macs,
                "reads": list(
                    dict.fromkeys(
                        writers[name] for name in layer.inputs if name in writers
                    )
                ),
            }
            for layer in g.layers
        ],
    }
