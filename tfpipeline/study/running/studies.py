"""Runs the networks of a study over its pictures, a step a stage and format."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline import errors, workers
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
    stages,
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
    size = shared.network(command, settings.CLASSIFIER, None).size
    stage = shared.network(
        command,
        settings.CLASSIFIER,
        shared.calibration_pictures(other, lambda p: crops.stretched(p, size)),
    )
    for form in command.formats:
        step_key = shared.step_key(stage, form, measured, other)

        def make(form: str = form) -> list[records.Record]:
            work = functools.partial(_classifier, stage, form, size)
            return list(
                workers.mapped(command.runner, work, measured.read(), measured.count)
            )

        done.run(f"{settings.CLASSIFIER}.{form}", step_key, make)


def _classifier(
    stage: stages.Stage, form: str, size: tuple[int, int]
) -> Callable[[Sequence[sources.Sample]], list[records.Record]]:
    """What makes records of pictures."""
    run_network = stage.runner(form)

    def classify(samples: Sequence[sources.Sample]) -> list[records.Record]:
        made = []
        for batch in shared.grouped(iter(samples)):
            outputs = run_network(
                [crops.stretched(each.picture, size) for each in batch]
            )[0]
            made += [
                records.Record(
                    sample.name,
                    form,
                    settings.CLASSIFIER,
                    scores=np.ravel(scores).astype(np.float64),
                    label=sample.label,
                )
                for sample, scores in zip(batch, outputs, strict=True)
            ]
        return made

    return classify


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
