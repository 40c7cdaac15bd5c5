"""Data that are streamed from the disk against the same in memory; goal: 0.95.

    python -m tests.benchmarks.streaming_bench

The driver's loop in float, both ways in turn within one run, since machines are noisy:
what counts is the ratio of each pair. The file is as `stored_inputs` keeps sets larger
than memory; it was written just before, so the disk's own speed is not in it.
"""

import statistics

from tests.benchmarks import training_bench
from tfpipeline.compat import keras
from tfpipeline.training import stages

NETWORK = "cmsisnet"
PAIRS = 5


def run() -> list[str]:
    """Measures all pairs; returns the lines of the table."""
    dataset = training_bench._dataset()
    measures = (training_bench._loop_speed, training_bench._streamed_loop_speed)
    pairs = []
    for number in range(PAIRS):
        speeds = {}
        # Each is the first one as often as the other.
        for measure in measures if number % 2 else reversed(measures):
            keras.backend.clear_session()
            model = training_bench._build(NETWORK)
            speeds[measure.__name__] = measure(model, dataset)
        pairs.append(tuple(speeds[measure.__name__] for measure in measures))
    ratios = [streamed / in_memory for in_memory, streamed in pairs]
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return [
        f"{NETWORK}, batch {training_bench.BATCH}, {PAIRS} pairs in turn",
        f"  in memory {medians[0]:7.0f} images/s, streamed {medians[1]:7.0f} images/s",
        f"  streamed / in memory {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f}..{max(ratios):.3f})",
    ]


def main() -> None:
    """Prints the table."""
    stages.set_up_tensorflow(0)
    print("\n".join(run()), flush=True)


if __name__ == "__main__":
    main()
