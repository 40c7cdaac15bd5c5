"""Batches of P people with K photographs each, as losses over pairs need them."""

import numpy as np

from tfpipeline import errors


def epoch_order(
    labels: np.ndarray,
    *,
    people: int,
    images: int,
    groups_per_person: int,
    seed: int,
    epoch: int,
) -> np.ndarray:
    """The batches of one epoch, a function of (labels, seed, epoch) alone.

    Each person's photographs are shuffled and cut into groups of `images`; what is
    lacking in the last group is drawn from the person's other photographs, or, of
    people with fewer than `images`, taken again. Groups then fill batches in random
    order, no person twice in a batch. Groups that are left when fewer than `people`
    different people remain have no batch in this epoch.

    Args:
        labels: int [N], number of the person on each photograph.
        people: people a batch, at least 2.
        images: photographs of each, at least 2.
        groups_per_person: of one person an epoch, at most; keeps people with hundreds
            of photographs from filling it.
        seed: of the run and stage.
        epoch: counted from 0.

    Returns:
        int64 [batches, people * images], positions in `labels`; photographs of a person
        stand side by side.

    Raises:
        DataError: the photographs show fewer than `people` people.
    """
    generator = np.random.default_rng([seed, epoch, 0x1D])
    owners, groups = [], []
    by_person = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[by_person], prepend=labels.min() - 1))
    for own in np.split(by_person, starts[1:]):
        cut = _groups(generator.permutation(own), images, generator)
        cut = cut[:groups_per_person]
        groups.extend(cut)
        owners.extend([int(labels[own[0]])] * len(cut))
    if len(starts) < people:
        raise errors.DataError(
            f"a batch needs {people} people; the training photographs show "
            f"{len(starts)}. Choose fewer --people_per_batch"
        )
    order = generator.permutation(len(groups))
    batches = _batches([owners[index] for index in order], people)
    rows = [[groups[order[place]] for place in batch] for batch in batches]
    return np.array(rows, np.int64).reshape(len(rows), people * images)


def _groups(
    own: np.ndarray, images: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """`own` in groups of `images`, the last filled up."""
    count = len(own)
    lacking = -count % images
    if lacking:
        # Those in front of the last group; of few photographs, all of them again.
        others = own[: count - count % images]
        if len(others) >= lacking:
            extra = generator.choice(others, lacking, replace=False)
        else:
            extra = np.resize(own, count + lacking)[count:]
        own = np.concatenate([own, extra])
    return list(own.reshape(-1, images))


def _batches(owners: list[int], people: int) -> list[list[int]]:
    """Places of the groups of each batch: the earliest that are of different people."""
    batches: list[list[int]] = []
    waiting = list(range(len(owners)))
    while waiting:
        batch: list[int] = []
        inside: set[int] = set()
        passed: list[int] = []
        for index, place in enumerate(waiting):
            if owners[place] in inside:
                passed.append(place)
                continue
            batch.append(place)
            inside.add(owners[place])
            if len(batch) == people:
                passed.extend(waiting[index + 1 :])
                break
        if len(batch) < people:
            break
        batches.append(batch)
        waiting = passed
    return batches
