"""Runs a network that gives each pixel a class."""

import functools

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.data.own import mask_folders
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    pictures,
    settings,
    shared,
    sources,
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
    stage = shared.of_whole_pictures(command, settings.SEGMENTER, other)
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
    record_of = functools.partial(_segmented, stage.heads[0])
    shared.run_whole_pictures(
        command, done, stage, settings.SEGMENTER, measured, other, record_of
    )


def _segmented(
    head: heads.Head,
    sample: sources.Sample,
    form: str,
    output: npt.NDArray[np.floating],
) -> records.Record:
    """The classes of [H, W, classes]; one channel is of class 1, beside class 0."""
    if output.shape[-1] > 1:
        classes = output.argmax(axis=-1)
    else:
        classes = output[..., 0] > (0.5 if head.function == heads.SIGMOID else 0.0)
    mask = classes.astype(np.uint8).reshape(-1)
    return records.Record(sample.name, form, settings.SEGMENTER, mask=mask)


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
