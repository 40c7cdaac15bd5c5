"""Inputs that are rebuilt: how badly normal ones and anomalies are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.report.findings import classes, intervals
from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks import reconstruction, scores

_BINS = 40
_WORST = 20

Parts = evidence_lib.Parts


def kept(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> Parts:
    """How far each example is from what was made of it."""
    del objective
    by_example = reconstruction.anomaly_scores(outputs, examples.targets)
    return {"scores": by_example.astype(np.float32)}


def targets(examples: kinds.Examples) -> Parts:
    """Which examples are anomalies, where somebody knows."""
    if examples.labels is None:
        return {}
    return {"is_anomaly": examples.labels}


def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_] | None:
    """Scores have no threshold yet."""
    del parts, truth
    return None


def figure(parts: Parts, truth: Parts) -> float | None:
    """AUC; the mean score where nobody knows the anomalies."""
    if "is_anomaly" not in truth:
        return float(np.mean(parts["scores"]))
    return scores.area_under_curve(truth["is_anomaly"], parts["scores"])


def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
    """Of `figure`."""
    return intervals.resampled(
        lambda drawn: figure(
            {"scores": parts["scores"][drawn]},
            {name: each[drawn] for name, each in truth.items()},
        ),
        len(parts["scores"]),
    )


def measure(
    found: evidence_lib.Evidence, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """All of it, as JSON values, and the positions of examples that are worth a look.

    Args:
        found: of a run.
        names: of classes; not used.
        deployed: the form whose scores are shown.
    """
    del names
    values = found.forms[deployed]["scores"].astype(np.float64)
    is_anomaly = found.targets.get("is_anomaly")
    groups = {"all": np.ones(len(values), bool)}
    if is_anomaly is not None and 0 < is_anomaly.sum() < len(values):
        groups = {"normal": ~is_anomaly, "anomaly": is_anomaly}
    edges = np.histogram_bin_edges(values, _BINS)
    record: dict[str, Any] = {
        "deployed": deployed,
        "edges": [float(f"{x:.5g}") for x in edges],
        "counts": {
            name: np.histogram(values[chosen], edges)[0].tolist()
            for name, chosen in groups.items()
        },
        "curves": {},
        "mistakes": [],
    }
    if "anomaly" not in groups or is_anomaly is None:
        return {"figure": "mse", **record}, []
    record["curves"] = {"anomaly": classes.rates(is_anomaly, values)}
    # What is most wrong: the most suspicious normal ones, the least suspicious others.
    half = _WORST // 2
    normal, anomalies = np.flatnonzero(~is_anomaly), np.flatnonzero(is_anomaly)
    worst = [
        *normal[np.argsort(-values[normal], kind="stable")[:half]].tolist(),
        *anomalies[np.argsort(values[anomalies], kind="stable")[:half]].tolist(),
    ]
    record["mistakes"] = [
        {
            "example": place,
            "is_anomaly": bool(is_anomaly[place]),
            "score": float(f"{values[place]:.5g}"),
        }
        for place in worst
    ]
    return record, worst
