"""Stochastic depth: residual branches that training leaves out at random.

Huang et al., arXiv:1603.09382. A branch is left out by a Dropout layer in front of the
sum that drops it as a whole, example by example, and makes up for that by scaling; in
inference it does nothing, and everybody behind training knows it for what it is.
"""

from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import topology


def insert(model: keras.Model, rate: float) -> keras.Model:
    """A network with a Dropout at the end of each residual branch; of equal weights.

    The k-th of K sums has the rate k / K * `rate`, as in the paper: what is deep is
    left out more often.

    Args:
        model: functional.
        rate: of the last sum, 0 to less than 1.

    Raises:
        UsageError: no sum of two branches has a longer one.
    """
    model = topology.require_functional(model)
    architecture = topology.to_dict(model)
    sources = topology.producers(architecture)
    weighted = {layer.name for layer in model.layers if layer.trainable_weights}
    branches = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add) and len(sources[layer.name]) == 2:
            branch = _longer(sources, layer.name, weighted)
            if branch is not None:
                branches[layer.name] = branch
    if not branches:
        raise errors.UsageError(
            f"--stochastic_depth leaves out residual branches, and '{model.name}' has "
            "no sum of a longer and a shorter branch: leave the flag out"
        )
    layers = architecture["config"]["layers"]
    for number, (name, branch) in enumerate(branches.items(), start=1):
        place = next(n for n, each in enumerate(layers) if each["name"] == name)
        added = f"{name}_depth"
        rank = len(model.get_layer(branch).output.shape)
        policy = layers[place]["config"]["dtype"]
        own_rate = rate * number / len(branches)
        layers.insert(place, _dropout(added, branch, own_rate, rank, policy))
        _rewire(layers[place + 1], branch, added)
    result = topology.from_dict(architecture)
    for layer in model.layers:
        result.get_layer(layer.name).set_weights(layer.get_weights())
    return result


def _longer(sources: dict[str, list[str]], name: str, weighted: set[str]) -> str | None:
    """Which of the two layers that a sum reads ends the branch with more weights."""
    first, second = sources[name]
    behind = [_ancestors(sources, each) for each in (first, second)]
    counts = [len((behind[own] - behind[1 - own]) & weighted) for own in (0, 1)]
    if counts[0] == counts[1]:
        return None
    return first if counts[0] > counts[1] else second


def _ancestors(sources: dict[str, list[str]], name: str) -> set[str]:
    """A layer and all that it depends on."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(sources[each])
    return found


def _dropout(
    name: str, source: str, rate: float, rank: int, policy: Any
) -> dict[str, Any]:
    shape = (None, *[1] * (rank - 1))
    layer = keras.layers.Dropout(rate, noise_shape=shape, name=name)
    return {
        "class_name": "Dropout",
        "config": {**layer.get_config(), "dtype": policy},
        "name": name,
        "inbound_nodes": [[[source, 0, 0, {}]]],
    }


def _rewire(layer: dict[str, Any], old: str, new: str) -> None:
    for node in layer["inbound_nodes"]:
        for reference in node:
            if reference[0] == old:
                reference[0] = new
                return
