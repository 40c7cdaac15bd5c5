"""How long a command line that cannot be takes to say so, start of Python included.

    python -m tests.benchmarks.command_line_bench

Ratios to a Python that only imports NumPy; six times that is the limit.
"""

from tests.benchmarks import processes

LIMIT = 6
COMMANDS = {
    "a typo in train": ("-m", "tfpipeline.train", "--modle=resnet8"),
    "an unknown network": ("-m", "tfpipeline.train", "--model=resnet9"),
    "an unknown file": (
        *("-m", "tfpipeline.train", "--workdir=w"),
        "--quantization_policy=absent.yaml",
    ),
    "what does not go together": (
        *("-m", "tfpipeline.train", "--workdir=w"),
        *("--scheme=max78000", "--nonormalize"),
    ),
    "the same in train_descriptor": (
        *("-m", "tfpipeline.train_descriptor", "--workdir=w"),
        *("--test_folds=1,2", "--validation_folds=2"),
    ),
}


def main() -> None:
    """Prints one line a command."""
    print(f"command lines that cannot be, a process each (at most {LIMIT} x)")
    processes.compare(COMMANDS, exit_code=2)


if __name__ == "__main__":
    main()
