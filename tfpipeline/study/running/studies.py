"""Runs the networks of a study over its pictures, a step a stage and format."""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    crops,
    detecting,
    pairs,
    pictures,
    segmenting,
    settings,
    shared,
    sources,
    steps,
    verifying,
)


def run(command: settings.Command, done: steps.Steps) -> None:
    """Runs what is not there yet.

    Raises:
        UsageError: flags that do not go together.
        PipelineError: pictures or a network cannot be read.
    """
    given = command.stages()
    if not command.data.data:
        raise errors.UsageError("say on what pictures: --data=FOLDER")
    if given == (settings.CLASSIFIER,):
        _classification(command, done)
    elif given == (settings.SEGMENTER,):
        segmenting.run(command, done)
    elif given == (settings.DETECTOR,):
        _detection(command, done)
    else:
        _verification(command, done)


def _classification(command: settings.Command, done: steps.Steps) -> None:
    measured = pictures.source(command)
    other = pictures.calibration(command, measured)
    stage = shared.of_whole_pictures(command, settings.CLASSIFIER, other)
    shared.run_whole_pictures(
        command, done, stage, settings.CLASSIFIER, measured, other, _classified
    )


def _classified(
    sample: sources.Sample, form: str, scores: npt.NDArray[np.floating]
) -> records.Record:
    return records.Record(
        sample.name,
        form,
        settings.CLASSIFIER,
        scores=np.ravel(scores).astype(np.float64),
        label=sample.label,
    )


def _detection(command: settings.Command, done: steps.Steps) -> None:
    measured = pictures.source(command)
    done.run(records.TRUTH, steps.key(data=measured.digest), lambda: _truth(measured))
    detecting.run(command, done, measured, pictures.calibration(command, measured))


def _truth(measured: sources.Source) -> list[records.Record]:
    """Annotated boxes; scores of 0 mark those that do not count."""
    made = []
    for sample in measured.read():
        assert sample.boxes is not None
        counts = np.ones(len(sample.boxes))
        if sample.ignored is not None:
            counts[sample.ignored] = 0
        made.append(
            records.Record(
                sample.name,
                records.TRUTH,
                records.TRUTH,
                boxes=sample.boxes,
                scores=counts,
            )
        )
    return made


def _verification(command: settings.Command, done: steps.Steps) -> None:
    asked = pictures.measured_pairs(command)
    measured = pictures.of_pairs(command, asked)
    other = pictures.calibration(command, measured)
    done.run(
        records.TRUTH,
        steps.key(pairs=(asked.first, asked.second, asked.folds.tolist())),
        lambda: _people(asked),
    )
    rule = crops.parse(command.crop)
    if command.networks.detector is None:
        for size in command.face_sizes:
            verifying.run(
                command, done, verifying.Names("", size), measured, other, None
            )
        return
    if rule.kind == crops.WHOLE:
        raise errors.UsageError("--crop=whole is for a verifier without a detector")
    found = detecting.run(command, done, measured, other)
    reference = next(iter(found))
    for size in command.face_sizes:
        detectors = found if size in command.grid_sizes else [reference]
        for detector in detectors:
            step = found[detector]
            if not step.refused:
                names = verifying.Names(detector, size)
                verifying.run(command, done, names, measured, other, step)


def _people(asked: pairs.Pairs) -> list[records.Record]:
    """A record a pair: both pictures in its name, the fold in the stage."""
    return [
        records.Record(
            f"{one}|{other}", records.TRUTH, f"{records.TRUTH}/{fold}", label=int(same)
        )
        for one, other, fold, same in zip(
            asked.first, asked.second, asked.folds, asked.same, strict=True
        )
    ]
