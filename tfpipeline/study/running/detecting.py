"""Runs a detector over pictures, in every format."""

import functools
from collections.abc import Callable, Sequence

from tfpipeline import workers
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    crops,
    decoders,
    settings,
    shared,
    sources,
    stages,
    steps,
)


def run(
    command: settings.Command,
    done: steps.Steps,
    measured: sources.Source,
    other: sources.Source | None,
) -> dict[str, steps.Step]:
    """Runs what is not there yet; the steps by their formats.

    Raises:
        PipelineError: pictures or the network cannot be read.
    """
    stage = network(command, other)
    made = {}
    for form in command.detector_formats or command.formats:
        step_key = shared.step_key(
            stage, form, measured, other, (command.threshold, command.networks.decoder)
        )

        def make(form: str = form) -> list[records.Record]:
            work = functools.partial(_detector, command, stage, form)
            return list(
                workers.mapped(command.runner, work, measured.read(), measured.count)
            )

        made[form] = done.run(f"{settings.DETECTOR}.{form}", step_key, make)
    return made


def _detector(
    command: settings.Command, stage: stages.Stage, form: str
) -> Callable[[Sequence[sources.Sample]], list[records.Record]]:
    """What makes records of pictures."""
    find = finder(command, stage, form)
    return lambda samples: [
        _detected(sample, form, find(sample.picture)) for sample in samples
    ]


def network(command: settings.Command, other: sources.Source | None) -> stages.Stage:
    """The detector, its ranges by other pictures where there are some."""
    size = shared.network(command, settings.DETECTOR, None).size
    return shared.network(
        command,
        settings.DETECTOR,
        shared.calibration_pictures(other, lambda p: crops.fitted(p, size)[0]),
    )


def finder(
    command: settings.Command, stage: stages.Stage, form: str
) -> Callable[[stages.Picture], decoders.Found]:
    """What finds objects in a picture of any size."""
    decoder = stage.decoder(command.networks.decoder)
    run_network, size = stage.runner(form), stage.size

    def find(picture: stages.Picture) -> decoders.Found:
        inner, scale, offset = crops.fitted(picture, size)
        outputs = [each[0] for each in run_network([inner])]
        found = decoder.decode(outputs, stage.heads, size, command.threshold)
        return found.moved(scale, offset)

    return find


def _detected(
    sample: sources.Sample, form: str, found: decoders.Found
) -> records.Record:
    return records.Record(
        sample.name,
        form,
        settings.DETECTOR,
        boxes=found.boxes,
        scores=found.scores,
        landmarks=found.landmarks,
    )
