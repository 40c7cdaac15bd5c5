"""Speed of the MAX78000 simulator on cmsisnet with random weights.

    python -m tests.benchmarks.max78000_bench

10,000 CIFAR images through `simulate.predict`, and a few through the readable kernels,
in alternating rounds, because machines are noisy. The promise is less than a minute
for all images on 2 cores. The seconds of CPU are what one core without other work would
need.
"""

import statistics
import time

import numpy as np

from tests.targets.max78000 import program_strategies, published_networks
from tfpipeline import parallel
from tfpipeline.targets.max78000 import program, simulate

IMAGES = 10_000
READABLE_IMAGES = 10
ROUNDS = 3
LIMIT_SECONDS = 60
# Keeps the outputs of random 8-bit weights inside int8.
OUTPUT_SHIFT = -3


def cmsisnet() -> program.Program:
    """The network with its pools fused; random weights and biases."""
    layers = tuple(
        program_strategies.bind(
            hardware,
            seed=2 * index + 1,
            inputs=(index - 1,),
            output_shift=0 if hardware.output_width == 32 else OUTPUT_SHIFT,
        )
        for index, hardware in enumerate(published_networks.cmsisnet(fused=True))
    )
    return program.Program(input_shape=(32, 32, 3), layers=layers)


def main() -> None:
    """Prints one line a simulator, and whether the promise holds."""
    p = cmsisnet()
    images = program_strategies.images(p.input_shape, seed=1, count=IMAGES)
    speeds: dict[str, list[float]] = {"fast": [], "readable": []}
    busy: list[float] = []
    for _ in range(ROUNDS):
        start, start_busy = time.perf_counter(), time.process_time()
        found = simulate.predict(p, images)
        speeds["fast"].append(IMAGES / (time.perf_counter() - start))
        busy.append(time.process_time() - start_busy)
        start = time.perf_counter()
        readable = simulate.outputs_readable(p, images[:READABLE_IMAGES])
        speeds["readable"].append(READABLE_IMAGES / (time.perf_counter() - start))
        np.testing.assert_array_equal(found[:READABLE_IMAGES], readable[-1])
    print(
        f"cmsisnet on MAX78000's integers, {parallel.THREADS} threads, {ROUNDS} rounds"
    )
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, speed in medians.items():
        seconds = IMAGES / speed
        print(
            f"  {name:10} {speed:9.1f} images/s, {speed / medians['readable']:6.1f} x "
            f"readable, {IMAGES:,} images in {seconds:7.1f} s "
            f"({IMAGES / max(speeds[name]):.1f} to {IMAGES / min(speeds[name]):.1f})"
        )
    verdict = "kept" if IMAGES / medians["fast"] < LIMIT_SECONDS else "BROKEN"
    print(f"  fast: {statistics.median(busy):.1f} s of CPU for {IMAGES:,} images")
    print(f"  less than {LIMIT_SECONDS} s for {IMAGES:,} images: {verdict}")


if __name__ == "__main__":
    main()
