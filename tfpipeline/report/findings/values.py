"""Answers that are numbers: predicted against true, and what is farthest off."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.report.findings import intervals
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks import scores

_POINTS = 600
_WORST = 20

Parts = evidence_lib.Parts


def kept(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> Parts:
    """Values in the units of the targets, [N, K]."""
    del examples
    values = objective.restored(outputs.astype(np.float64))
    return {"values": values.reshape(len(values), -1).astype(np.float32)}


def targets(examples: kinds.Examples) -> Parts:
    """What is right."""
    return {"values": examples.targets.astype(np.float32)}


def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_] | None:
    """Values are near or far, not right."""
    del parts, truth
    return None


def figure(parts: Parts, truth: Parts) -> float:
    """RMSE."""
    found = scores.of_values(truth["values"], parts["values"])["rmse"]
    assert found is not None
    return found


def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
    """Of `figure`."""
    return intervals.resampled(
        lambda drawn: figure(
            {"values": parts["values"][drawn]}, {"values": truth["values"][drawn]}
        ),
        len(truth["values"]),
    )


def measure(
    found: evidence_lib.Evidence, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """All of it, as JSON values, and the positions of examples that are worth a look.

    Args:
        found: of a run.
        names: of the values.
        deployed: the form whose errors are shown.
    """
    truth = found.targets["values"]
    count, outputs = truth.shape
    chosen = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(int))
    off = np.abs(found.forms[deployed]["values"] - truth)
    worst = np.argsort(-off.max(axis=1), kind="stable")[:_WORST]
    record = {
        "names": [names[i] if i < len(names) else str(i) for i in range(outputs)],
        "deployed": deployed,
        "examples": chosen.tolist(),
        "truth": _rounded(truth[chosen]),
        "predicted": {
            name: _rounded(found.forms[name]["values"][chosen])
            for name in dict.fromkeys((found.reference, deployed))
        },
        "mistakes": [
            {
                "example": int(place),
                "truth": _rounded(truth[place]),
                "answer": _rounded(found.forms[deployed]["values"][place]),
            }
            for place in worst
        ],
    }
    return record, worst.tolist()


def _rounded(values: kinds.Array) -> Any:
    return (
        np.asarray([float(f"{x:.5g}") for x in values.ravel()])
        .reshape(values.shape)
        .tolist()
    )
