"""Joined axes: what NumPy does on all axes, done on the joined ones."""

import itertools

import hypothesis
import numpy as np
from hypothesis import strategies

from export.c import axes

SIZES = strategies.integers(1, 3)
SHAPES = strategies.lists(SIZES, min_size=1, max_size=5)
SETTINGS = hypothesis.settings(deadline=None, max_examples=100)


@SETTINGS
@hypothesis.given(SHAPES, strategies.data())
def test_reduced(shape, data):
    chosen = data.draw(strategies.sets(strategies.sampled_from(range(len(shape)))))
    values = np.arange(np.prod(shape)).reshape(shape)
    sizes = axes.reduced(shape, sorted(chosen))
    assert len(sizes) % 2 == 1
    found = values.reshape(sizes).sum(axis=tuple(range(1, len(sizes), 2)))
    expected = values.sum(axis=tuple(chosen))
    np.testing.assert_array_equal(found.ravel(), expected.ravel())


@SETTINGS
@hypothesis.given(
    strategies.lists(strategies.tuples(SIZES, *[strategies.booleans()] * 2))
)
def test_broadcast(axes_drawn):
    shapes = [
        [1 if axis[number] else axis[0] for axis in axes_drawn[:6]] for number in (1, 2)
    ]
    joined = axes.broadcast(*shapes)
    operands = [np.arange(np.prod(shape, dtype=int)).reshape(shape) for shape in shapes]
    for number, expected in enumerate(np.broadcast_arrays(*operands), 1):
        found = [
            sum(i * axis[number] for i, axis in zip(index, joined, strict=True))
            for index in itertools.product(*(range(axis[0]) for axis in joined))
        ]
        np.testing.assert_array_equal(found, expected.ravel())


@SETTINGS
@hypothesis.given(SHAPES, strategies.integers(1, 2), strategies.integers(0, 2**32 - 1))
def test_gathered(shape, width, seed):
    random = np.random.default_rng(seed)
    tables = [
        [i * width * int(np.prod(shape[axis + 1 :])) for i in range(size)]
        if random.integers(2)
        else (5 * width * random.integers(0, 4, size)).tolist()
        for axis, size in enumerate(shape)
    ]
    joined, block = axes.gathered(tables, width)
    assert len(joined) <= len(tables)

    def places(tables, width):
        starts = (sum(place) for place in itertools.product(*tables))
        return [start + i for start in starts for i in range(width)]

    assert places(joined, block) == places(tables, width)


def test_gathered_blocks_are_as_long_as_can_be():
    rows = [[0], [0, 24, 48], [0, 4, 8, 12, 16, 20], [0, 1, 2, 3]]
    assert axes.gathered(rows, 1) == ([[0]], 72)
    rows[1] = [24, 0]
    assert axes.gathered(rows, 1) == ([[24, 0]], 24)


def test_broadcast_of_ranks():
    assert axes.broadcast((1, 4, 5, 6), (6,)) == [(20, 6, 0), (6, 1, 1)]
    assert axes.broadcast((1, 4, 5, 6), (1, 4, 5, 6)) == [(120, 1, 1)]
    assert axes.broadcast((1, 1), (1, 7)) == [(7, 0, 1)]


@SETTINGS
@hypothesis.given(
    strategies.lists(
        strategies.tuples(SIZES, *[strategies.integers(0, 1)] * 2),
        min_size=1,
        max_size=5,
    )
)
def test_padded(axes_drawn):
    shape = [size for size, _, _ in axes_drawn]
    padding = [(before, after) for _, before, after in axes_drawn]
    values = np.arange(1, np.prod(shape) + 1).reshape(shape)
    joined = axes.padded(shape, padding)
    pairs = [(before, total - size - before) for size, before, total in joined]
    found = np.pad(values.reshape([size for size, _, _ in joined]), pairs)
    np.testing.assert_array_equal(found.ravel(), np.pad(values, padding).ravel())
