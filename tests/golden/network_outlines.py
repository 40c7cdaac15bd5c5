"""Writes the outlines of the registered networks again.

python -m tests.golden.network_outlines
"""

from tfpipeline.ir import serialize
from tfpipeline.ir.readers import from_keras
from tfpipeline.models import registry
from tfpipeline.networks import catalog


def main() -> None:
    """One file a network beside `tfpipeline.networks.catalog`."""
    for name in registry.MODELS:
        g = from_keras.read(registry.build(name), name=name)
        serialize.write_outline(g, catalog.outline(name))


if __name__ == "__main__":
    main()
