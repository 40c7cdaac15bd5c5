"""Child processes: order, crashes, time limits, and no TensorFlow in them."""

import os
import pathlib
import time

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, interpreter, pool

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int8"
MODEL = (GOLDEN / "concat_qat.tflite").read_bytes()
ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def misbehaving(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.targets.tflm.misbehaving_worker")


def test_replies_keep_the_order_of_the_jobs():
    images = np.random.default_rng(0).integers(-128, 128, (3, 8, 8, 3), np.int8)
    jobs = [
        pool.Job("tflm_predict", MODEL, {"images": image[None]}, {"arena_bytes": 9999})
        for image in images
    ]
    replies = pool.run(jobs, processes=2)
    together = interpreter.predict(MODEL, images, processes=1)

    outputs = np.concatenate([reply.arrays["outputs"] for reply in replies])
    np.testing.assert_array_equal(outputs, together)
    assert len(np.unique(outputs, axis=0)) == 3


def test_real_crash_of_the_interpreter_is_survived():
    # 200 bytes do not hold the interpreter's first structures: it ends by SIGSEGV.
    images = np.zeros((1, 8, 8, 3), np.int8)
    with pytest.raises(
        errors.VerificationError, match="arena of 200 bytes crashed with SIGSEGV"
    ):
        interpreter.predict(MODEL, images, arena_bytes=200)


def test_failure_carries_the_last_message():
    [reply] = pool.run([pool.Job("no such task", MODEL)])
    assert reply.failure == "failed with exit code 1: KeyError: 'no such task'"


def test_time_limit_ends_the_child(misbehaving):
    start = time.monotonic()
    replies = pool.run([pool.Job("sleep", MODEL)] * 3, timeout_seconds=1.0)

    assert time.monotonic() - start < 30
    assert all(reply.timed_out for reply in replies)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_full_temporary_folder_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(errors.StorageError, match=r"temporary folder .*absent"):
        pool.run([pool.Job("crash", MODEL)])


def test_works_in_a_folder_with_misleading_modules(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    images = np.zeros((1, 8, 8, 3), np.int8)
    assert interpreter.predict(MODEL, images).shape == (1, 10)


def test_generous_arena_is_a_multiple_of_the_alignment():
    assert interpreter.generous_arena_bytes(flatbuffer.read(MODEL)) % 16 == 0
