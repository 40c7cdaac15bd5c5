"""Writes the outlines of the registered networks again.

python -m tests.golden.network_outlines
"""

import numpy as np

from tfpipeline.ir import graph, serialize
from tfpipeline.models import registry, specs
from tfpipeline.networks import catalog
from tfpipeline.readers import from_keras


def read(name: str) -> graph.Graph:
    """The network called `name` with arbitrary weights.

    Those of a fresh network are a special case: its biases are zero, and the reader
    drops them as the converter does.
    """
    model = registry.build(name)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return from_keras.read(model, name=name)


def main() -> None:
    """One file a network beside `tfpipeline.networks.catalog`."""
    for name in specs.MODELS:
        serialize.write_outline(read(name), catalog.outline(name))


if __name__ == "__main__":
    main()
