"""Weights of classes in the loss, for sets that have more of one than of another."""

from collections.abc import Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.tasks import kind as kinds


def balanced(targets: kinds.Array, class_names: Sequence[str]) -> tuple[float, ...]:
    """`N / (classes * examples of the class)`, by class.

    Those of scikit-learn's `compute_class_weight("balanced")`, after King and Zeng,
    "Logistic Regression in Rare Events Data" (2001). Their mean over the N examples is
    one, so the learning rate means what it did.

    Args:
        targets: [N] or [N, 1], class numbers, or answers that are 0 or 1.
        class_names: of class numbers; fewer than two for answers.

    Raises:
        DataError: a class has no example.
    """
    names = class_names if len(class_names) > 1 else ("0", "1")
    numbers = targets.reshape(len(targets)).astype(np.int64)
    counts = np.bincount(numbers, minlength=len(names))
    if not counts.all():
        raise errors.DataError(
            "--class_weights=balanced: the train split has no example of "
            f"{names[int(np.argmin(counts))]!r}; add some, or leave the flag out"
        )
    return tuple((len(numbers) / (len(names) * counts)).tolist())
