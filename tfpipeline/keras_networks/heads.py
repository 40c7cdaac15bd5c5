"""The end of a classifier: the softmax that training has in its loss instead."""

from typing import Any

from tfpipeline.keras_networks import topology

_SOFTMAX = "softmax"


def without_softmax(architecture: dict[str, Any]) -> dict[str, Any]:
    """A network's description without the softmax that its only output ends with.

    The largest of its outputs stays the largest. Cross entropy of logits is computed
    without the rounding of a softmax, and no target has to run one.

    Args:
        architecture: as from `topology.to_dict`; not changed.

    Returns:
        A new one, or `architecture` where there is no such softmax. The list of its
        weights is the same.
    """
    ends = topology.outputs(architecture)
    if len(ends) != 1 or topology.consumers(architecture)[ends[0]]:
        return architecture
    [end] = [x for x in architecture["config"]["layers"] if x["name"] == ends[0]]
    if end["class_name"] == "Softmax" or (
        end["class_name"] == "Activation" and _is_softmax(end)
    ):
        sources = topology.producers(architecture)[end["name"]]
        if end["config"].get("axis", -1) != -1 or len(sources) != 1:
            return architecture
        return topology.remove_layers(architecture, {end["name"]: sources[0]})
    if not _is_softmax(end):
        return architecture
    layers = [
        {**layer, "config": {**layer["config"], "activation": "linear"}}
        if layer is end
        else layer
        for layer in architecture["config"]["layers"]
    ]
    return {**architecture, "config": {**architecture["config"], "layers": layers}}


def _is_softmax(layer: dict[str, Any]) -> bool:
    activation = layer["config"].get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config")
    return bool(activation == _SOFTMAX)
