"""The arena search, on real networks and on one that crashes on its way."""

import pathlib

import numpy as np
import pytest

from tests.targets.tflm import misbehaving_worker_limits as limits
from tfpipeline import errors
from tfpipeline.targets.tflm import arena, interpreter, pool

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int8"


@pytest.mark.parametrize("name", ["plain_qat", "residual_ptq"])
def test_found_arena_runs_and_the_next_smaller_does_not(name):
    model = (GOLDEN / f"{name}.tflite").read_bytes()
    images = np.random.default_rng(2).integers(-128, 128, (4, 8, 8, 3), np.int8)
    report = arena.find_arena(model)

    assert report.is_smallest
    assert report.arena_bytes % 16 == 0
    assert report.recorded_total_bytes == (
        report.recorded_head_bytes + report.recorded_tail_bytes
    )
    np.testing.assert_array_equal(
        interpreter.predict(model, images, arena_bytes=report.arena_bytes),
        interpreter.predict(model, images),
    )
    with pytest.raises(errors.VerificationError):
        interpreter.predict(model, images, arena_bytes=report.arena_bytes - 16)


@pytest.mark.slow
def test_crashes_are_stepped_over(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.targets.tflm.misbehaving_worker")
    report = arena.find_arena((GOLDEN / "plain_qat.tflite").read_bytes())

    assert report.arena_bytes == limits.NEEDED_BYTES
    assert report.recorded_total_bytes == limits.RECORDED_BYTES
    assert report.is_smallest
    assert report.failure_below == "crashed with SIGSEGV"


def test_time_limit_ends_the_search(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.targets.tflm.misbehaving_worker")
    with pytest.raises(errors.VerificationError, match="no arena was found in time"):
        arena.find_arena(
            (GOLDEN / "plain_qat.tflite").read_bytes(), timeout_seconds=0.0
        )
