"""Checkpoints that PyTorch loads, written without PyTorch.

The file is a zip archive, stored, not deflated (torch/csrc/jit/serialization): a pickle
of protocol 2 in `archive/data.pkl`, in which each tensor is a call of
`torch._utils._rebuild_tensor_v2` on a storage, and one entry of raw little-endian
values a storage. The pickle holds tensors, strings and integers only, so that
`torch.load(weights_only=True)`, the default since 2.6, takes it.
"""

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

State = Mapping[str, npt.NDArray[np.float32]]

_ROOT = "archive"
# Without the time, the same network is the same file.
_TIME = (1980, 1, 1, 0, 0, 0)

# Opcodes of protocol 2: Python's Lib/pickle.py.
_PROTOCOL = b"\x80\x02"
_MARK = b"("
_STOP = b"."
_EMPTY_DICT = b"}"
_EMPTY_TUPLE = b")"
_TUPLE = b"t"
_REDUCE = b"R"
_SET_ITEMS = b"u"
_PERSISTENT = b"Q"
_FALSE = b"\x89"


def to_bytes(*, arch: str, state: State, epoch: int = 0) -> bytes:
    """The bytes of a checkpoint, `*.pth.tar` by the vendor's habit.

    Args:
        arch: name of the network; the vendor's tool compares it with its description.
        state: float32 arrays by name, in the order of the layers.
        epoch: the vendor's tool requires one.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"{_ROOT}/{name}", _TIME), data)

        add("data.pkl", _pickle(arch, state, epoch))
        add("byteorder", b"little")
        for key, values in enumerate(state.values()):
            add(f"data/{key}", np.ascontiguousarray(values, "<f4").tobytes())
        add("version", b"3\n")
    return stream.getvalue()


def _pickle(arch: str, state: State, epoch: int) -> bytes:
    tensors = b"".join(
        _text(name) + _tensor(key, values)
        for key, (name, values) in enumerate(state.items())
    )
    items = (
        (_text("epoch") + _integer(epoch))
        + (_text("arch") + _text(arch))
        + (_text("state_dict") + _ordered_dict() + _MARK + tensors + _SET_ITEMS)
    )
    return _PROTOCOL + _EMPTY_DICT + _MARK + items + _SET_ITEMS + _STOP


def _tensor(key: int, values: npt.NDArray[np.float32]) -> bytes:
    """`_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`."""
    storage = (
        _MARK
        + _text("storage")
        + _global("torch", "FloatStorage")
        + _text(str(key))
        + _text("cpu")
        + _integer(values.size)
        + _TUPLE
        + _PERSISTENT
    )
    strides = [
        int(np.prod(values.shape[axis + 1 :], dtype=np.int64))
        for axis in range(values.ndim)
    ]
    arguments = (
        storage
        + _integer(0)
        + _integers(values.shape)
        + _integers(strides)
        + _FALSE
        + _ordered_dict()
    )
    call = _global("torch._utils", "_rebuild_tensor_v2")
    return call + _MARK + arguments + _TUPLE + _REDUCE


def _ordered_dict() -> bytes:
    return _global("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(value: str) -> bytes:
    data = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _integers(values: list[int] | tuple[int, ...]) -> bytes:
    return _MARK + b"".join(map(_integer, values)) + _TUPLE
