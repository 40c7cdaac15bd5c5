"""What every form of one's own data is first: examples that are read when needed."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.data import request as requests
from tfpipeline.data import specs, splits
from tfpipeline.data.own import dividing, stored_inputs

TRAIN, VALIDATION, TEST = "train", "validation", "test"
# Names that folders and dictionaries may have for a part.
PART_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
# Classes that a message lists.
_LISTED = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Some examples, whose inputs are read when they are needed.

    Attributes:
        targets: int32 [N], float32 [N, ...], or masks uint8 [N, H, W].
        shape: of one input, as it is stored.
        dtype: of inputs, uint8 or float32.
        read: (positions int64 [M], ascending) -> their inputs in that order, in chunks
            [m, *shape] of any length.
        groups: int64 [N], examples of a group are never divided; None: each its own.
        where: names example i in an error, such as by its file.
        key: what changes whenever inputs do, such as names, sizes and times of files;
            empty for inputs that are in memory.
    """

    targets: np.ndarray
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[np.ndarray], Iterator[np.ndarray]]
    groups: np.ndarray | None = None
    where: Callable[[int], str] = "example {}".format
    key: str = ""

    def __len__(self) -> int:
        return len(self.targets)


def of_arrays(inputs: np.ndarray, targets: np.ndarray, **fields) -> Examples:
    """Examples of arrays in memory, uint8 or float32 [N, ...]."""

    def read(positions: np.ndarray) -> Iterator[np.ndarray]:
        for part in np.array_split(positions, max(1, len(positions) // _CHUNK)):
            yield inputs[part]

    return Examples(targets, inputs.shape[1:], inputs.dtype, read, **fields)


_CHUNK = 1024


def dataset(
    spec: specs.DatasetSpec,
    asked: requests.Request,
    parts: dict[str, Examples],
    class_names: Sequence[str] = (),
) -> splits.Dataset:
    """The three splits of a data set of one's own, read and checked.

    Args:
        spec: of the data set.
        asked: how it is to be read.
        parts: the parts that it has itself, with `train`; test and validation are
            taken from that where they are absent.
        class_names: one a class.

    Raises:
        DataError: there is nothing, a class without examples, a single class, labels
            out of range, numbers that are not finite, or parts that do not fit.
    """
    _require_parts(parts)
    names = tuple(class_names) or _numbered(parts)
    for name, part in parts.items():
        _require_targets(name, part, names)
    chosen = _divided(parts, asked)
    if asked.needs_every_class:
        _require_classes(parts[TRAIN], chosen[TRAIN][1], names)
    needed = [(parts[part], len(positions)) for part, positions in chosen.values()]
    # What is in memory already gains nothing.
    is_on_disk = all(part.key for part in parts.values()) and stored_inputs.is_larger(
        needed, asked.memory_bytes
    )
    store = stored_inputs.Store(asked, spec.where, spec.name, is_on_disk)
    read = {}
    for split in (TRAIN, VALIDATION, TEST):
        source, positions = chosen[split]
        read[split] = splits.Split(
            store.inputs(split, parts[source], positions),
            parts[source].targets[positions],
        )
    source = chosen[VALIDATION][0]
    return splits.Dataset(
        name=spec.name,
        class_names=names,
        train=read[TRAIN],
        validation=read[VALIDATION],
        test=read[TEST],
        train_indices=chosen[TRAIN][1],
        validation_indices=chosen[VALIDATION][1],
        description=(
            f"{spec.description}"
            + (f", {len(names)} classes" if read[TRAIN].has_classes else "")
            + (" (validation is the source's own)" if source != TRAIN else "")
        ),
    )


def _require_parts(parts: dict[str, Examples]) -> None:
    if TRAIN not in parts:
        raise errors.DataError(
            f"there is no part '{TRAIN}', only {errors.listed(list(parts))}"
        )
    first = parts[TRAIN]
    for name, part in parts.items():
        if not len(part):
            raise errors.DataError(f"the part '{name}' has no examples")
        for what, value, other in (
            ("inputs of shape", list(part.shape), list(first.shape)),
            ("inputs of type", part.dtype, first.dtype),
            ("targets of type", part.targets.dtype, first.targets.dtype),
            ("targets of shape", part.targets.shape[1:], first.targets.shape[1:]),
        ):
            if value != other:
                raise errors.DataError(
                    f"the part '{name}' has {what} {value}, '{TRAIN}' has {other}"
                )


def _numbered(parts: dict[str, Examples]) -> tuple[str, ...]:
    """Numbers for names of classes; nothing where targets are none."""
    targets = parts[TRAIN].targets
    if targets.dtype == np.uint8:
        # Of masks, whose 255 is no class.
        every = np.concatenate([np.unique(part.targets) for part in parts.values()])
        return tuple(map(str, range(int(every[every < 255].max(initial=0)) + 1)))
    if targets.dtype != np.int32:
        return ()
    largest = max(int(part.targets.max()) for part in parts.values())
    # A label that is no index would make names without end.
    if largest >= len(targets):
        raise errors.DataError(
            f"label {largest} is no index of a class among {len(targets)} examples: "
            "labels count from 0"
        )
    return tuple(map(str, range(largest + 1)))


def _require_targets(name: str, part: Examples, class_names: Sequence[str]) -> None:
    targets = part.targets
    if targets.dtype == np.int32:
        wrong = np.flatnonzero((targets < 0) | (targets >= len(class_names)))
        rule = f"labels are 0 to {len(class_names) - 1}"
    elif targets.dtype == np.uint8:
        is_class = (targets < len(class_names)) | (targets == 255)
        wrong = np.flatnonzero(~is_class.reshape(len(part), -1).all(1))
        if len(wrong):
            raise errors.DataError(
                f"{part.where(int(wrong[0]))} of '{name}' has a mask with class "
                f"{int(targets[wrong[0]][~is_class[wrong[0]]][0])}: classes are 0 to "
                f"{len(class_names) - 1}"
            )
        rule = ""
    else:
        wrong = np.flatnonzero(~np.isfinite(targets).reshape(len(part), -1).all(1))
        rule = "targets must be finite"
    if len(wrong):
        raise errors.DataError(
            f"{part.where(int(wrong[0]))} of '{name}' has the target "
            f"{targets[wrong[0]].tolist()}: {rule}"
        )


def _require_classes(
    train: Examples, positions: np.ndarray, class_names: Sequence[str]
) -> None:
    """Checks that training sees each class, and two of them at least."""
    if train.targets.dtype != np.int32:
        return
    counts = np.bincount(train.targets[positions], minlength=len(class_names))
    if len(class_names) < 2:
        raise errors.DataError(
            f"there is one class only, {errors.brief(class_names[0])}: a network that "
            "tells classes apart needs two"
        )
    absent = [class_names[int(i)] for i in np.flatnonzero(counts == 0)]
    if absent:
        raise errors.DataError(
            f"no train example of {errors.listed(absent, _LISTED)}: a class needs "
            "examples in each part; add some, or leave the class out"
        )


def _divided(
    parts: dict[str, Examples], asked: requests.Request
) -> dict[str, tuple[str, np.ndarray]]:
    """Split -> the part that it is of, and positions there, ascending."""
    train, test = parts[TRAIN], parts.get(TEST)
    left = np.arange(len(train))

    def taken(fraction: float, draw: int) -> np.ndarray:
        nonlocal left
        groups = None if train.groups is None else train.groups[left]
        generator = np.random.default_rng([asked.seed, draw])
        stay, away = dividing.divide(train.targets[left], groups, fraction, generator)
        away, left = left[away], left[stay]
        return away

    if test is None:
        tested = (TRAIN, taken(asked.reading.test_fraction, dividing.TEST))
    else:
        tested = (TEST, np.arange(len(test)))
    if asked.limit is not None:
        left = _limited(train, left, asked.limit, asked.seed)
        part, positions = tested
        positions = _limited(parts[part], positions, asked.limit // 5, asked.seed)
        tested = (part, positions)
    if VALIDATION in parts:
        validated = (VALIDATION, np.arange(len(parts[VALIDATION])))
    else:
        validated = (TRAIN, taken(asked.validation_fraction, dividing.VALIDATION))
    return {TRAIN: (TRAIN, left), VALIDATION: validated, TEST: tested}


def _limited(part: Examples, positions: np.ndarray, most: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng([seed, dividing.LIMIT])
    chosen = dividing.first_of_each(part.targets[positions], most, generator)
    return positions[chosen]
