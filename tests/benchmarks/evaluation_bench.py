"""Evaluation speed as ratios within one run, on cmsisnet with random weights.

    python -m tests.benchmarks.evaluation_bench

Images a second of the int8 network through TFLite's fast kernels, TFLite's reference
kernels and TFLite Micro, and of the float network through Keras. Rounds alternate,
because machines are noisy; the speeds are medians and include the start of the child
processes, which is what a user waits for.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from export.tflite import int8
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.targets.tflm import interpreter, reference

NETWORK = "cmsisnet"
ROUNDS = 3
CALIBRATION_IMAGES = 32
# Images each way of running takes, so that a round of it lasts a few seconds.
IMAGES = {"keras": 4000, "fast": 10_000, "reference": 400, "micro": 200}


def main() -> None:
    """Prints one line a way of running."""
    model = batch_norm_folding.fold(registry.build(NETWORK))
    shape = model.input_shape[1:]
    pixels = np.random.default_rng(0).integers(-128, 128, (10_000, *shape), np.int8)
    images = (pixels[: IMAGES["keras"]] / np.float32(128)).astype(np.float32)
    deployed = int8.convert_ptq(model, images[:CALIBRATION_IMAGES])
    runs: dict[str, Callable[[int], object]] = {
        "keras": lambda n: model.predict(images[:n], batch_size=128, verbose=0),
        "fast": lambda n: reference.predict(deployed, pixels[:n]),
        "reference": lambda n: reference.predict(
            deployed, pixels[:n], kernels="reference"
        ),
        "micro": lambda n: interpreter.predict(deployed, pixels[:n]),
    }
    runs["keras"](256)  # traces
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run(IMAGES[name])
            speeds[name].append(IMAGES[name] / (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"{NETWORK}, int8, 2 processes; float through Keras")
    for name, speed in medians.items():
        print(
            f"  {name:10} {speed:9.0f} images/s, "
            f"{speed / medians['keras']:6.2f} x keras, "
            f"10,000 images in {10_000 / speed:6.1f} s"
        )


if __name__ == "__main__":
    main()
