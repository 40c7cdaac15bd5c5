"""Runs the networks of a study over its pictures, a step a stage and format."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.study.measures import records
from tfpipeline.study.running import (
    crops,
    decoders,
    pairs,
    settings,
    sources,
    stages,
    steps,
)

TRUTH = "truth"
_Item = TypeVar("_Item")
_BATCH = 16
_MOST_CALIBRATION_BYTES = 1 << 29


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
    elif given == (settings.DETECTOR,):
        _detection(command, done)
    else:
        _verification(command, done)


def source(command: settings.Command) -> sources.Source:
    """The pictures that are measured; of pairs, those of people who are in them.

    Raises:
        PipelineError: they cannot be read.
    """
    data, given = command.data, command.stages()
    assert data.data is not None
    if settings.VERIFIER in given:
        return _of_pairs(command, measured_pairs(command))
    if given == (settings.CLASSIFIER,):
        return sources.of_classes(data.data, data.labels, data.limit)
    if data.annotations:
        return sources.of_annotations(data.data, data.annotations, data.limit)
    if _is_prepared(data.data):
        return sources.of_scenes(data.data, data.data_dir, data.limit)
    raise errors.UsageError(
        "a detector is measured against boxes: give --annotations=FILE, or "
        "--data=NAME:SPLIT of a prepared TFDS set"
    )


def measured_pairs(command: settings.Command) -> pairs.Pairs:
    """The pairs that are asked about.

    Raises:
        UsageError: LFW without --pairs.
        DataError: they cannot be read.
    """
    data = command.data
    if data.pairs:
        return pairs.read(data.pairs, data.pairs_a_fold)
    if not data.data or data.data == sources.LFW:
        raise errors.UsageError(
            "pairs of pictures are missing: --pairs=FILE, LFW's pairs.txt or a CSV"
        )
    people = sources.people_of(data.data)
    return pairs.drawn(people, command.seed, data.pairs_a_fold)


def _of_pairs(command: settings.Command, asked: pairs.Pairs) -> sources.Source:
    data = command.data
    assert data.data is not None
    wanted = set(asked.names())
    if data.data != sources.LFW:
        return sources.of_names(data.data, asked.names())

    def places(names: list[str]) -> list[int]:
        found = [place for place, name in enumerate(names) if name in wanted]
        if len(found) < len(wanted):
            absent = sorted(wanted.difference(names))
            raise errors.DataError(
                f"the pairs name {len(absent)} photographs that LFW's copy lacks, "
                f"{absent[0]} first"
            )
        return found

    return sources.of_lfw(data.data_dir, places)


def _calibration(
    command: settings.Command, measured: sources.Source
) -> sources.Source | None:
    """Other pictures, none of which is measured."""
    data = command.data
    if not data.calibration:
        return None
    limit = data.calibration_pictures
    if data.calibration == sources.LFW:
        asked = measured_pairs(command)
        people = {pairs.person_of(name) for name in asked.names()}

        def places(names: list[str]) -> Sequence[int]:
            others = [
                place
                for place, name in enumerate(names)
                if pairs.person_of(name) not in people
            ]
            if not others:
                raise errors.DataError(
                    "every person of LFW's copy is in a measured pair: give other "
                    "pictures for --calibration"
                )
            return [others[i] for i in sources.spread(len(others), limit)]

        return sources.of_lfw(data.data_dir, places)
    if _is_prepared(data.calibration):
        found = sources.of_scenes(data.calibration, data.data_dir, limit)
    else:
        found = sources.of_pictures(data.calibration, limit)
    both = found.keys & measured.keys
    if both:
        raise errors.UsageError(
            f"{len(both)} pictures of --calibration are measured, too: it must be "
            "other pictures than those of --data"
        )
    return found


def _is_prepared(text: str) -> bool:
    return not os.path.exists(text) and ":" in text


def _stage(
    command: settings.Command,
    name: str,
    calibrate: Callable[[], Sequence[stages.Picture]] | None,
) -> stages.Stage:
    networks = command.networks
    return stages.Stage(
        getattr(networks, name), networks.input_range, name in networks.bgr, calibrate
    )


def _whole(
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


def _classification(command: settings.Command, done: steps.Steps) -> None:
    measured = source(command)
    other = _calibration(command, measured)
    size = _stage(command, settings.CLASSIFIER, None).size
    stage = _stage(
        command, settings.CLASSIFIER, _whole(other, lambda p: crops.stretched(p, size))
    )
    for form in command.formats:
        step_key = _key(stage, form, measured, other)

        def make(form: str = form) -> list[records.Record]:
            run_network = stage.runner(form)
            made = []
            for batch in _batches(measured):
                outputs = run_network(
                    [crops.stretched(each.picture, size) for each in batch]
                )[0]
                for sample, scores in zip(batch, outputs, strict=True):
                    made.append(
                        records.Record(
                            sample.name,
                            form,
                            settings.CLASSIFIER,
                            scores=np.ravel(scores).astype(np.float64),
                            label=sample.label,
                        )
                    )
            return made

        done.run(f"{settings.CLASSIFIER}.{form}", step_key, make)


def _detection(command: settings.Command, done: steps.Steps) -> None:
    measured = source(command)
    done.run(TRUTH, steps.key(data=measured.digest), lambda: _truth(measured))
    _run_detector(command, done, measured, _calibration(command, measured))


def _truth(measured: sources.Source) -> list[records.Record]:
    """Annotated boxes; scores of 0 mark those that do not count."""
    made = []
    for sample in measured.read():
        assert sample.boxes is not None
        counts = np.ones(len(sample.boxes))
        if sample.ignored is not None:
            counts[sample.ignored] = 0
        made.append(
            records.Record(sample.name, TRUTH, TRUTH, boxes=sample.boxes, scores=counts)
        )
    return made


def _run_detector(
    command: settings.Command,
    done: steps.Steps,
    measured: sources.Source,
    other: sources.Source | None,
) -> dict[str, steps.Step]:
    """The detector's steps by their formats."""
    stage = _detector(command, other)
    made = {}
    for form in command.detector_formats or command.formats:
        step_key = _key(
            stage, form, measured, other, (command.threshold, command.networks.decoder)
        )

        def make(form: str = form) -> list[records.Record]:
            find = _finder(command, stage, form)
            return [
                _detected(sample, form, find(sample.picture))
                for sample in measured.read()
            ]

        made[form] = done.run(f"{settings.DETECTOR}.{form}", step_key, make)
    return made


def _detector(command: settings.Command, other: sources.Source | None) -> stages.Stage:
    size = _stage(command, settings.DETECTOR, None).size
    return _stage(
        command, settings.DETECTOR, _whole(other, lambda p: crops.fitted(p, size)[0])
    )


def _finder(
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


def _verification(command: settings.Command, done: steps.Steps) -> None:
    asked = measured_pairs(command)
    measured = _of_pairs(command, asked)
    other = _calibration(command, measured)
    done.run(
        TRUTH,
        steps.key(pairs=(asked.first, asked.second, asked.folds.tolist())),
        lambda: _people(asked),
    )
    rule = crops.parse(command.crop)
    if command.networks.detector is None:
        for size in command.face_sizes:
            _run_verifier(command, done, Names("", size), measured, other, None)
        return
    if rule.kind == crops.WHOLE:
        raise errors.UsageError("--crop=whole is for a verifier without a detector")
    found = _run_detector(command, done, measured, other)
    reference = next(iter(found))
    for size in command.face_sizes:
        detectors = found if size in command.grid_sizes else [reference]
        for detector in detectors:
            step = found[detector]
            if not step.refused:
                names = Names(detector, size)
                _run_verifier(command, done, names, measured, other, step)


def _people(asked: pairs.Pairs) -> list[records.Record]:
    """A record a pair: both pictures in its name, the fold in the stage."""
    return [
        records.Record(f"{one}|{other}", TRUTH, f"{TRUTH}/{fold}", label=int(same))
        for one, other, fold, same in zip(
            asked.first, asked.second, asked.folds, asked.same, strict=True
        )
    ]


def _run_verifier(
    command: settings.Command,
    done: steps.Steps,
    names: Names,
    measured: sources.Source,
    other: sources.Source | None,
    detector: steps.Step | None,
) -> None:
    side = _stage(command, settings.VERIFIER, None).size
    stage = _stage(command, settings.VERIFIER, _calibration_faces(command, other, side))
    rule = (command.crop if detector else crops.WHOLE, names.size, command.mirror)
    before = detector.key if detector else ""
    for form in command.formats:
        step_key = _key(stage, form, measured, other, rule, before)

        def make(form: str = form) -> list[records.Record]:
            run_network = stage.runner(form)
            made = []
            faces = _faces(command, done, names, measured, side)
            for batch in _grouped(faces):
                embeddings = _described(
                    run_network, [face for _, face in batch], command.mirror
                )
                made += [
                    records.Record(name, form, names.stage, embedding=each)
                    for (name, _), each in zip(batch, embeddings, strict=True)
                ]
            return made

        done.run(f"{names.stage.replace('/', '.')}.{form}", step_key, make)


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
        return _whole(other, lambda picture: crops.stretched(picture, side))

    def calibrate() -> Sequence[stages.Picture]:
        stage = _detector(command, other)
        find = _finder(command, stage, "float")
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


def _key(
    stage: stages.Stage,
    form: str,
    measured: sources.Source,
    other: sources.Source | None,
    *more: object,
) -> str:
    return steps.key(
        network=(stage.digest, stage.range_text, stage.is_bgr),
        form=form,
        data=measured.digest,
        # The float network has no ranges.
        calibration=other.digest if other and form != "float" else "",
        more=more,
    )


def _batches(found: sources.Source) -> Iterator[list[sources.Sample]]:
    return _grouped(found.read())


def _grouped(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    group: list[_Item] = []
    for each in items:
        group.append(each)
        if len(group) == _BATCH:
            yield group
            group = []
    if group:
        yield group
