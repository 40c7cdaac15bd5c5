"""Wiring is read and rewritten at every place that refers to a layer."""

from tfpipeline.compat import keras
from tfpipeline.keras_networks import topology

layers = keras.layers


def _network():
    image = layers.Input((4,), name="image")
    first = layers.Dense(4, name="first")(image)
    middle = layers.ReLU(name="middle")(first)
    joined = layers.Add(name="joined")([middle, image])
    return keras.Model(image, [joined, middle], name="network")


def test_readers_and_sources():
    architecture = topology.to_dict(_network())
    assert topology.producers(architecture) == {
        "image": [],
        "first": ["image"],
        "middle": ["first"],
        "joined": ["middle", "image"],
    }
    assert topology.consumers(architecture) == {
        "image": ["first", "joined"],
        "first": ["middle"],
        "middle": ["joined"],
        "joined": [],
    }
    assert topology.outputs(architecture) == ["joined", "middle"]


def test_a_removed_layer_is_replaced_everywhere():
    architecture = topology.to_dict(_network())
    result = topology.remove_layers(architecture, {"middle": "first"})
    assert topology.producers(result) == {
        "image": [],
        "first": ["image"],
        "joined": ["first", "image"],
    }
    assert topology.outputs(result) == ["joined", "first"]
    assert "middle" in topology.producers(architecture)
    assert len(topology.from_dict(result).outputs) == 2


def test_chains_of_removed_layers():
    architecture = topology.to_dict(_network())
    result = topology.remove_layers(architecture, {"middle": "first", "first": "image"})
    assert topology.producers(result) == {"image": [], "joined": ["image", "image"]}


def test_renaming_reaches_every_reference():
    architecture = topology.to_dict(_network())
    topology.rename(architecture, {"middle": "center", "image": "picture"})
    assert topology.producers(architecture)["joined"] == ["center", "picture"]
    assert topology.outputs(architecture) == ["joined", "center"]
    assert architecture["config"]["input_layers"] == [["picture", 0, 0]]
