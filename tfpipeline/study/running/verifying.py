"""Runs a verifier over the faces of pictures, in every format."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors, workers
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    crops,
    decoders,
    detecting,
    settings,
    shared,
    sources,
    stages,
    steps,
)


@dataclasses.dataclass(frozen=True)
class Names:
    """How a verifier's records are told apart.

    Attributes:
        detector: its format; empty without one.
        size: of the faces in pixels, 0 as they are.
    """

    detector: str
    size: int

    @property
    def stage(self) -> str:
        """Of the records."""
        parts = [settings.VERIFIER]
        if self.detector:
            parts.append(self.detector)
        if self.size:
            parts.append(str(self.size))
        return "/".join(parts)

    @classmethod
    def of(cls, stage: str) -> "Names":
        """Of a record's stage."""
        _, *parts = stage.split("/")
        size = int(parts.pop()) if parts and parts[-1].isdecimal() else 0
        return cls(parts[0] if parts else "", size)


def run(
    command: settings.Command,
    done: steps.Steps,
    names: Names,
    measured: sources.Source,
    other: sources.Source | None,
    detector: steps.Step | None,
) -> None:
    """Runs what is not there yet of the faces that a detector's step found.

    Args:
        command: of the study.
        done: its steps.
        names: of the records.
        measured: pictures.
        other: pictures whose faces set ranges.
        detector: the step of the detector; None for pictures that are faces.

    Raises:
        PipelineError: pictures or the network cannot be read.
    """
    side = shared.network(command, settings.VERIFIER, None).size
    stage = shared.network(
        command, settings.VERIFIER, _calibration_faces(command, other, side)
    )
    rule = (command.crop if detector else crops.WHOLE, names.size, command.mirror)
    before = detector.key if detector else ""
    for form in command.formats:
        step_key = shared.step_key(stage, form, measured, other, rule, before)

        def make(form: str = form) -> list[records.Record]:
            faces = _faces(command, done, names, measured, side)
            work = functools.partial(
                _describer, stage, form, names.stage, command.mirror
            )
            return list(workers.mapped(command.runner, work, faces, measured.count))

        done.run(f"{names.stage.replace('/', '.')}.{form}", step_key, make)


def _describer(
    stage: stages.Stage, form: str, name: str, mirror: bool
) -> Callable[[Sequence[tuple[str, stages.Picture]]], list[records.Record]]:
    """What makes records of names and faces."""
    run_network = stage.runner(form)

    def describe(faces: Sequence[tuple[str, stages.Picture]]) -> list[records.Record]:
        made = []
        for batch in shared.grouped(faces):
            embeddings = _described(run_network, [face for _, face in batch], mirror)
            made += [
                records.Record(sample, form, name, embedding=each)
                for (sample, _), each in zip(batch, embeddings, strict=True)
            ]
        return made

    return describe


def _faces(
    command: settings.Command,
    done: steps.Steps,
    names: Names,
    measured: sources.Source,
    side: tuple[int, int],
) -> Iterator[tuple[str, stages.Picture]]:
    """Names and faces of the pictures in which one was found."""
    kept = {}
    if names.detector:
        path = done.path(f"{settings.DETECTOR}.{names.detector}")
        kept = {record.sample: record for record in records.read(path)}
    for sample in measured.read():
        if not names.detector:
            face = crops.stretched(sample.picture, side)
            yield sample.name, crops.shrunk(face, names.size)
            continue
        record = kept[sample.name]
        assert record.boxes is not None and record.scores is not None
        found = decoders.Found(record.boxes, record.scores, record.landmarks)
        cut = _cut(command, sample.picture, found, side)
        if cut is not None:
            yield sample.name, crops.shrunk(cut, names.size)


def _cut(
    command: settings.Command,
    picture: stages.Picture,
    found: decoders.Found,
    side: tuple[int, int],
) -> stages.Picture | None:
    place = crops.central(found, (picture.shape[0], picture.shape[1]))
    if place is None:
        return None
    if side[0] != side[1]:
        raise errors.UsageError(
            f"faces are squares; the verifier reads {side[0]}x{side[1]}"
        )
    return crops.cut(picture, crops.parse(command.crop), found, place, side[0])


def _calibration_faces(
    command: settings.Command, other: sources.Source | None, side: tuple[int, int]
) -> Callable[[], Sequence[stages.Picture]] | None:
    """Faces that the float detector finds in the calibration pictures."""
    if other is None:
        return None
    if command.networks.detector is None:
        return shared.calibration_pictures(
            other, lambda picture: crops.stretched(picture, side)
        )

    def calibrate() -> Sequence[stages.Picture]:
        stage = detecting.network(command, other)
        find = detecting.finder(command, stage, "float")
        cuts = [
            _cut(command, sample.picture, find(sample.picture), side)
            for sample in other.read()
        ]
        return [each for each in cuts if each is not None]

    return calibrate


def _described(
    run_network: stages.Run,
    faces: Sequence[stages.Picture],
    mirror: bool,
) -> npt.NDArray[np.float64]:
    """Descriptors, float64 [N, D]."""
    values = np.asarray(run_network(faces)[0], np.float64)
    if mirror:
        values = values + run_network([face[:, ::-1] for face in faces])[0]
    return values.reshape(len(faces), -1)
