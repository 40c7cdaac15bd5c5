"""What all stages of a study share: networks, calibration pictures, steps, batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tfpipeline.study.running import settings, sources, stages, steps

_Item = TypeVar("_Item")
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


def grouped(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """Batches, the last of which may be smaller."""
    group: list[_Item] = []
    for each in items:
        group.append(each)
        if len(group) == _BATCH:
            yield group
            group = []
    if group:
        yield group
