"""Training over several devices and several processes of this machine."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Driver -> flags of a small run of it.
_FLAGS = {
    "train": (
        "--dataset=procedural_objects",
        "--train_limit=400",
        "--model=cmsisnet",
        "--width=0.25",
        "--dropout=0.1",
        "--epochs=2",
        "--qat_epochs=1",
        "--batch_size=40",
        "--calibration_images=32",
        "--verification_images=256",
        "--consistency_tolerance=5",
        "--horizontal_flip",
        "--ema_decay=0.9",
        "--clip_norm=5",
    ),
    "train_descriptor": (
        "--dataset=procedural_faces",
        "--photographs=4",
        "--image_side=32",
        "--width=0.1",
        "--test_folds=0,1",
        "--validation_folds=4",
        "--people_per_batch=6",
        "--images_per_person=4",
        "--epochs=2",
        "--early_stopping_patience=2",
        "--qat_epochs=1",
        "--calibration_images=16",
        "--horizontal_flip",
    ),
}
_QUANTIZED = "--evaluate=gap8_8_qat"
# Seconds that a process may take where others keep the cores busy.
_TIMEOUT = 900
_TWO_DEVICES = """
import sys
from tfpipeline.compat import tf
[cpu] = tf.config.list_physical_devices("CPU")
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])
"""
_DRIVER = """
import runpy
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
_SHARED_BATCHES = """
import numpy as np
from tests.training.tasks import embedding_test
from tfpipeline.data import parts
from tfpipeline.training import strategies
from tfpipeline.training.tasks import embedding
config = embedding_test._config(people=4)
task = embedding.task(
    embedding_test._stage(),
    config,
    embedding_test._split(),
    embedding_test._network(),
    replicas=2,
)
strategy = strategies.create("mirrored")
assert strategy.num_replicas_in_sync == 2
batches = task.epoch(0).batches
whole, shared = batches(parts.WHOLE), strategies.shared(strategy, batches)
for (_, labels), (_, parts) in zip(whole, shared):
    parts = [part.numpy() for part in strategy.experimental_local_results(parts)]
    np.testing.assert_array_equal(labels, np.concatenate(parts))
    for part in parts:
        people, counts = np.unique(part, return_counts=True)
        assert counts.tolist() == [config.images] * 2, (people, counts)
print("shared", task.epoch(0).steps, "batches")
"""


# One epoch in float32, at a rate at which last digits stay last digits: they decide
# near ties of max pools and ReLUs, and fast steps multiply what follows from these.
# Adam would divide gradients by themselves, the least ones too.
_AGREEING = (
    *("--dataset=procedural_objects", "--train_limit=300", "--batch_size=40"),
    *("--model=cmsisnet", "--width=0.25", "--dropout=0", "--horizontal_flip"),
    *("--gaussian_noise=0.1", "--optimizer=sgd", "--learning_rate=0.0003"),
    *("--epochs=1", "--qat_epochs=1", "--precision=float32", "--export=float32"),
)
_ONE_STEP = """
import pathlib, tempfile
import numpy as np
from tfpipeline.configs import recipe
from tfpipeline.data import splits
from tfpipeline.models import registry
from tfpipeline.training import loop, progress, stages, strategies
from tfpipeline.training.tasks import supervised
draw = np.random.default_rng(0)
images = draw.integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
split = splits.Split(images, draw.integers(0, 10, 40).astype(np.int32))
dataset = splits.Dataset(
    "drawn", tuple("abcdefghij"), split, split, split, np.arange(40), np.arange(0)
)
rate = recipe.Optimizer(name="sgd", learning_rate=0.05)
found = []
for name, replicas in (("default", 1), ("mirrored", 2)):
    stages.set_up_tensorflow(0)
    strategy = strategies.create(name)
    assert strategy.num_replicas_in_sync == replicas
    with strategy.scope():
        model = registry.build(
            "cmsisnet", input_shape=(32, 32, 3), num_classes=10, batch_norm=True,
            dropout=0.0, width=0.25,
        )
    model = strategies.as_one(strategy, model)
    before = model.get_weights()
    stage = loop.StageConfig("float", 1, rate, 0, 0)
    config = supervised.Config(40, recipe.Augmentation(horizontal_flip=True))
    loop.train(
        stage, model, supervised.task(stage, config, dataset, model),
        strategy=strategy, folder=pathlib.Path(tempfile.mkdtemp()),
        reporter=progress.Progress(None, "float", 1),
    )
    found.append(model.get_weights())
for start, one, two in zip(before, *found, strict=True):
    assert np.abs(one - start).max() > 1e-4
    # A few units in the last place of weights and sums up to 2.
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6)
print("same", len(before))
"""


