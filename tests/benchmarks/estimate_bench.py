"""How long `python -m tfpipeline.estimate` takes, start of Python included.

    python -m tests.benchmarks.estimate_bench

Ratios to a Python that only imports NumPy, in alternating rounds; seconds are medians.
"""

import pathlib
import tempfile

from export.tflite import from_graph
from tests import graph_builder
from tests.benchmarks import processes
from tfpipeline.precision import assumed

TFLITE = "experiments/cifar10/nascifarnet/model.tflite"
COMMANDS = {
    ".tflite, all targets": ("-m", "tfpipeline.estimate", f"--model={TFLITE}"),
    "named network, one target": (
        *("-m", "tfpipeline.estimate"),
        *("--model=cmsisnet", "--target=max78000", "--format=json"),
    ),
}
LAYERS = 1_000


def long_network() -> bytes:
    """A chain of depthwise and 1x1 convolutions in int8, as a `.tflite`."""
    net = graph_builder.Builder((16, 16, 3))
    net.conv(16)
    for index in range(LAYERS - 3):
        if index % 2:
            net.depthwise()
        else:
            net.conv(16, 1)
    net.mean()
    net.dense(10)
    return from_graph.to_bytes(assumed.integers(net.build(), 8))


def main() -> None:
    """Prints one line a command."""
    print("python -m tfpipeline.estimate, a process each")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "long.tflite"
        path.write_bytes(long_network())
        long = ("-m", "tfpipeline.estimate", f"--model={path}")
        processes.compare({**COMMANDS, f"{LAYERS:,} layers, all targets": long})


if __name__ == "__main__":
    main()
