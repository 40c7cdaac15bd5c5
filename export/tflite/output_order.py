"""Several outputs of a converted network in the order of the Keras network's.

TensorFlow's converter lists outputs in an order of its own. What each is stands in the
file's signature: `output_0`, `output_1` and so on.
"""

import dataclasses

import tflite

from export.tflite import from_graph
from tfpipeline import errors
from tfpipeline.ir import from_tflite
from tfpipeline.targets.tflm import flatbuffer


def restored(model: bytes, count: int, name: str) -> bytes:
    """The file with its outputs in the Keras network's order.

    Args:
        model: a converted network.
        count: outputs of the Keras network.
        name: of the network.

    Raises:
        ExportError: the signature does not tell them apart.
    """
    if count == 1:
        return model
    places = _places(model)
    wanted = [f"output_{place}" for place in range(count)]
    if sorted(places) != sorted(wanted):
        raise errors.ExportError(
            f"'{name}' has {count} outputs, of which the converted file has "
            f"{errors.listed(sorted(places))}: give each layer that ends the network "
            "an output of its own"
        )
    tensors = flatbuffer.read(model).tensors
    g = from_tflite.read(model, name=name)
    outputs = tuple(tensors[places[each]].name for each in wanted)
    if set(outputs) != set(g.outputs):
        raise errors.ExportError(
            f"the outputs of '{name}' cannot be told apart by their names"
        )
    return from_graph.to_bytes(dataclasses.replace(g, outputs=outputs))


def _places(model: bytes) -> dict[str, int]:
    """Name in the signature -> index of the tensor."""
    root = tflite.Model.GetRootAs(model)
    found: dict[str, int] = {}
    for number in range(root.SignatureDefsLength()):
        signature = root.SignatureDefs(number)
        for place in range(signature.OutputsLength()):
            output = signature.Outputs(place)
            found[output.Name().decode()] = output.TensorIndex()
    return found
