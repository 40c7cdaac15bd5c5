"""Data that are streamed from the disk against the same in memory; goal: 0.95.

    python -m tests.benchmarks.streaming_bench

The driver's loop in float, both ways in turn within one run, since machines are noisy:
what counts is the ratio of each pair. Beside it the processor time of a batch, which
other programs on the machine change less: of the input pipeline alone, both ways, and
of the whole loop. The file is as `stored_inputs` keeps sets larger than memory; it was
written just before, so the disk's own speed is not in it.
"""

import statistics
import time

from tests.benchmarks import training_bench
from tfpipeline.compat import keras
from tfpipeline.configs import recipe
from tfpipeline.data import pipeline, splits
from tfpipeline.training import stages

NETWORK = "cmsisnet"
PAIRS = 3


def run() -> list[str]:
    """Measures all pairs; returns the lines of the table."""
    dataset = training_bench._dataset()
    measures = (training_bench._loop_speed, training_bench._streamed_loop_speed)
    pairs, used = [], []
    for number in range(PAIRS):
        speeds = {}
        # Each is the first one as often as the other.
        for measure in measures if number % 2 else reversed(measures):
            keras.backend.clear_session()
            model = training_bench._build(NETWORK)
            start = time.process_time()
            speeds[measure.__name__] = measure(model, dataset)
            used.append(time.process_time() - start)
        pairs.append(tuple(speeds[measure.__name__] for measure in measures))
    ratios = [streamed / in_memory for in_memory, streamed in pairs]
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    batches = training_bench.EPOCHS * training_bench.STEPS
    loop = 1000 * statistics.median(used) / batches
    in_memory, streamed = _pipelines(dataset)
    return [
        f"{NETWORK}, batch {training_bench.BATCH}, {PAIRS} pairs in turn",
        f"  in memory {medians[0]:7.0f} images/s, streamed {medians[1]:7.0f} images/s",
        f"  streamed / in memory {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f}..{max(ratios):.3f})",
        f"  processor time a batch: pipeline in memory {in_memory:.1f} ms, streamed "
        f"{streamed:.1f} ms, the whole loop {loop:.1f} ms: "
        f"{loop / (loop + streamed - in_memory):.3f}",
    ]


def _pipelines(dataset: splits.Dataset) -> tuple[float, float]:
    """Milliseconds of processor time for a batch, in memory and streamed."""
    flips = recipe.Augmentation(random_crop=4, horizontal_flip=True)
    with training_bench._streamed(dataset) as streamed:
        sources = [
            pipeline.source(each.train, flips, training_bench.BATCH)
            for each in (dataset, streamed)
        ]
        spent: list[list[float]] = [[], []]
        for epoch in range(PAIRS):
            for source, found in zip(sources, spent, strict=True):
                start = time.process_time()
                for _ in pipeline.training_batches(source, seed=0, epoch=epoch):
                    pass
                found.append((time.process_time() - start) / source.steps)
    # The first one of each traces.
    first, second = (1000 * statistics.median(found[1:]) for found in spent)
    return first, second


def main() -> None:
    """Prints the table."""
    stages.set_up_tensorflow(0)
    print("\n".join(run()), flush=True)


if __name__ == "__main__":
    main()
