"""Checkpoints: whole or absent, the newest readable one wins."""

import json
import logging
import os
import zipfile

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.training import checkpoints


def _checkpoint(epoch: int) -> checkpoints.Checkpoint:
    generator = np.random.default_rng(epoch)
    arrays = [generator.normal(size=(3, 4)).astype(np.float32), np.float32(epoch)]
    return checkpoints.Checkpoint(
        epoch=epoch,
        weights=arrays,
        optimizer=[np.int64(7 * epoch), *arrays],
        best_weights=arrays[::-1],
        history=({"epoch": epoch, "val_loss": 0.5},),
    )


def _assert_equal(found, expected):
    assert (found.epoch, found.history) == (expected.epoch, expected.history)
    for group in ("weights", "optimizer", "best_weights"):
        pairs = zip(getattr(found, group), getattr(expected, group), strict=True)
        for left, right in pairs:
            assert left.dtype == np.asarray(right).dtype
            np.testing.assert_array_equal(left, right)


def test_round_trip(tmp_path):
    checkpoints.save(tmp_path, _checkpoint(3))
    _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(3))


def test_keeps_the_newest_two_and_leaves_no_temporary_file(tmp_path):
    for epoch in (1, 2, 3, 10):
        checkpoints.save(tmp_path, _checkpoint(epoch))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-00003.npz",
        "epoch-00010.npz",
    ]
    assert checkpoints.load_newest(tmp_path).epoch == 10


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_newest_falls_back_with_a_warning(tmp_path, caplog, keep):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    newest.write_bytes(newest.read_bytes()[:keep])
    with caplog.at_level(logging.WARNING, logger="tfpipeline"):
        _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))
    assert "epoch-00002.npz" in caplog.text and "falling back" in caplog.text


def test_flipped_byte_in_an_array_is_noticed(tmp_path):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    data = bytearray(newest.read_bytes())
    position = data.index(np.float32(_checkpoint(2).weights[0][1, 1]).tobytes())
    data[position] ^= 1
    newest.write_bytes(bytes(data))
    assert checkpoints.load_newest(tmp_path).epoch == 1


def _edited(path, edit):
    """A sound file whose content is another."""
    with np.load(path) as archive:
        arrays = dict(archive)
    head = json.loads(arrays["head"].tobytes())
    head = edit(arrays, head) or head
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(path, **arrays)


_EDITS = {
    "epoch as text": lambda arrays, head: head.update(epoch="x"),
    "epoch of another file": lambda arrays, head: head.update(epoch=7),
    "negative epoch": lambda arrays, head: head.update(epoch=-1),
    "real epoch": lambda arrays, head: head.update(epoch=2.0),
    "no dictionary": lambda arrays, head: [1],
    "a text": lambda arrays, head: "head",
    "nothing": lambda arrays, head: {"a": 1},
    "no history": lambda arrays, head: head.update(history=[]),
    "history of numbers": lambda arrays, head: head.update(history=[1, 2]),
    "history of another epoch": lambda arrays, head: head.update(
        history=[{"epoch": 1}]
    ),
    "another figure": lambda arrays, head: head["history"][0].update(val_loss=0.1),
    "another array": lambda arrays, head: arrays.update({"foo": np.zeros(1)}),
    "an array less": lambda arrays, head: arrays.pop("weights/00001") and None,
    "another shape": lambda arrays, head: arrays.update(
        {"weights/00000": np.zeros(3, np.float32)}
    ),
    "objects": lambda arrays, head: arrays.update(
        {"weights/00000": np.array([{}], object)}
    ),
    "texts": lambda arrays, head: arrays.update({"optimizer/00000": np.array(["x"])}),
    "another type": lambda arrays, head: arrays.update(
        {"best_weights/00000": arrays["best_weights/00000"].astype(np.float64)}
    ),
    "a number too large": lambda arrays, head: head.update(epoch=10**400),
    "another value": lambda arrays, head: arrays["best_weights/00001"].fill(0),
}


