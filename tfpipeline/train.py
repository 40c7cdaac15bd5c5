"""The main job: data, float training, QAT, export, verification, summary.

    python -m tfpipeline.train --flagfile=experiments/demo/demo.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted.
"""

import dataclasses
from typing import Any

from tfpipeline import driver, entry, run_folder
from tfpipeline.configs import fields, recipe
from tfpipeline.configs.run import Run
from tfpipeline.data import prepared_folders, specs


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    run: Run = Run()  # noqa: RUF009 a frozen value
    print_config: recipe.PrintConfig = False


def main(command: Command) -> None:
    """Trains as the command line says, or prints what it says."""
    driver.main(command.run, run, print_config=command.print_config)


def run(config: Run) -> dict[str, Any]:
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
    from tfpipeline.jobs import classifier

    return classifier.run(config)


def _require_ready(config: Run) -> None:
    """Checks what can be without reading images or building networks."""
    run_folder.require_same(run_folder.of(config.workdir), config.identity())
    data = specs.find(config.images.dataset)
    if data.needs_download and config.images.data_dir is not None:
        prepared_folders.require(data.name, data.folder_names, config.images.data_dir)


if __name__ == "__main__":
    entry.start(main, "train", Command())
