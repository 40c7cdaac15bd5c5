"""Stages of a run: each is trained once, kept in the run's folder and found there."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline import atomic_files, errors, run_artifacts, run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.quantization import storage
from tfpipeline.training import loop, progress, strategies
from tfpipeline.training import task as task_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """The best network of a stage.

    Attributes:
        model: float32, with the weights of `best_epoch`.
        best_epoch: counted from 1.
        history: one record an epoch.
        stage: its name.
    """

    model: keras.Model
    best_epoch: int
    history: tuple[dict[str, Any], ...]
    stage: str = run_folder.FLOAT

    @property
    def seconds(self) -> float:
        """Wall time of all epochs, validation included."""
        return sum(record["seconds"] for record in self.history)

    def record(self) -> dict[str, Any]:
        """Its entry in results.json."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": len(self.history),
            "seconds": self.seconds,
        }


def train(
    stage: loop.StageConfig,
    model: keras.Model,
    task: task_lib.Task,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    *,
    rebuild: Callable[[], keras.Model],
    earlier: Sequence[dict[str, Any]] = (),
) -> Trained:
    """Trains a stage, from its checkpoints on if there are any, and keeps it.

    Args:
        stage: how.
        model: trained in place.
        task: what.
        folder: of the run.
        strategy: under whose scope the networks were built.
        rebuild: makes the network that gets the best weights, outside of the strategy.
        earlier: records of other stages, for metrics.jsonl.

    Raises:
        TrainingError: the loss or a figure of validation is not finite.
        StorageError: a file of the run cannot be read or written.
    """
    writes = strategies.is_chief(strategy)
    with strategies.together(strategy, stage.name):
        result = loop.train(
            stage,
            model,
            task,
            strategy=strategy,
            folder=folder.checkpoints(stage.name),
            reporter=progress.Progress(
                folder.root if writes else None, stage.name, stage.epochs, earlier
            ),
            writes=writes,
        )
    # All workers together read a distributed model's variables, or none can; what the
    # chief alone evaluates and exports is therefore a network outside the strategy.
    best = rebuild()
    best.set_weights(result.best_weights)
    trained = Trained(best, result.best_epoch, result.history, stage.name)
    return keep(trained, folder, strategy)


def keep(
    trained: Trained, folder: run_folder.RunFolder, strategy: tf.distribute.Strategy
) -> Trained:
    """Keeps what a stage ends with, where this is the worker that writes; returns it.

    Raises:
        StorageError: the folder cannot be written.
    """
    if strategies.is_chief(strategy):
        storage.save(trained.model, folder.model(trained.stage))
        # Written last.
        atomic_files.write_json(
            folder.history(trained.stage),
            {"best_epoch": trained.best_epoch, "history": trained.history},
        )
    return trained


def find(folder: run_folder.RunFolder, stage: str) -> Trained | None:
    """The stage called `stage`, if an earlier start of this run got that far.

    None as well where a file of it is gone, or is another one than was kept: it is made
    again from the checkpoints.

    Raises:
        StorageError: its files are damaged.
    """
    path = folder.history(stage)
    files = (path, *storage.files(folder.model(stage)))
    if not all(file.exists() for file in files):
        return None
    if run_artifacts.changed(folder, folder.model(stage)):
        return None
    record = atomic_files.read_json(path)
    try:
        history, best_epoch = tuple(record["history"]), record["best_epoch"]
    except (KeyError, TypeError) as error:
        raise errors.StorageError(
            f"{path} is not a stage's history; remove {path.parent} to train it again"
        ) from error
    return Trained(storage.load(folder.model(stage)), best_epoch, history, stage)


def restore_metrics(folder: run_folder.RunFolder, stages: Sequence[str]) -> None:
    """Writes metrics.jsonl again where it is gone.

    Args:
        folder: of the run.
        stages: names of its stages, in their order; some may be absent.

    Raises:
        StorageError: a history cannot be read, or the file not be written.
    """
    if folder.metrics.exists():
        return
    histories = [folder.history(stage) for stage in stages]
    records = [
        record
        for path in histories
        if path.exists()
        for record in atomic_files.read_json(path)["history"]
    ]
    progress.write_metrics(folder.root, records)
