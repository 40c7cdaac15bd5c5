"""Labels as they are stored, as targets."""

from collections.abc import Sequence

import numpy as np

from tfpipeline import errors

AUTO, CLASSES, NUMBERS = "auto", "classes", "numbers"


def targets(
    values: np.ndarray, kind: str, what: str, names: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets, and the names of classes.

    Args:
        values: numbers or texts [N] or [N, K]; [N, 1] counts as [N]. Whole numbers
            [N, H, W] are masks.
        kind: AUTO, CLASSES or NUMBERS; AUTO: classes for texts and whole numbers in one
            column, numbers otherwise. CLASSES takes one-hot rows too.
        what: names the labels in an error.
        names: of classes, where they are known; values are indices then.

    Returns:
        int32 [N] and the names (none for whole numbers that are indices already), or
        float32 [N, K] and `names`; or uint8 [N, H, W] and `names`.

    Raises:
        DataError: texts that should be numbers, or numbers that should be classes.
    """
    if values.ndim == 3 and values.dtype.kind in "biu" and kind == AUTO:
        return _masks(values, what), tuple(names)
    if values.ndim > 1 and values.shape[1:] == (1,):
        values = values[:, 0]
    is_text = values.dtype.kind not in "biuf"
    is_whole = not is_text and (
        values.dtype.kind in "biu"
        or (kind == CLASSES and bool(np.all(values == np.rint(values))))
    )
    if kind == NUMBERS or (kind == AUTO and not is_text and not is_whole):
        return _numbers(values, what), tuple(names)
    if kind == AUTO and values.ndim > 1:
        return _numbers(values, what), tuple(names)
    if are_one_hot(values):
        count = values.shape[1]
        known = tuple(names) or tuple(map(str, range(count)))
        return values.argmax(axis=1).astype(np.int32), known
    if values.ndim > 1:
        raise errors.DataError(
            f"{what} has {values.shape[1]} numbers an example; classes have one, or "
            "one-hot rows"
        )
    if is_text:
        texts = values.astype(str)
        found, classes = np.unique(texts, return_inverse=True)
        return classes.astype(np.int32), tuple(map(str, found))
    if not is_whole:
        raise errors.DataError(f"{what} has fractions, which are no classes")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > np.iinfo(np.int32).max:
        raise errors.DataError(
            f"{what} has the label {low if low < 0 else high}: labels count from 0"
        )
    return values.astype(np.int32), tuple(names)


def are_one_hot(values: np.ndarray) -> bool:
    """Whether targets [N, K] are class numbers as Keras' `to_categorical` writes them:
    in each row a single 1, zeros else.
    """
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "biuf":
        return False
    ones = values == 1
    return bool(np.all(ones | (values == 0)) and np.all(ones.sum(axis=1) == 1))


def _masks(values: np.ndarray, what: str) -> np.ndarray:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > np.iinfo(np.uint8).max:
        raise errors.DataError(
            f"{what} has the class {low if low < 0 else high} in a mask: classes of "
            "pixels are 0 to 254, and 255 is not labeled"
        )
    return values.astype(np.uint8)


def _numbers(values: np.ndarray, what: str) -> np.ndarray:
    try:
        numbers = values.astype(np.float32)
    except ValueError as error:
        raise errors.DataError(
            f"{what} is text, which is no number: {error}"
        ) from error
    return numbers[:, None] if numbers.ndim == 1 else numbers
