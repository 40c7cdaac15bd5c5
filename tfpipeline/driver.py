"""What the drivers of training share: a run from its command line to its results."""

import json
import logging
import os
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tfpipeline import (
    atomic_files,
    disk,
    entry,
    environment,
    leftovers,
    run_artifacts,
    run_folder,
)
from tfpipeline.untrusted import content

_LOG = logging.getLogger(__name__)


class Config(Protocol):
    """What a driver's command line says.

    Attributes:
        workdir: the folder of the run.
    """

    @property
    def workdir(self) -> str | None: ...

    def identity(self) -> dict[str, Any]:
        """The flags that make two commands the same run, as JSON values."""
        ...


_ConfigT = TypeVar("_ConfigT", bound=Config)


def main(
    config: _ConfigT,
    run: Callable[[_ConfigT], dict[str, Any]],
    *,
    print_config: bool,
) -> None:
    """Runs what the command line says and prints the summary, or prints the config.

    Args:
        config: of the run.
        run: does all of it; its results are empty for workers that are not the chief.
        print_config: whether to print the config and stop.
    """
    if print_config:
        print(json.dumps({**config.identity(), "workdir": config.workdir}, indent=2))
        return
    entry.log_to_terminal()
    if run(config):
        print(content.read_text(run_folder.of(config.workdir).summary), end="")


def begin(
    folder: run_folder.RunFolder,
    config: Config,
    data: dict[str, Any],
    **others: object,
) -> None:
    """Records a new run, or checks that the folder holds the same one.

    Args:
        folder: of the run.
        config: of the run.
        data: what run.json says of the images, their fingerprint among it.
        **others: what else run.json says.

    Raises:
        UsageError: the folder holds another run.
        StorageError: run.json cannot be read or written.
    """
    record = {
        "flags": config.identity(),
        "data": data,
        **others,
        **environment.describe(),
    }
    leftovers.remove(folder.root, deep=True)
    if run_folder.begin(folder, record, run_artifacts.restore):
        _LOG.info("resuming the run in %s", folder.root)


def finish(
    folder: run_folder.RunFolder,
    results: dict[str, Any],
    summary: str,
    write_page: Callable[[run_folder.RunFolder, dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Keeps a run's results, their summary and their page.

    Args:
        folder: of the run.
        results: what results.json says, but for the run's files.
        summary: of them.
        write_page: writes the page of the results, where there is one.

    Returns:
        The results with the digests of the run's files, as results.json has them.

    Raises:
        StorageError: they cannot be written.
    """
    digests = run_artifacts.digests(folder)
    results = {
        **results,
        run_artifacts.SIZES: {
            name: (folder.root / name).stat().st_size for name in digests
        },
        run_artifacts.ENTRY: {
            **digests,
            folder.summary.name: disk.digest(summary.encode("utf-8")),
        },
    }
    atomic_files.write_json(folder.results_json, results)
    # Written last: its presence says that the run is complete.
    atomic_files.write_text(folder.summary, summary)
    if write_page is not None:
        # It can be made again from the others.
        write_page(folder, results)
    return results


def ended(
    folder: run_folder.RunFolder,
    write_page: Callable[[run_folder.RunFolder, dict[str, Any]], None],
) -> dict[str, Any]:
    """The results of a run that is complete; its page is made where there is none.

    Args:
        folder: of the run, which may have been killed before its page.
        write_page: writes the page of the results.

    Raises:
        StorageError: the results cannot be read, or the page cannot be written.
    """
    _LOG.info("this run is complete; its summary:")
    results: dict[str, Any] = atomic_files.read_json(folder.results_json)
    if not os.path.lexists(folder.report):
        write_page(folder, results)
    return results
