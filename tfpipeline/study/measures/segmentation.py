"""How well pictures of classes agree, pixel by pixel."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """Result over all pixels together.

    Attributes:
        pixel_accuracy: share of pixels of the right class.
        ious: float64 [classes], intersection over union; NaN of a class that neither
            the labels nor the predictions have.
    """

    pixel_accuracy: float
    ious: npt.NDArray[np.float64]

    @property
    def mean_iou(self) -> float:
        """Over the classes that occur."""
        return float(np.nanmean(self.ious))


def confusions(
    labels: npt.NDArray[np.integer[Any]],
    predictions: npt.NDArray[np.integer[Any]],
    classes: int,
    ignored: int | None = None,
) -> npt.NDArray[np.int64]:
    """How often each class was taken for each, picture by picture.

    Args:
        labels, predictions: [N, pixels], 0 to classes - 1.
        classes: how many there are.
        ignored: a label whose pixels do not count; None for none.

    Returns:
        int64 [N, classes, classes], of the label's row and the prediction's column.
    """
    numbers = np.arange(classes)
    # A label that is no class counts nowhere, but scikit-learn refuses rows of none.
    return np.stack(
        [
            metrics.confusion_matrix(row, predicted, labels=numbers)
            if np.isin(row, numbers).any()
            else np.zeros((classes, classes), np.int64)
            for row, predicted in (
                (row[row != ignored], predicted[row != ignored])
                for row, predicted in zip(labels, predictions, strict=True)
            )
        ]
    )


def mean_iou(confusion: npt.NDArray[Any]) -> float:
    """Over the classes that occur, of a confusion [classes, classes]."""
    both = np.diagonal(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    occurring = either > 0
    if not occurring.any():
        return float("nan")
    return float((both[occurring] / either[occurring]).mean())


def measure(
    labels: npt.NDArray[np.integer[Any]],
    predictions: npt.NDArray[np.integer[Any]],
    classes: int,
    ignored: int | None = None,
) -> Segmentation:
    """Compares predictions with labels, both of any equal shape.

    Args:
        labels, predictions: 0 to classes - 1.
        classes: how many there are.
        ignored: a label whose pixels do not count; None for none.
    """
    labels, predictions = labels.reshape(-1), predictions.reshape(-1)
    if ignored is not None:
        counted = labels != ignored
        labels, predictions = labels[counted], predictions[counted]
    numbers = np.arange(classes)
    occurring = np.isin(numbers, labels) | np.isin(numbers, predictions)
    ious = np.full(classes, np.nan)
    ious[occurring] = metrics.jaccard_score(
        labels, predictions, labels=numbers[occurring], average=None
    )
    return Segmentation(float(metrics.accuracy_score(labels, predictions)), ious)
