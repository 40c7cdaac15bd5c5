"""A detector and a verifier, each in several number formats: which link breaks.

A sample is right from end to end where its face is found and the verifier's answer is
right. For every format of the detector and of the verifier there is one bool a sample.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.study.measures import agreement

Answers = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One detector format beside one verifier format.

    `rate` = the reference's rate - `detection_loss` - `crop_loss` - `verifier_loss`
    + `interaction`; the losses of both formats alone are those of their row and column.

    Attributes:
        detector, verifier: the formats.
        rate: share of samples that are right.
        detection_loss: lost by faces that the detector's format finds, or does not,
            other than the reference does; the verifier is the reference's.
        crop_loss: lost by its other boxes of faces that both find.
        verifier_loss: lost by the verifier's format alone.
        interaction: what both together lose less than the sum of each alone.
        agreement: with the reference in both.
    """

    detector: str
    verifier: str
    rate: float
    detection_loss: float
    crop_loss: float
    verifier_loss: float
    interaction: float
    agreement: agreement.Agreement

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {**dataclasses.asdict(self), "agreement": self.agreement.record()}


def grid(
    right: Mapping[tuple[str, str], Answers],
    detected: Mapping[str, Answers],
    reference: str = "float",
) -> dict[tuple[str, str], Cell]:
    """Takes the losses of every combination apart.

    Args:
        right: detector's format, verifier's format -> bool [N], right from end to end.
        detected: detector's format -> bool [N], whether the faces are found.
        reference: the format that losses are counted from, in both.

    Raises:
        DataError: a combination is missing.
    """
    verifiers = list(dict.fromkeys(verifier for _, verifier in right))
    needed = {(d, v) for d in (*detected, reference) for v in (*verifiers, reference)}
    missing = sorted(" + ".join(each) for each in needed - set(right))
    if missing or reference not in detected:
        raise errors.DataError(
            "the grid needs every detector's format beside every verifier's; missing: "
            f"{errors.listed(missing or [reference])}"
        )
    return {
        (detector, verifier): _cell(right, detected, detector, verifier, reference)
        for detector in detected
        for verifier in verifiers
    }


def _cell(
    right: Mapping[tuple[str, str], Answers],
    detected: Mapping[str, Answers],
    detector: str,
    verifier: str,
    reference: str,
) -> Cell:
    base = right[reference, reference]
    row, column = right[detector, reference], right[reference, verifier]
    cell = right[detector, verifier]
    lost = base.astype(np.int64) - row.astype(np.int64)
    otherwise = detected[detector] != detected[reference]
    # In whole samples, so that the parts of a rate sum up to it.
    interaction = int(cell.sum()) - int(row.sum()) - int(column.sum()) + int(base.sum())
    samples = len(base)
    return Cell(
        detector=detector,
        verifier=verifier,
        rate=int(cell.sum()) / samples,
        detection_loss=int(lost[otherwise].sum()) / samples,
        crop_loss=int(lost[~otherwise].sum()) / samples,
        verifier_loss=(int(base.sum()) - int(column.sum())) / samples,
        interaction=interaction / samples,
        agreement=agreement.compare(base, cell),
    )
