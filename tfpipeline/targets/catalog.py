"""All targets that a graph can be estimated on, by name."""

import functools
from collections.abc import Callable, Sequence

from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import estimate as gap8
from tfpipeline.targets.gap8 import spec as gap8_spec
from tfpipeline.targets.max78000 import estimate as max78000
from tfpipeline.targets.max78000 import spec as max78000_spec
from tfpipeline.targets.powervr import estimate as powervr
from tfpipeline.targets.powervr import spec as powervr_spec
from tfpipeline.targets.stm32 import estimate as stm32
from tfpipeline.targets.stm32 import spec as stm32_spec
from tfpipeline.targets.tflm import estimate as tflm

Estimator = Callable[[graph.Graph, estimate.Options], estimate.Estimate]


def _estimators() -> dict[str, Estimator]:
    found: dict[str, Estimator] = {
        name: functools.partial(max78000.estimate_graph, spec=spec)
        for name, spec in max78000_spec.SPECS.items()
    }
    found |= {
        name: functools.partial(stm32.estimate_graph, board=board)
        for name, board in stm32_spec.BOARDS.items()
    }
    found[gap8_spec.NAME] = gap8.estimate_graph
    found |= {
        name: functools.partial(powervr.estimate_graph, core=core)
        for name, core in powervr_spec.CORES.items()
    }
    return found | {tflm.TARGET: tflm.estimate_graph}


ESTIMATORS = _estimators()
NAMES = tuple(ESTIMATORS)


def require_known(names: Sequence[str]) -> None:
    """Checks that every name is a target's.

    Raises:
        UsageError: naming what is unknown, and all targets.
    """
    unknown = [name for name in names if name not in ESTIMATORS]
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
    return [ESTIMATORS[name](g, options) for name in names]
