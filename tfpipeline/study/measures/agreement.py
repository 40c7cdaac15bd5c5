"""Whether two number formats are right about the same samples, and not only as often.

Of the samples, A is right about some (the reference, most often float), B about some.
A drop of a point in accuracy may stand for ten times as many samples that changed.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics
from statsmodels.stats import contingency_tables

from tfpipeline import errors

# McNemar's test is exact below so many samples that changed, where chi-square is poor.
EXACT_BELOW = 25


@dataclasses.dataclass(frozen=True)
class Agreement:
    """The 2x2 table of two formats and everything that follows from it.

    Ratios whose denominator is 0 are NaN.

    Attributes:
        both, only_a, only_b, neither: how many samples they are right about.
        changed: samples whose prediction differs, right or wrong; None where nobody
            gave predictions.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    changed: int | None = None

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def accuracy_a(self) -> float:
        """Share of samples that A is right about."""
        return _ratio(self.both + self.only_a, self.samples)

    @property
    def accuracy_b(self) -> float:
        """Share of samples that B is right about."""
        return _ratio(self.both + self.only_b, self.samples)

    @property
    def overlap(self) -> float:
        """|A and B| / |A|: of what the reference knew, the share that was kept."""
        return _ratio(self.both, self.both + self.only_a)

    @property
    def overlap_of_b(self) -> float:
        """|A and B| / |B|."""
        return _ratio(self.both, self.both + self.only_b)

    @property
    def jaccard(self) -> float:
        """|A and B| / |A or B|."""
        return _ratio(self.both, self.both + self.only_a + self.only_b)

    @property
    def dice(self) -> float:
        """2 |A and B| / (|A| + |B|)."""
        return _ratio(2 * self.both, 2 * self.both + self.only_a + self.only_b)

    @property
    def agreement(self) -> float:
        """Share of samples that both are right about, or both wrong."""
        return _ratio(self.both + self.neither, self.samples)

    @property
    def flips(self) -> int:
        """Samples of which one is right and the other wrong."""
        return self.only_a + self.only_b

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond what chance gives; NaN where it gives all."""
        cells = [self.both, self.only_a, self.only_b, self.neither]
        rights_a, rights_b = [1, 1, 0, 0], [1, 0, 1, 0]
        if max(self.both, self.neither) == self.samples:
            return float("nan")
        return float(metrics.cohen_kappa_score(rights_a, rights_b, sample_weight=cells))

    def mcnemar(self, exact: bool | None = None) -> tuple[float, float]:
        """Whether the flips could be as likely in both directions.

        Args:
            exact: by the binomial distribution; None for that below EXACT_BELOW flips,
                and chi-square with continuity correction from there on.

        Returns:
            The statistic (the smaller count where exact) and the p-value, 1 of no flip.
        """
        if exact is None:
            exact = self.flips < EXACT_BELOW
        if self.flips == 0:
            return 0.0, 1.0
        table = [[self.both, self.only_a], [self.only_b, self.neither]]
        result = contingency_tables.mcnemar(table, exact=exact, correction=True)
        return float(result.statistic), float(result.pvalue)

    def record(self) -> dict[str, Any]:
        """As JSON values; NaN becomes None."""
        statistic, p_value = self.mcnemar()
        values = {
            **dataclasses.asdict(self),
            "samples": self.samples,
            "accuracy_a": self.accuracy_a,
            "accuracy_b": self.accuracy_b,
            "overlap": self.overlap,
            "overlap_of_b": self.overlap_of_b,
            "jaccard": self.jaccard,
            "dice": self.dice,
            "agreement": self.agreement,
            "kappa": self.kappa,
            "flips": self.flips,
            "mcnemar_statistic": statistic,
            "mcnemar_p": p_value,
            "mcnemar_exact": self.flips < EXACT_BELOW,
        }
        return {
            key: None if isinstance(value, float) and np.isnan(value) else value
            for key, value in values.items()
        }


def compare(
    right_a: npt.NDArray[np.bool_],
    right_b: npt.NDArray[np.bool_],
    predictions: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
) -> Agreement:
    """The table of two formats over the same samples.

    Args:
        right_a, right_b: bool [N], of each sample in the same order.
        predictions: [N] of both, to count changes among wrong ones too.

    Raises:
        DataError: they are of other samples, or of none.
    """
    arrays = [right_a, right_b, *(predictions or ())]
    if (
        len({each.shape for each in arrays}) > 1
        or right_a.ndim != 1
        or not right_a.size
    ):
        raise errors.DataError(
            "two formats are compared over the same samples. Received: "
            f"{errors.listed([list(each.shape) for each in arrays])}"
        )
    cells = (
        right_a & right_b,
        right_a & ~right_b,
        ~right_a & right_b,
        ~right_a & ~right_b,
    )
    changed = None
    if predictions is not None:
        changed = int((predictions[0] != predictions[1]).sum())
    both, only_a, only_b, neither = (int(cell.sum()) for cell in cells)
    return Agreement(both, only_a, only_b, neither, changed)


def top_k_accuracy(
    labels: npt.NDArray[np.integer[Any]], scores: npt.NDArray[Any], k: int
) -> float:
    """Share of samples whose label is among the k highest scores.

    Args:
        labels: [N], from 0.
        scores: [N, classes]; of equal ones the later class counts as higher, as
            scikit-learn has it.
        k: 1 to the number of classes.
    """
    classes = np.arange(scores.shape[1])
    if k >= len(classes):
        return 1.0
    return float(metrics.top_k_accuracy_score(labels, scores, k=k, labels=classes))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
