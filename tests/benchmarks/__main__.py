"""`make bench`: every benchmark, one after the other."""

from tests.benchmarks import (
    command_line_bench,
    estimate_bench,
    evaluation_bench,
    gap8_bench,
    kernels_bench,
    max78000_bench,
    simulate_bench,
    streaming_bench,
    training_bench,
)


def main() -> None:
    """Runs all benchmarks, the short ones first."""
    command_line_bench.main()
    estimate_bench.main()
    kernels_bench.main()
    simulate_bench.main()
    max78000_bench.main()
    gap8_bench.main()
    training_bench.main()
    streaming_bench.main()
    evaluation_bench.main()


if __name__ == "__main__":
    main()
