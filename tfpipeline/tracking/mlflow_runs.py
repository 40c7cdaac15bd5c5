"""Runs in MLflow: on its server, in a database, or in a folder."""

import itertools
import logging
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tfpipeline import errors
from tfpipeline.tracking import recorded

_Item = TypeVar("_Item")
# A tag of a run there: which of ours it is.
_IDENTITY = "tfpipeline.run"
# How many of its figures are there.
_SENT = "tfpipeline.figures"
# Of a call of log_batch, and of a name and a value: mlflow/utils/validation.py, 3.17.
_MOST_METRICS, _MOST_PARAMETERS, _MOST_TAGS = 1000, 100, 100
_MOST_VALUE, _MOST_TAG = 6000, 5000
_NO_NAME = re.compile(r"[^\w\-. /]+")
# A server that is not there is said after seconds, not minutes.
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
# Since 3.17 folders must be asked for; whoever names one does.
_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
INSTALL = "pip install 'tfpipeline[mlflow]'"


def send(runs: Sequence[recorded.Recorded], uri: str, experiment: str) -> list[str]:
    """Writes runs, each over what an earlier call wrote of it.

    Args:
        runs: begun or ended.
        uri: of MLflow: http(s)://, sqlite:/// and other databases, or a folder.
        experiment: that they belong to; made if need be.

    Returns:
        The number that each has there.

    Raises:
        UsageError: MLflow is not installed.
        StorageError: it does not take them.
    """
    _require_ours(uri)
    os.environ.setdefault(_RETRIES, "2")
    os.environ.setdefault(_FOLDERS, "true")
    try:
        import mlflow
    except ImportError as error:
        raise errors.UsageError(f"MLflow is not installed: {INSTALL}") from error
    # Of each database that is opened, and of each try to reach a server.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        number = _experiment(client, uri, experiment)
        return [_written(client, number, each) for each in runs]
    # Of its own kinds, of databases, networks and disks: all are its answer.
    except Exception as error:
        raise errors.StorageError(
            f"MLflow at {errors.brief(uri)} does not take it: "
            f"{errors.one_line(str(error), 200)}"
        ) from error


def _require_ours(uri: str) -> None:
    """Refuses a folder that holds other things than MLflow's."""
    path = pathlib.Path(uri)
    if "://" in uri or not path.is_dir():
        return
    # What MLflow begins every folder of its with: mlflow/store/tracking/file_store.py.
    if any(path.iterdir()) and not (path / ".trash").is_dir():
        raise errors.UsageError(
            f"'{uri}' holds other things than MLflow's runs: name a new folder, or "
            "sqlite:///FILE"
        )


def _experiment(client: Any, uri: str, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = None
    if uri.startswith("sqlite:///"):
        # Files lie beside the database, and not in the folder of whoever came first.
        database = pathlib.Path(uri.removeprefix("sqlite:///")).resolve()
        place = (database.parent / f"{database.stem}_files").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _written(client: Any, experiment: str, run: recorded.Recorded) -> str:
    """Writes a run; returns its number."""
    from mlflow.entities import Metric, Param, RunTag

    known = client.search_runs(
        [experiment], f"tags.`{_IDENTITY}` = '{run.identity}'", max_results=1
    )
    if known:
        there = known[0]
    else:
        started = round(1e3 * run.started)
        there = client.create_run(
            experiment, started, {_IDENTITY: run.identity}, run.name
        )
    number = str(there.info.run_id)
    # Epochs are only ever added, so that what is new stands behind what was sent.
    sent = int(there.data.tags.get(_SENT, 0))
    metrics = [
        Metric(
            _NO_NAME.sub("", each.name),
            each.value,
            round(1e3 * (run.started + each.seconds)),
            each.step,
        )
        for each in run.figures[sent:]
    ]
    notes = {**run.notes, _SENT: str(len(run.figures))}
    for batch in _batches(metrics, _MOST_METRICS):
        client.log_batch(number, metrics=batch)
    for parameters in _batches(run.parameters.items(), _MOST_PARAMETERS):
        client.log_batch(
            number, params=[Param(k, v[:_MOST_VALUE]) for k, v in parameters]
        )
    for tags in _batches(notes.items(), _MOST_TAGS):
        client.log_batch(number, tags=[RunTag(k, v[:_MOST_TAG]) for k, v in tags])
    for path, folder in run.files:
        client.log_artifact(number, str(path), None if folder == "." else folder)
    client.update_run(number, "FINISHED" if run.is_ended else "RUNNING")
    return number


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch
