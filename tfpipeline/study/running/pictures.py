"""Which pictures a study measures, and which set the ranges of its networks."""

import os
from collections.abc import Sequence

from tfpipeline import errors
from tfpipeline.study.running import pairs, settings, sources


def source(command: settings.Command) -> sources.Source:
    """The pictures that are measured; of pairs, those of people who are in them.

    Raises:
        PipelineError: they cannot be read.
    """
    data, given = command.data, command.stages()
    assert data.data is not None
    if settings.VERIFIER in given:
        return of_pairs(command, measured_pairs(command))
    if given == (settings.SEGMENTER,):
        return sources.of_masks(data.data, data.limit)
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


def of_pairs(command: settings.Command, asked: pairs.Pairs) -> sources.Source:
    """The pictures that are named in pairs.

    Raises:
        DataError: some are not there.
    """
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


def calibration(
    command: settings.Command, measured: sources.Source
) -> sources.Source | None:
    """Other pictures, none of which is measured; None where none are given.

    Raises:
        UsageError: some are measured.
        DataError: they cannot be read, or nobody of LFW is left.
    """
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
