"""Training over several devices and several processes of this machine."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_FLAGS = (
    "--dataset=procedural_objects",
    "--train_limit=400",
    "--model=cmsisnet",
    "--width=0.25",
    "--epochs=2",
    "--qat_epochs=1",
    "--batch_size=40",
    "--calibration_images=32",
    "--verification_images=256",
    "--consistency_tolerance=5",
    "--horizontal_flip",
)
_TWO_DEVICES = """
import sys
from tfpipeline.compat import tf
[cpu] = tf.config.list_physical_devices("CPU")
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])
from tfpipeline import entry, train
entry.run(train.main, "train", ["train", *sys.argv[1:]])
"""


def _check(folder: pathlib.Path) -> None:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [(r["stage"], r["epoch"]) for r in records] == [
        ("float", 1),
        ("float", 2),
        ("qat", 1),
    ]
    verification = folder / "export" / "int8" / "verification.json"
    assert json.loads(verification.read_text())["same_images"]["tflite_micro"] > 0


@pytest.mark.slow
def test_mirrored_over_two_devices(tmp_path):
    command = (sys.executable, "-c", _TWO_DEVICES, *_FLAGS, "--strategy=mirrored")
    done = subprocess.run(
        (*command, f"--workdir={tmp_path}"),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    _check(tmp_path)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.mark.slow
def test_two_workers_write_one_run(tmp_path):
    workers = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    processes = []
    for index in range(2):
        config = {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
        processes.append(
            subprocess.Popen(
                (
                    *(sys.executable, "-m", "tfpipeline.train", *_FLAGS),
                    *("--strategy=multi_worker", f"--workdir={tmp_path}"),
                ),
                cwd=_ROOT,
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs
    _check(tmp_path)
