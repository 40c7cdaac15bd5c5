"""Distances of pairs: how far apart one person's are, and those of two people."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.report.findings import classes
from tfpipeline.report.findings import evidence as evidence_lib

DISTANCES, SAME = "distances", "same"
_BINS = 40

Evidence = evidence_lib.Evidence


def evidence(
    distances: Mapping[str, npt.NDArray[np.floating[Any]]],
    same: npt.NDArray[np.bool_],
    earlier: Evidence | None,
) -> Evidence:
    """What a run keeps of its pairs.

    Args:
        distances: form -> [M], of the forms that were verified now.
        same: bool [M].
        earlier: of an earlier start, whose other forms stay; None for none.
    """
    forms = {} if earlier is None else dict(earlier.forms)
    forms |= {
        name: {DISTANCES: each.astype(np.float32)} for name, each in distances.items()
    }
    return Evidence({SAME: same}, forms)


def measure(found: Evidence) -> dict[str, Any]:
    """Histograms and curves of every form, as JSON values."""
    same = found.targets[SAME].astype(bool)
    record: dict[str, Any] = {"forms": {}}
    for name, parts in found.forms.items():
        values = parts[DISTANCES].astype(np.float64)
        edges = np.histogram_bin_edges(values, _BINS)
        counts = {
            "one person": np.histogram(values[same], edges)[0].tolist(),
            "two people": np.histogram(values[~same], edges)[0].tolist(),
        }
        record["forms"][name] = {
            "edges": [float(f"{x:.5g}") for x in edges],
            "counts": counts,
        }
        if 0 < same.sum() < len(same):
            record["forms"][name]["curves"] = classes.rates(same, -values)
    return record