@pytest.mark.parametrize("name", _EDITS)
def test_what_was_changed_falls_back(name, tmp_path, caplog):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    _edited(newest, _EDITS[name])
    with caplog.at_level(logging.WARNING, logger="tfpipeline"):
        _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))
    assert "epoch-00002.npz" in caplog.text


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: None,
        lambda content: b"",
        lambda content: b"no array",
        lambda content: content[:-3],
        lambda content: content + b"x",
        lambda content: content.replace(b"fortran_order", b"fortran_ordes"),
        lambda content: content[:10] + b"(" * 5000 + content[10:],
    ],
    ids=["gone", "empty", "text", "cut", "longer", "header", "deep"],
)
def test_damage_to_any_member_falls_back(damage, tmp_path):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    members = _members(newest)
    for name, content in members.items():
        changed = {**members, name: damage(content)}
        with zipfile.ZipFile(newest, "w") as archive:
            for other, data in changed.items():
                if data is not None:
                    archive.writestr(other, data)
        _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-10],
        lambda data: b"\x93NUMPY" + data[6:],
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda data: data[:8] + b"\x63" + data[9:],
        lambda data: data * 2,
    ],
    ids=["empty", "half", "end", "magic", "list", "method", "twice"],
)
def test_damage_to_the_archive_falls_back(damage, tmp_path):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    data = newest.read_bytes()
    newest.write_bytes(damage(data))
    found = checkpoints.load_newest(tmp_path)
    # What says less of the same content is the same checkpoint.
    _assert_equal(found, _checkpoint(found.epoch))


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "link to nothing"])
def test_what_is_no_file_falls_back(kind, tmp_path):
    checkpoints.save(tmp_path, _checkpoint(1))
    newest = checkpoints.save(tmp_path, _checkpoint(2))
    newest.unlink()
    if kind == "folder":
        newest.mkdir()
    elif kind == "pipe":
        os.mkfifo(newest)
    else:
        newest.symlink_to(newest if kind == "loop" else tmp_path / "absent")
    _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path):
    path = checkpoints.save(tmp_path, _checkpoint(1))
    _edited(path, lambda arrays, head: head.pop("sha256") and None)
    _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))


def test_no_readable_checkpoint_is_an_error_that_says_what_to_do(tmp_path):
    path = checkpoints.save(tmp_path, _checkpoint(1))
    path.write_bytes(b"PK")
    with pytest.raises(errors.StorageError, match="Remove that folder"):
        checkpoints.load_newest(tmp_path)


def test_empty_folder_has_none(tmp_path):
    assert checkpoints.load_newest(tmp_path) is None
    assert checkpoints.newest_path(tmp_path) is None


def test_a_failed_write_keeps_the_older_checkpoints(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, _checkpoint(1))

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(errors.StorageError, match="No space left on device"):
        checkpoints.save(tmp_path, _checkpoint(2))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00001.npz"]
    _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(1))


def test_copies_and_files_of_others_stay(tmp_path):
    for name in ("epoch-best.npz", "epoch-00001-best.npz", "notes.txt"):
        (tmp_path / name).write_text("mine")
    for epoch in (1, 2, 3, 4):
        checkpoints.save(tmp_path, _checkpoint(epoch))
    # Of the name of a checkpoint, but none, or another's.
    (tmp_path / "epoch-00002.npz").write_text("mine")
    older = tmp_path / "epoch-00003.npz"
    older.rename(tmp_path / "epoch-00001.npz")
    checkpoints.save(tmp_path, _checkpoint(5))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("epoch-00001-best.npz", "epoch-00001.npz", "epoch-00002.npz"),
        *("epoch-00004.npz", "epoch-00005.npz", "epoch-best.npz", "notes.txt"),
    ]
    assert checkpoints.load_newest(tmp_path).epoch == 5


def test_a_damaged_file_is_set_aside(tmp_path, caplog):
    checkpoints.save(tmp_path, _checkpoint(1))
    path = checkpoints.save(tmp_path, _checkpoint(2))
    for number in (1, 2):
        path.write_bytes(b"PK" * number)
        with caplog.at_level(logging.WARNING, logger="tfpipeline"):
            checkpoints.save(tmp_path, _checkpoint(2))
        aside = tmp_path / f"epoch-00002.npz.damaged{number}"
        assert aside.read_bytes() == b"PK" * number
        assert aside.name in caplog.text
        _assert_equal(checkpoints.load_newest(tmp_path), _checkpoint(2))
