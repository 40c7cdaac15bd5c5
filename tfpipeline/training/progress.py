"""What a person sees of a training stage, and what is left for tools to read."""

import contextlib
import json
import logging
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import rich.console
import rich.progress

from tfpipeline import atomic_files, run_folder
from tfpipeline.compat import keras, tf

_LOG = logging.getLogger(__name__)
# Entries of an epoch's record that its line shows elsewhere, or not at all.
_NOT_FIGURES = frozenset(
    ("stage", "epoch", "learning_rate", "images_per_second", "seconds", "best_epoch")
)


class Progress:
    """One line an epoch, a live bar within it on a terminal, metrics and events.

    Files: `metrics.jsonl` in the run's folder holds one JSON object an epoch of every
    stage; `tensorboard/<stage>` the same numbers as TensorBoard events, how weights are
    spread, ranges of quantizers, and the graph of the network.
    """

    def __init__(
        self,
        folder: pathlib.Path | None,
        stage: str,
        epochs: int,
        earlier: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Args:
        folder: the run's folder; None writes no files.
        stage: its name in the lines and files.
        epochs: how many at most.
        earlier: records of earlier stages, kept at the top of metrics.jsonl.
        """
        self._folder = folder
        self._stage = stage
        self._epochs = epochs
        self._earlier = list(earlier)
        self._console = rich.console.Console(stderr=True)
        self._bar: rich.progress.Progress | None = None
        self._writer = (
            tf.summary.create_file_writer(
                str(run_folder.RunFolder(folder).tensorboard(stage))
            )
            if folder
            else None
        )

    def begin_epoch(self, epoch: int, steps: int) -> None:
        """Opens the bar of `epoch` (counted from 0) when a person is watching."""
        if not self._console.is_terminal:
            return
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn(f"{self._stage} epoch {epoch + 1}/{self._epochs}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[loss]}"),
            rich.progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.add_task("", total=steps, loss="")
        self._bar.start()

    def advance(self, steps: int, loss: float) -> None:
        """Moves the bar by `steps`."""
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], advance=steps, loss=f"loss {loss:.4f}"
            )

    def stop_bar(self) -> None:
        """Removes the bar, also when the epoch was cut short."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def show_network(self, model: keras.Model) -> None:
        """Writes the layers of the network and how they are connected.

        By its configuration: to trace it would change what follows, by the last digits,
        against a run that is resumed and traces nothing.
        """
        if self._writer is None:
            return
        metadata = tf.compat.v1.SummaryMetadata()
        # As `tf_keras.callbacks.TensorBoard` has it.
        metadata.plugin_data.plugin_name = "graph_keras_model"
        metadata.plugin_data.content = b"1"
        with self._writer.as_default(step=0):
            tf.summary.write("keras", tf.constant(model.to_json()), metadata=metadata)
        self._writer.flush()

    def end_epoch(
        self,
        history: Sequence[dict[str, Any]],
        weights: Iterable[tuple[str, np.ndarray]] = (),
    ) -> None:
        """Prints the newest record's line and writes the files.

        Args:
            history: a record an epoch.
            weights: names and values of the network's variables after it.
        """
        self.stop_bar()
        _LOG.info("%s", line(history, self._epochs))
        if self._folder is None or self._writer is None:
            return
        write_metrics(self._folder, self._earlier + list(history))
        record = history[-1]
        with self._writer.as_default(step=record["epoch"]):
            for name, value in record.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value)
            for name, values in weights:
                if not np.issubdtype(values.dtype, np.floating):
                    continue
                if values.size == 1:  # Ends of a quantizer's range.
                    tf.summary.scalar(f"ranges/{name}", values.reshape(()))
                else:
                    tf.summary.histogram(f"weights/{name}", values)
        self._writer.flush()


def show_examples(
    folder: run_folder.RunFolder, pictures: np.ndarray, titles: Sequence[str]
) -> None:
    """Writes pictures as TensorBoard events of the stage `examples`.

    Args:
        folder: of the run.
        pictures: uint8 [N, H, W, 1 or 3].
        titles: of each.
    """
    writer = tf.summary.create_file_writer(str(folder.tensorboard("examples")))
    with writer.as_default(step=0):
        for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
            tf.summary.image(
                f"mistakes/{place + 1:02}", picture[None], description=title
            )
    writer.close()


def write_metrics(folder: pathlib.Path, records: Sequence[dict[str, Any]]) -> None:
    """Writes metrics.jsonl into the run's folder.

    Raises:
        StorageError: it cannot be written.
    """
    text = "".join(json.dumps(record) + "\n" for record in records)
    atomic_files.write_text(run_folder.RunFolder(folder).metrics, text)


@contextlib.contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A live bar when a person is watching; yields what moves it by a number."""
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(
        rich.progress.TextColumn(what),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as live:
        task = live.add_task("", total=total)
        yield lambda number: live.update(task, advance=number)


def line(history: Sequence[dict[str, Any]], epochs: int) -> str:
    """The line of the newest epoch: its figures, speed, time left at most."""
    record = history[-1]
    left = (
        (epochs - record["epoch"]) * sum(r["seconds"] for r in history) / len(history)
    )
    best = " *" if record["best_epoch"] == record["epoch"] else ""
    figures = "".join(
        f"  {name} {_figure(name, value)}"
        for name, value in record.items()
        if name not in _NOT_FIGURES
    )
    return (
        f"{record['stage']:5s} epoch {record['epoch']:3d}/{epochs}"
        f"{figures}  {record['images_per_second']:.0f} images/s"
        f"  left {duration(left)}{best}"
    )


def _figure(name: str, value: float) -> str:
    return f"{100 * value:6.2f} %" if name.endswith("accuracy") else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
