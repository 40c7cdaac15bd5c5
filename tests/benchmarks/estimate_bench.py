"""How long `python -m tfpipeline.estimate` takes, start of Python included.

    python -m tests.benchmarks.estimate_bench

Ratios to a Python that only imports NumPy, in alternating rounds; seconds are medians.
"""

import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS = 5
TFLITE = "experiments/cifar10/nascifarnet/model.tflite"
COMMANDS = {
    "import numpy": ("-c", "import numpy"),
    ".tflite, all targets": ("-m", "tfpipeline.estimate", f"--model={TFLITE}"),
    "named network, one target": (
        *("-m", "tfpipeline.estimate"),
        *("--model=cmsisnet", "--target=max78000", "--format=json"),
    ),
}


def main() -> None:
    """Prints one line a command."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(
                (sys.executable, *arguments),
                cwd=ROOT,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print("python -m tfpipeline.estimate, a process each")
    for name, median in medians.items():
        ratio = median / medians["import numpy"]
        print(f"  {name:26} {median:6.2f} s, {ratio:5.2f} x import numpy")


if __name__ == "__main__":
    main()
