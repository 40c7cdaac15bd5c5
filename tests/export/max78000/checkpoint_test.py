"""The checkpoint's bytes, read back by Python's own unpickler; by PyTorch if asked."""

import collections
import io
import os
import pickle
import subprocess
import zipfile

import numpy as np
import pytest

from export.max78000 import checkpoint

STATE = {
    "conv1.op.weight": np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv1.op.bias": np.array([1, -128], np.float32),
    "conv1.output_shift": np.array([-3], np.float32),
}


class _Reader(pickle.Unpickler):
    """Allows what PyTorch's own restricted unpickler allows."""

    def __init__(self, archive):
        super().__init__(io.BytesIO(archive.read("archive/data.pkl")))
        self.archive = archive

    def find_class(self, module, name):
        return {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch", "FloatStorage"): "<f4",
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
        }[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, place, count = pid
        assert (kind, place) == ("storage", "cpu")
        values = np.frombuffer(self.archive.read(f"archive/data/{key}"), dtype)
        assert values.size == count
        return values

    @staticmethod
    def _tensor(storage, offset, size, stride, requires_grad, hooks):
        assert (offset, requires_grad, dict(hooks)) == (0, False, {})
        bytes_ = tuple(4 * step for step in stride)
        return np.lib.stride_tricks.as_strided(storage, size, bytes_)


def _read(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {0}
        return _Reader(archive).load()


def test_round_trip():
    found = _read(checkpoint.to_bytes(arch="net", state=STATE, epoch=7))
    assert (found["arch"], found["epoch"]) == ("net", 7)
    assert list(found["state_dict"]) == list(STATE)
    for name, values in STATE.items():
        np.testing.assert_array_equal(found["state_dict"][name], values)


def test_same_network_same_file():
    first, second = (checkpoint.to_bytes(arch="net", state=STATE) for _ in range(2))
    assert first == second


def test_arrays_that_are_not_contiguous():
    turned = {"a.weight": STATE["conv1.op.weight"].transpose(3, 2, 1, 0)}
    found = _read(checkpoint.to_bytes(arch="net", state=turned))
    np.testing.assert_array_equal(found["state_dict"]["a.weight"], turned["a.weight"])


@pytest.mark.vendor
def test_pytorch_loads_it(tmp_path):
    python = os.environ.get("AI8X_PYTHON")
    if not python:
        pytest.skip("AI8X_PYTHON does not name a Python that has PyTorch")
    path = tmp_path / "net.pth.tar"
    path.write_bytes(checkpoint.to_bytes(arch="net", state=STATE))
    code = (
        "import sys, torch\n"
        "found = torch.load(sys.argv[1], weights_only=True)['state_dict']\n"
        "print([(k, v.shape, v.flatten().tolist()) for k, v in found.items()])"
    )
    done = subprocess.run(
        (python, "-c", code, str(path)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = [
        (name, f"torch.Size({list(v.shape)})", v.flatten().tolist())
        for name, v in STATE.items()
    ]
    shown = ", ".join(f"({n!r}, {shape}, {v})" for n, shape, v in expected)
    assert done.stdout.strip() == f"[{shown}]"
