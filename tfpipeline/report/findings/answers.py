"""What the kept answers of a run say, by the kind of its task."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.report.findings import intervals
from tfpipeline.tasks import kind as kinds

Evidence = evidence_lib.Evidence
Parts = evidence_lib.Parts


class Module(Protocol):
    """What a module that `TaskKind.findings` names has."""

    @staticmethod
    def kept(
        outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
    ) -> Parts:
        """What is kept of a form's outputs [N, ...]."""
        ...

    @staticmethod
    def targets(examples: kinds.Examples) -> Parts:
        """What the answers are compared with."""
        ...

    @staticmethod
    def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_] | None:
        """bool [N], which examples are right; None where answers are not that."""
        ...

    @staticmethod
    def figure(parts: Parts, truth: Parts) -> float | None:
        """The most telling figure of the kind."""
        ...

    @staticmethod
    def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
        """Of `figure`."""
        ...

    @staticmethod
    def measure(
        found: Evidence, names: Sequence[str], deployed: str
    ) -> tuple[dict[str, Any], list[int]]:
        """Everything as JSON values, and positions of examples worth a look."""
        ...


def of_kind(kind: kinds.TaskKind) -> Module:
    """The module of a kind of task."""
    found: Any = importlib.import_module(f"tfpipeline.report.findings.{kind.findings}")
    module: Module = found
    return module


def measure(
    found: Evidence, kind: kinds.TaskKind, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """What results.json says of the answers, and positions of examples worth a look.

    Args:
        found: of a run.
        kind: of its task.
        names: of classes, labels or values.
        deployed: the form whose mistakes are shown.
    """
    module = of_kind(kind)
    forms = {}
    for name, parts in found.forms.items():
        ends = module.interval(parts, found.targets)
        forms[name] = {
            "value": module.figure(parts, found.targets),
            "interval": None if ends is None else list(ends),
        }
    record, shown = module.measure(found, names, deployed)
    figure = kind.figures[0].name
    return {"task": kind.name, "figure": figure, "forms": forms, **record}, shown
