"""Speed of the integers of TFLite on cmsisnet with random weights.

    python -m tests.benchmarks.simulate_bench

Images through `execution.predict`, which shares batches between the cores, and through
it on one core, in alternating rounds, because machines are noisy; one through the
readable kernels, which are the specification. The promises are those of two cores that
do nothing else; the seconds of CPU say what these would need. The same on one core is
the least of the rounds.
"""

import statistics
import time
from unittest import mock

import numpy as np

from tests.export.c import random_graphs
from tests.simulate import micro
from tfpipeline import parallel
from tfpipeline.networks import catalog
from tfpipeline.simulate import execution

IMAGES = 640
ROUNDS = 5
CORES = 2
# Number format -> (type of activations, images a second promised).
PROMISES = {"int8": ("int8", 1000), "int16x8": ("int16", 800)}


def main() -> None:
    """Prints one line a number format, and whether its promise holds."""
    print(f"cmsisnet in TFLite's integers, {IMAGES} images, {ROUNDS} rounds")
    for name, (dtype, promised) in PROMISES.items():
        g = random_graphs.quantized(
            catalog.load("cmsisnet"), np.random.default_rng(0), dtype
        )
        (images,) = micro.random_inputs(g, IMAGES)
        seconds, busy, alone = [], [], []
        for _ in range(ROUNDS):
            start, start_busy = time.perf_counter(), time.process_time()
            found = execution.predict(g, images)
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - start_busy)
            with mock.patch.object(parallel, "THREADS", 1):
                start_busy = time.process_time()
                execution.predict(g, images[: execution.BATCH_SIZE])
                alone.append(time.process_time() - start_busy)
        start = time.perf_counter()
        expected = execution.predict_readable(g, images[:1])
        readable = time.perf_counter() - start
        np.testing.assert_array_equal(found[:1], expected)
        speed = IMAGES / statistics.median(seconds)
        on_idle = CORES * IMAGES / statistics.median(busy)
        verdict = "kept" if on_idle >= promised else "BROKEN"
        print(
            f"  {name:8} {speed:6.0f} images/s on {parallel.THREADS} threads, "
            f"{speed * readable:6.0f} x readable; {1000 / on_idle * CORES:.2f} ms of "
            f"CPU an image, so {on_idle:.0f} images/s on {CORES} idle cores "
            f"({CORES * execution.BATCH_SIZE / min(alone):.0f} by the least of rounds "
            f"on one), {promised} promised: {verdict}"
        )


if __name__ == "__main__":
    main()
