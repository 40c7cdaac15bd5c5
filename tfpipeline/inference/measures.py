"""How good outputs are, by what the targets are; scikit-learn's definitions."""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors


def of(
    outputs: npt.NDArray[np.floating], targets: npt.NDArray[np.generic]
) -> dict[str, float]:
    """Measures by name, the most important one first.

    Args:
        outputs: `[N, ...]`, real.
        targets: int32 `[N]`, classes, or float32 `[N, ...]`, numbers.

    Raises:
        UsageError: outputs that are not for such targets.
    """
    # A second of imports.
    from sklearn import metrics

    rows = outputs.reshape(len(outputs), -1)
    if targets.dtype.kind == "i":
        classes = _classes(rows, int(targets.max()))
        return {
            "accuracy": float(metrics.accuracy_score(targets, classes)),
            "balanced_accuracy": float(np.mean(_recalls(targets, classes))),
        }
    expected = targets.reshape(len(targets), -1)
    if rows.shape != expected.shape:
        raise errors.UsageError(
            f"the network gives {rows.shape[1]} numbers; the data have "
            f"{expected.shape[1]}"
        )
    return {
        "mean_absolute_error": float(metrics.mean_absolute_error(expected, rows)),
        "r2": float(metrics.r2_score(expected, rows)),
    }


def _classes(rows: npt.NDArray[np.floating], largest: int) -> npt.NDArray[np.integer]:
    """The class of each row: the first largest; of one value, whether it is above.

    One value is a probability where all lie in [0, 1], else its logarithm's odds.
    """
    if rows.shape[1] == 1 and largest <= 1:
        is_probability = rows.min() >= 0 and rows.max() <= 1
        return (rows[:, 0] > (0.5 if is_probability else 0.0)).astype(np.int64)
    if rows.shape[1] <= largest:
        raise errors.UsageError(
            f"the network has {rows.shape[1]} outputs; the data have a class {largest}"
        )
    classes: npt.NDArray[np.integer] = rows.argmax(axis=1)
    return classes


def _recalls(
    targets: npt.NDArray[np.generic], classes: npt.NDArray[np.integer]
) -> list[float]:
    return [
        float(np.mean(classes[targets == each] == each)) for each in np.unique(targets)
    ]
