"""What all stages of a study share: networks, calibration pictures, steps, batches."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tfpipeline import workers
from tfpipeline.study.measures import records
from tfpipeline.study.running import crops, settings, sources, stages, steps

_Item = TypeVar("_Item")
# A picture, a format, and the network's output for it -> what is kept.
RecordOf = Callable[[sources.Sample, str, npt.NDArray[np.floating]], records.Record]
_BATCH = 16
_MOST_CALIBRATION_BYTES = 1 << 29


def network(
    command: settings.Command,
    name: str,
    calibrate: Callable[[], Sequence[stages.Picture]] | None,
) -> stages.Stage:
    """The network of the stage `name`, such as `settings.DETECTOR`."""
    networks = command.networks
    return stages.Stage(
        getattr(networks, name), networks.input_range, name in networks.bgr, calibrate
    )


def of_whole_pictures(
    command: settings.Command, name: str, other: sources.Source | None
) -> stages.Stage:
    """The network of a stage that reads whole pictures, its ranges by other ones."""
    size = network(command, name, None).size
    return network(
        command, name, calibration_pictures(other, lambda p: crops.stretched(p, size))
    )


def run_whole_pictures(
    command: settings.Command,
    done: steps.Steps,
    stage: stages.Stage,
    name: str,
    measured: sources.Source,
    other: sources.Source | None,
    record_of: RecordOf,
) -> None:
    """A step a format: the first output for each picture, as a record.

    Args:
        command: says in which formats, and where.
        done: of the study.
        stage: as `of_whole_pictures`.
        name: of the stage.
        measured: pictures.
        other: those that set ranges.
        record_of: of a module, so that other processes have it too.
    """
    for form in command.formats:

        def make(form: str = form) -> list[records.Record]:
            work = functools.partial(_recorder, stage, form, record_of)
            return list(
                workers.mapped(command.runner, work, measured.read(), measured.count)
            )

        done.run(f"{name}.{form}", step_key(stage, form, measured, other), make)


def _recorder(
    stage: stages.Stage, form: str, record_of: RecordOf
) -> Callable[[Sequence[sources.Sample]], list[records.Record]]:
    """What makes records of pictures."""
    run_network, size = stage.runner(form), stage.size

    def recorded(batch: Sequence[sources.Sample]) -> Iterator[records.Record]:
        inputs = [crops.stretched(each.picture, size) for each in batch]
        for sample, output in zip(batch, run_network(inputs)[0], strict=True):
            yield record_of(sample, form, output)

    return lambda samples: [
        record for batch in grouped(samples) for record in recorded(batch)
    ]


def calibration_pictures(
    found: sources.Source | None,
    fit: Callable[[stages.Picture], stages.Picture],
) -> Callable[[], Sequence[stages.Picture]] | None:
    """Calibration pictures, each brought to a network's size, as many as fit."""
    if found is None:
        return None

    def calibrate() -> Sequence[stages.Picture]:
        fitted: list[stages.Picture] = []
        size = 0
        for sample in found.read():
            fitted.append(fit(sample.picture))
            size += 4 * fitted[-1].size  # As float32.
            if size > _MOST_CALIBRATION_BYTES:
                break
        return fitted

    return calibrate


def step_key(
    stage: stages.Stage,
    form: str,
    measured: sources.Source,
    other: sources.Source | None,
    *more: object,
) -> str:
    """What a step follows from, see `steps.key`."""
    return steps.key(
        network=(stage.digest, stage.range_text, stage.is_bgr),
        form=form,
        data=measured.digest,
        # The float network has no ranges.
        calibration=other.digest if other and form != "float" else "",
        more=more,
    )


def grouped(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Batches, the last of which may be smaller."""
    return workers.in_parts(items, _BATCH)
