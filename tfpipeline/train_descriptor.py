"""Trains a face descriptor and verifies pairs of photographs with it.

    python -m tfpipeline.train_descriptor --flagfile=FILE.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted. People of the
tested folds are left out of training.
"""

import dataclasses
from typing import Any

from tfpipeline import driver, entry, errors, run_folder
from tfpipeline.configs import fields, recipe
from tfpipeline.configs.descriptor import DescriptorRun
from tfpipeline.data import lfw_folder, lfw_pairs


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    run: DescriptorRun = DescriptorRun()  # noqa: RUF009 a frozen value
    print_config: recipe.PrintConfig = False


def main(command: Command) -> None:
    """Trains as the command line says, or prints what it says."""
    driver.main(command.run, run, print_config=command.print_config)


def run(config: DescriptorRun) -> dict[str, Any]:
    """Does, or resumes, the whole job.

    Args:
        config: with a workdir.

    Returns:
        What results.json holds.

    Raises:
        PipelineError: what stands in the way, before or while it runs.
    """
    _require_ready(config)
    # TensorFlow: seconds that a wrong command line need not wait for.
    from tfpipeline.jobs import descriptor

    return descriptor.run(config)


def _require_ready(config: DescriptorRun) -> None:
    """Checks what can be without reading images or building networks."""
    run_folder.require_same(run_folder.of(config.workdir), config.identity())
    if config.people.dataset == "lfw":
        if config.people.pairs is None:
            raise errors.UsageError(
                "--dataset=lfw needs --pairs=FILE, the pairs.txt of its View 2"
            )
        lfw_pairs.read(config.people.pairs)
        lfw_folder.require(config.people.data_dir)


if __name__ == "__main__":
    entry.start(main, "train_descriptor", Command())
