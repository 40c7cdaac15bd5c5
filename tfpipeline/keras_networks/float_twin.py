"""The float network inside a quantization-aware model.

It has the layers and names of the network that `build` or `prepare_qat` received and
the weights that training reached. Storage, post-training quantization of a trained
network, and readers of its architecture use it.
"""

from typing import Any

from tfpipeline.compat import keras, tfmot
from tfpipeline.keras_networks import layer_traits, topology


def extract(qat_model: keras.Model) -> keras.Model:
    """Returns a new float model with the layers and weights inside `qat_model`."""
    model = topology.from_dict(architecture(qat_model))
    for wrapper in qat_model.layers:
        if not isinstance(wrapper, tfmot.quantization.keras.QuantizeWrapper):
            continue
        layer = model.get_layer(wrapper.layer.name)
        values = {layer_traits.short_name(weight): weight for weight in wrapper.weights}
        layer.set_weights(
            [
                values[layer_traits.short_name(weight)].numpy()
                for weight in layer.weights
            ]
        )
    return model


def architecture(qat_model: keras.Model) -> dict[str, Any]:
    """Returns the architecture of the float network inside `qat_model`."""
    wrapped = topology.to_dict(qat_model)
    sources = topology.producers(wrapped)
    quantizers = {
        layer["name"]: sources[layer["name"]][0]
        for layer in wrapped["config"]["layers"]
        if layer["class_name"] == "QuantizeLayer"
    }
    plain = topology.remove_layers(wrapped, quantizers)
    config = plain["config"]
    names = {}
    for index, entry in enumerate(config["layers"]):
        inner = entry["config"].get("layer")
        if inner is not None:
            names[entry["name"]] = inner["config"]["name"]
            config["layers"][index] = _unwrapped(entry)
    topology.rename(plain, names)
    return plain


def _unwrapped(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns the layer inside a wrapper's `entry`, reading what the wrapper reads."""
    inner = dict(entry["config"]["layer"])
    inner["config"] = dict(inner["config"])
    inner["name"] = inner["config"]["name"]
    inner["inbound_nodes"] = entry["inbound_nodes"]
    activation = inner["config"].get("activation")
    if (
        isinstance(activation, dict)
        and activation["class_name"] == "QuantizeAwareActivation"
    ):
        inner["config"]["activation"] = activation["config"]["activation"]
    return inner
