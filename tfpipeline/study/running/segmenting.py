"""Runs a network that gives each pixel a class."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors, workers
from tfpipeline.data.own import mask_folders
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    crops,
    pictures,
    settings,
    shared,
    sources,
    stages,
    steps,
)
from tfpipeline.tasks import head as heads


def run(command: settings.Command, done: steps.Steps) -> None:
    """Masks of every format, of the size of the network's output, and the true ones.

    Raises:
        UsageError: the network gives no map of classes.
        PipelineError: pictures or the network cannot be read.
    """
    measured = pictures.source(command)
    other = pictures.calibration(command, measured)
    size = shared.network(command, settings.SEGMENTER, None).size
    stage = shared.network(
        command,
        settings.SEGMENTER,
        shared.calibration_pictures(other, lambda p: crops.stretched(p, size)),
    )
    shape = stage.output_shape
    if len(shape) != 3:
        raise errors.UsageError(
            f"'{stage.model}' gives {list(shape)} a picture: a map of classes is "
            "[height, width, classes]"
        )
    if len(measured.classes) > max(shape[2], 2):
        raise errors.UsageError(
            f"'{stage.model}' knows {shape[2]} classes, and the masks have "
            f"{len(measured.classes)}"
        )
    done.run(
        records.TRUTH,
        steps.key(data=measured.digest, size=shape[:2]),
        lambda: _truth(measured, shape[:2]),
    )
    for form in command.formats:

        def make(form: str = form) -> list[records.Record]:
            work = functools.partial(_segmenter, stage, form, size)
            return list(
                workers.mapped(command.runner, work, measured.read(), measured.count)
            )

        step_key = shared.step_key(stage, form, measured, other)
        done.run(f"{settings.SEGMENTER}.{form}", step_key, make)


def _segmenter(
    stage: stages.Stage, form: str, size: tuple[int, int]
) -> Callable[[Sequence[sources.Sample]], list[records.Record]]:
    """What makes records of pictures."""
    run_network = stage.runner(form)

    def segment(samples: Sequence[sources.Sample]) -> list[records.Record]:
        made = []
        for batch in shared.grouped(iter(samples)):
            outputs = run_network(
                [crops.stretched(each.picture, size) for each in batch]
            )[0]
            masks = _classes(outputs, stage.heads[0])
            made += [
                records.Record(
                    sample.name, form, settings.SEGMENTER, mask=mask.reshape(-1)
                )
                for sample, mask in zip(batch, masks, strict=True)
            ]
        return made

    return segment


def _classes(
    outputs: npt.NDArray[np.floating], head: heads.Head
) -> npt.NDArray[np.uint8]:
    """[N, H, W] of [N, H, W, classes]; one channel is of class 1, beside class 0."""
    if outputs.shape[-1] > 1:
        return np.asarray(outputs.argmax(axis=-1), np.uint8)
    even = 0.5 if head.function == heads.SIGMOID else 0.0
    return np.asarray(outputs[..., 0] > even, np.uint8)


def _truth(measured: sources.Source, size: tuple[int, int]) -> list[records.Record]:
    """Masks of the size `size`, which the stage says: `truth/HEIGHTxWIDTH`."""
    stage = f"{records.TRUTH}/{size[0]}x{size[1]}"
    made = []
    for sample in measured.read():
        assert sample.mask is not None
        mask = mask_folders.resized(sample.mask, size)
        made.append(
            records.Record(sample.name, records.TRUTH, stage, mask=mask.reshape(-1))
        )
    return made