def _require_stages(folder: pathlib.Path, *quantized: str) -> dict[str, Any]:
    """The results of a run that trained these stages behind the float one."""
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [(r["stage"], r["epoch"]) for r in records] == [
        *[("float", 1), ("float", 2)],
        *((stage, 1) for stage in quantized),
    ]
    results: dict[str, Any] = json.loads(
        (folder / "results.json").read_text(encoding="utf-8")
    )
    return results


def _run_mirrored(driver: str, folder: pathlib.Path, *more: str) -> None:
    done = subprocess.run(
        (
            *(sys.executable, "-c", _TWO_DEVICES + _DRIVER, f"tfpipeline.{driver}"),
            *(*_FLAGS[driver], "--strategy=mirrored", f"--workdir={folder}", *more),
        ),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_classifier_over_two_devices(tmp_path):
    _run_mirrored("train", tmp_path)
    results = _require_stages(tmp_path, "qat")
    assert results["exports"]["int8"]["same_images"]["tflite_micro"] > 0


@pytest.mark.slow
def test_a_descriptor_over_two_devices(tmp_path):
    _run_mirrored("train_descriptor", tmp_path, _QUANTIZED)
    results = _require_stages(tmp_path, "gap8_8_qat")
    assert list(results["verification"]) == ["gap8_8_qat"]


@pytest.mark.slow
def test_two_devices_have_all_photographs_of_their_people():
    done = subprocess.run(
        (sys.executable, "-c", _TWO_DEVICES + _SHARED_BATCHES),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shared")


@pytest.mark.slow
def test_a_step_of_two_devices_is_that_of_one():
    done = subprocess.run(
        (sys.executable, "-c", _TWO_DEVICES + _ONE_STEP),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("same 32")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextlib.contextmanager
def _two_workers(
    driver: str, folder: pathlib.Path, flags: Sequence[str] = ()
) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of one run, killed at the end if they still run."""
    workers = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    command = (
        *(sys.executable, "-m", f"tfpipeline.{driver}", *(flags or _FLAGS[driver])),
        *("--strategy=multi_worker", f"--workdir={folder}"),
    )
    processes = []
    for index in range(2):
        cluster = {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
        processes.append(
            subprocess.Popen(
                command,
                cwd=_ROOT,
                env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _run_two_workers(
    driver: str, folder: pathlib.Path, flags: Sequence[str] = ()
) -> None:
    with _two_workers(driver, folder, flags) as processes:
        outputs = [process.communicate(timeout=_TIMEOUT)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], outputs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "quantized"), [("train", ("qat",)), ("train_descriptor", ())]
)
def test_two_workers_write_one_run_and_resume_to_the_same_weights(
    driver, quantized, tmp_path
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    _run_two_workers(driver, whole)
    _require_stages(whole, *quantized)

    with _two_workers(driver, cut) as processes:
        deadline = time.monotonic() + _TIMEOUT
        while not (cut / "checkpoints/float/epoch-00001.npz").exists():
            assert all(process.poll() is None for process in processes)
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert not (cut / "float" / "history.json").exists()
    _run_two_workers(driver, cut)
    _require_stages(cut, *quantized)
    for stage in ("float", *quantized):
        left, right = (np.load(f / stage / "weights.npz") for f in (whole, cut))
        with left, right:
            assert left.files == right.files
            for name in left.files:
                np.testing.assert_array_equal(left[name], right[name])


@pytest.mark.slow
def test_two_workers_agree_with_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    done = subprocess.run(
        (sys.executable, "-m", "tfpipeline.train", *_AGREEING, f"--workdir={one}"),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    _run_two_workers("train", two, _AGREEING)
    left, right = (np.load(f / "float" / "weights.npz") for f in (one, two))
    with left, right:
        assert left.files == right.files
        moved = 0.0
        for name in left.files:
            # The same products, added up in another order; see docs/clusters.md.
            np.testing.assert_allclose(left[name], right[name], rtol=1e-4, atol=1e-4)
            moved = max(moved, float(np.abs(left[name]).max()))
        assert moved > 0.1


@pytest.mark.slow
def test_a_worker_that_is_left_alone_ends_and_all_go_on(tmp_path):
    flags = (*_AGREEING, "--epochs=2")
    with _two_workers("train", tmp_path, flags) as (chief, other):
        deadline = time.monotonic() + _TIMEOUT
        while not (tmp_path / "checkpoints/float/epoch-00001.npz").exists():
            assert chief.poll() is None
            assert other.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        other.kill()
        said, _ = chief.communicate(timeout=_TIMEOUT)
        assert chief.returncode == 2, said
        assert "another worker is gone" in said.splitlines()[-1]
    # As its cluster does.
    _run_two_workers("train", tmp_path, flags)
    _require_stages(tmp_path, "qat")
