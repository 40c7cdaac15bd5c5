"""Which examples are train, validation and test, by seed and so that nothing leaks.

Examples of a group (a person, a recording) stay together. Classes are shared out
evenly, as far as groups let them.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors

Positions = npt.NDArray[np.int64]

# Draws of their own: numpy.random.default_rng([seed, DRAW]).
TEST, VALIDATION, LIMIT = 0x7E57, 0x5EED, 0x1141


def divide(
    targets: np.ndarray,
    groups: np.ndarray | None,
    fraction: float,
    generator: np.random.Generator,
) -> tuple[Positions, Positions]:
    """Divides examples into (those that stay, those taken away), each ascending.

    Args:
        targets: [N, ...]; of int32 [N] every class is divided by the fraction.
        groups: int [N], examples with the same number stay together; None: all alone.
        fraction: share that is taken away, in (0, 1).
        generator: of the draw.

    Raises:
        DataError: one part would be empty.
    """
    units = np.arange(len(targets)) if groups is None else groups
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    sizes = np.bincount(unit)
    kinds = _kinds(targets, unit, len(first))
    is_taken = np.zeros(len(first), np.bool_)
    for kind in np.unique(kinds):
        members = generator.permutation(np.flatnonzero(kinds == kind))
        is_taken[_share(members, sizes, fraction)] = True
    if is_taken.all() or not is_taken.any():
        # Of many classes with a member each: whatever the classes.
        members = generator.permutation(len(first))
        is_taken[:] = False
        is_taken[_share(members, sizes, fraction, least=1)] = True
    if is_taken.all() or not is_taken.any():
        what = "examples" if groups is None else "groups"
        alone = len(first) == 1
        raise errors.DataError(
            f"{what} cannot be divided, of which there {'is' if alone else 'are'} "
            f"{len(first)}: a share of {fraction:g} leaves one part empty; add some"
        )
    return np.flatnonzero(~is_taken[unit]), np.flatnonzero(is_taken[unit])


def first_of_each(
    targets: np.ndarray, count: int, generator: np.random.Generator
) -> Positions:
    """Positions of `count` examples, drawn with every class in its proportion.

    Args:
        targets: [N, ...].
        count: of examples; all where there are fewer.
        generator: of the draw.

    Returns:
        int64 [min(count, N)], ascending.
    """
    if count >= len(targets):
        return np.arange(len(targets))
    order = generator.permutation(len(targets))
    if targets.dtype == np.int32:
        # The k-th of n of a class comes at (k + 1/2) / n of the way.
        place = np.empty(len(order))
        for kind in np.unique(targets):
            members = np.flatnonzero(targets[order] == kind)
            place[members] = (np.arange(len(members)) + 0.5) / len(members)
        order = order[np.argsort(place, kind="stable")]
    return np.sort(order[:count])


def _kinds(targets: np.ndarray, unit: np.ndarray, count: int) -> np.ndarray:
    """The class that most examples of each unit have; 0 for targets of numbers."""
    if targets.dtype != np.int32:
        return np.zeros(count, np.int64)
    if count == len(targets):
        kinds = np.empty(count, np.int64)
        kinds[unit] = targets
        return kinds
    pairs, votes = np.unique(np.stack((unit, targets)), axis=1, return_counts=True)
    order = np.lexsort((votes, pairs[0]))
    last = np.flatnonzero(np.diff(pairs[0][order], append=-1))
    return pairs[1][order][last]


def _share(
    members: np.ndarray, sizes: np.ndarray, fraction: float, least: int = 0
) -> Positions:
    """The first members that together come nearest to the fraction of all; not all."""
    total = np.concatenate(([0], np.cumsum(sizes[members])))
    count = int(np.abs(total - fraction * total[-1]).argmin())
    return members[: max(least, min(count, len(members) - 1))]
