"""Speed of the GAP8 simulator on the face descriptor network with random weights.

    python -m tests.benchmarks.gap8_bench

Images of 128x128 through `simulate.predict` in both precisions, in alternating rounds,
because machines are noisy. The promise is that the 7,701 images of LFW's pairs take
less than ten minutes on 2 cores in double precision; single precision is held to the
same. The seconds of CPU are what one core without other work would need. One image goes
through the readable kernels too, which are the specification.
"""

import statistics
import time

import numpy as np

from tests.targets.gap8 import float_networks
from tfpipeline import parallel
from tfpipeline.networks import catalog
from tfpipeline.targets.gap8 import calibrate, program, quantize, simulate

IMAGES = 128
ROUNDS = 3
PAIRS_IMAGES = 7_701
LIMIT_SECONDS = 600


def descriptor_network() -> program.Program:
    """The network in 16 bits, calibrated on noise."""
    g = float_networks.with_values(catalog.load("reid_squeezenet"))
    return quantize.quantize(
        g, calibrate.calibrate(g, float_networks.images(g, 4)), num_bits=16
    )


def main() -> None:
    """Prints one line a precision, and whether the promise holds."""
    p = descriptor_network()
    real = float_networks.images(catalog.load("reid_squeezenet"), IMAGES, seed=2)
    images = simulate.quantize_images(p, real)
    seconds: dict[str, list[float]] = {name: [] for name in simulate.PRECISIONS}
    busy: dict[str, list[float]] = {name: [] for name in simulate.PRECISIONS}
    found = {}
    for _ in range(ROUNDS):
        for name in simulate.PRECISIONS:
            start, start_busy = time.perf_counter(), time.process_time()
            found[name] = simulate.predict(p, images, name)
            seconds[name].append((time.perf_counter() - start) / IMAGES)
            busy[name].append((time.process_time() - start_busy) / IMAGES)
    print(
        f"reid_squeezenet in the GAP8's 16 bits, {IMAGES} images, {ROUNDS} rounds, "
        f"{parallel.THREADS} threads"
    )
    for name in simulate.PRECISIONS:
        start = time.perf_counter()
        expected = simulate.outputs_readable(p, images[:1], name)[p.outputs[0]]
        readable = time.perf_counter() - start
        np.testing.assert_array_equal(found[name][:1], expected)
        each, cpu = statistics.median(seconds[name]), statistics.median(busy[name])
        total = each * PAIRS_IMAGES
        verdict = "kept" if total < LIMIT_SECONDS else "BROKEN"
        print(
            f"  {name:16} {1 / each:6.1f} images/s, {1000 * cpu:5.1f} ms of CPU an "
            f"image, {readable / each:6.0f} x readable; {PAIRS_IMAGES:,} images in "
            f"{total:5.0f} s ({min(seconds[name]) * PAIRS_IMAGES:.0f} to "
            f"{max(seconds[name]) * PAIRS_IMAGES:.0f}; "
            f"{cpu * PAIRS_IMAGES / parallel.THREADS:.0f} on idle cores), less than "
            f"{LIMIT_SECONDS}: {verdict}"
        )


if __name__ == "__main__":
    main()
