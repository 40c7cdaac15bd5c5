"""Damaged `.tflite` files: one clear error or a well-formed graph, never anything else.

Warnings are errors in these tests, so an overflow in NumPy would fail them too.
"""

import pathlib
import time

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.ir import from_tflite, verify

ROOT = pathlib.Path(__file__).parents[2]
PATHS = [
    *sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite")),
    ROOT / "experiments/cifar10/cmsisnet/model.tflite",
]
MODELS = [path.read_bytes() for path in PATHS]
# Reading any of them takes 0.1 s at most; a hang is what takes much longer.
MAX_SECONDS = 10.0


def is_refused(model: bytes) -> bool:
    start = time.perf_counter()
    try:
        g = from_tflite.read(model)
    except errors.GraphError as error:
        refused = True
        assert "\n" not in str(error)
        assert len(str(error)) > 20
    else:
        refused = False
        assert verify.violations(g) == ()
    assert time.perf_counter() - start < MAX_SECONDS
    return refused


def mutated(model: bytes, random: np.random.Generator) -> bytes:
    """A few bytes changed; small files are all structure, large ones at their end."""
    damaged = bytearray(model)
    kind = random.integers(4)
    if kind == 0:
        return model[: random.integers(len(model))]
    for _ in range(random.integers(1, 9)):
        # The converter writes weights first and the structure after them.
        low = random.choice([0, max(0, len(model) - 6000)])
        position = random.integers(low, len(model))
        if kind == 1:
            damaged[position] ^= 1 << random.integers(8)
        elif kind == 2:
            damaged[position] = random.choice([0, 1, 0x7F, 0x80, 0xFF])
        else:
            position = min(position & ~3, len(model) - 4)
            value = int(random.choice([0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000]))
            damaged[position : position + 4] = value.to_bytes(4, "little")
    return bytes(damaged)


def refused_of(count: int, seed: int) -> int:
    random = np.random.default_rng(seed)
    return sum(
        is_refused(mutated(MODELS[i % len(MODELS)], random)) for i in range(count)
    )


def test_300_mutations():
    refused = refused_of(300, seed=0)
    # Damage in weights leaves a good graph; damage in the structure does not.
    assert 100 < refused < 300


@pytest.mark.slow
def test_10000_mutations():
    refused = refused_of(10_000, seed=1)
    assert 3000 < refused < 10_000


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(
    model=strategies.sampled_from(MODELS[:-1]),
    edits=strategies.lists(
        strategies.tuples(strategies.floats(0, 1), strategies.binary(min_size=1)),
        min_size=1,
        max_size=4,
    ),
)
def test_any_bytes_anywhere(model, edits):
    damaged = bytearray(model)
    for where, content in edits:
        position = int(where * len(model))
        damaged[position : position + len(content)] = content
    is_refused(bytes(damaged))


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(strategies.binary(max_size=200))
def test_any_bytes_behind_the_identifier(content):
    assert is_refused(b"\x1c\x00\x00\x00TFL3" + content)


def test_every_truncation_is_refused():
    model = MODELS[0]
    # Trailing padding may go; whatever reaches the last table may not.
    for size in range(0, len(model) - 64, 7):
        assert is_refused(model[:size])
