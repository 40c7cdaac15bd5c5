"""All targets that a graph can be estimated on by itself, by name."""

from collections.abc import Collection, Sequence

from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.cost.target import Target
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import estimate as gap8
from tfpipeline.targets.max78000 import estimate as max78000
from tfpipeline.targets.powervr import estimate as powervr
from tfpipeline.targets.stm32 import estimate as stm32
from tfpipeline.targets.tflm import estimate as tflm

TARGETS: dict[str, Target] = {
    each.name: each
    for each in (
        *max78000.TARGETS,
        *stm32.TARGETS,
        *gap8.TARGETS,
        *powervr.TARGETS,
        *tflm.TARGETS,
    )
}
NAMES = tuple(TARGETS)
# What is estimated where no target is named.
SURVEYED = tuple(name for name, each in TARGETS.items() if each.is_surveyed)


def require_known(names: Sequence[str]) -> None:
    """Checks that every name is a target's.

    Raises:
        UsageError: naming what is unknown, and all targets.
    """
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        found = ", ".join(f"'{name}'" for name in unknown) or "none"
        raise errors.UsageError(
            f"unknown target {found}; choose of: {', '.join(NAMES)}"
        )


def estimate_all(
    g: graph.Graph, names: Sequence[str], options: estimate.Options
) -> list[estimate.Estimate]:
    """Estimates a well-formed graph on each target, in the order of `names`.

    Raises:
        UsageError: an unknown target, or an option that does not fit one.
    """
    require_known(names)
    return [TARGETS[name].estimate(g, options) for name in names]


def of_files(paths: Sequence[str], taken: Collection[str] = NAMES) -> list[Target]:
    """The boards that files describe.

    Args:
        paths: of the files.
        taken: names of targets.

    Raises:
        PipelineError: a file cannot be read, or describes no board.
        UsageError: a name that a target or another file has.
    """
    found: dict[str, Target] = {}
    for path in paths:
        board = stm32.of_file(path)
        if board.name in taken or board.name in found:
            raise errors.UsageError(
                f"{path}: name must be another than '{board.name}', which a "
                f"{'target' if board.name in taken else 'board given before'} has"
            )
        found[board.name] = board
    return list(found.values())
