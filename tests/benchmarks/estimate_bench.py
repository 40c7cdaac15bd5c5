"""How long `python -m tfpipeline.estimate` takes, start of Python included.

    python -m tests.benchmarks.estimate_bench

Ratios to a Python that only imports NumPy, in alternating rounds; seconds are medians.
"""

from tests.benchmarks import processes

TFLITE = "experiments/cifar10/nascifarnet/model.tflite"
COMMANDS = {
    ".tflite, all targets": ("-m", "tfpipeline.estimate", f"--model={TFLITE}"),
    "named network, one target": (
        *("-m", "tfpipeline.estimate"),
        *("--model=cmsisnet", "--target=max78000", "--format=json"),
    ),
}


def main() -> None:
    """Prints one line a command."""
    print("python -m tfpipeline.estimate, a process each")
    processes.compare(COMMANDS)


if __name__ == "__main__":
    main()
