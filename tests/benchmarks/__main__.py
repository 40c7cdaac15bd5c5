"""`make bench`: every benchmark, one after the other."""

from tests.benchmarks import evaluation_bench, training_bench


def main() -> None:
    """Runs all benchmarks."""
    training_bench.main()
    evaluation_bench.main()


if __name__ == "__main__":
    main()
