"""Child processes: order, crashes, time limits, and no TensorFlow in them."""

import os
import pathlib
import subprocess
import sys
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
        pool.Job(
            "tflm_predict",
            MODEL,
            {"input0": image[None]},
            {"arena_bytes": 9999, "outputs": 1},
        )
        for image in images
    ]
    replies = pool.run(jobs, processes=2)
    together = interpreter.predict(MODEL, images, processes=1)

    outputs = np.concatenate([reply.arrays["output0"] for reply in replies])
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


@pytest.mark.slow
def test_time_limit_ends_the_child(misbehaving):
    start = time.monotonic()
    replies = pool.run([pool.Job("sleep", MODEL)] * 3, timeout_seconds=1.0)

    assert time.monotonic() - start < 30
    assert all(reply.timed_out for reply in replies)
    [server] = pool._idle
    assert _children(server.process_id) == []


def _children(process_id):
    folder = pathlib.Path(f"/proc/{process_id}/task/{process_id}")
    return (folder / "children").read_text().split()


def test_a_job_that_ends_late_is_not_the_next_callers(misbehaving):
    pool.run([pool.Job("sleep", MODEL)] * 2, timeout_seconds=0.5)
    [reply] = pool.run([pool.Job("crash", MODEL)])
    assert reply.failure == "crashed with SIGSEGV"


def test_jobs_go_when_we_are_killed(tmp_path):
    program = (
        "from tfpipeline.targets.tflm import pool\n"
        "pool.WORKER = 'tests.targets.tflm.misbehaving_worker'\n"
        "pool.run([pool.Job('sleep', b'')])\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        while not list(tmp_path.rglob("stderr.txt")):
            assert process.poll() is None
            time.sleep(0.02)
        [server] = map(int, _children(process.pid))
        [job] = map(int, _children(server))
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 30
    while any(pathlib.Path(f"/proc/{each}").exists() for each in (server, job)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_that_cannot_start_jobs_says_why(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.targets.tflm.absent")
    with pytest.raises(errors.VerificationError, match=r"No module named .*absent"):
        pool.run([pool.Job("sleep", MODEL)])


def test_what_a_job_prints_is_no_answer(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.targets.tflm.talking_worker")
    [reply] = pool.run([pool.Job("talk", MODEL)])
    assert (reply.failure, reply.stderr) == (None, "to stderr\n")


def test_full_temporary_folder_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(errors.StorageError, match=r"temporary folder .*absent"):
        pool.run([pool.Job("crash", MODEL)])


def test_no_temporary_folder_at_all_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/absent"])
    with pytest.raises(errors.StorageError, match=r"folder: No usable .*set TMPDIR"):
        pool.run([pool.Job("crash", MODEL)])


def test_works_in_a_folder_with_misleading_modules(tmp_path, monkeypatch):
    pool.close_idle()  # another one starts, in that folder
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    images = np.zeros((1, 8, 8, 3), np.int8)
    assert interpreter.predict(MODEL, images).shape == (1, 10)


def test_generous_arena_is_a_multiple_of_the_alignment():
    assert interpreter.generous_arena_bytes(flatbuffer.read(MODEL)) % 16 == 0
