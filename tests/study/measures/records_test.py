"""Records: the same in both forms, and one line of whatever is damaged."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.study.measures import records

RECORDS = (
    records.Record(
        "a/1.jpg",
        "int8",
        "detector",
        boxes=np.array([[1.5, 2, 30, 40.25]]),
        scores=np.array([0.1]),
    ),
    records.Record("a/1.jpg", "float", "detector", boxes=np.empty((0, 4))),
    records.Record(
        "a/1.jpg", "int8", "verifier", embedding=np.array([127.0, -3, 0]), label=7
    ),
    records.Record("b", "int8", "detector", scores=np.array([0.2, 0.3, 0.5]), label=0),
    records.Record("a", "int8", "segmenter", mask=np.array([0, 3, 255], np.uint8)),
)


def _require_equal(first, second):
    assert [r.key for r in first] == [r.key for r in second]
    for a, b in zip(first, second, strict=True):
        assert a.label == b.label
        for field in ("boxes", "scores", "embedding", "mask"):
            one, other = getattr(a, field), getattr(b, field)
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(one, other)
                assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.parametrize("name", ["all.npz", "all.jsonl"])
@pytest.mark.parametrize("kept", [RECORDS, RECORDS[2:3], ()])
def test_records_come_back(tmp_path, name, kept):
    records.write(tmp_path / name, kept)
    _require_equal(records.read(tmp_path / name), kept)


def test_a_dump_of_another_program(tmp_path):
    line = {"sample": "x", "format": "int8", "stage": "verifier", "embedding": [1, -2]}
    (tmp_path / "dump.jsonl").write_text(json.dumps(line) + "\r\n\n")
    (record,) = records.read(tmp_path / "dump.jsonl")
    assert record.embedding.tolist() == [1, -2] and record.boxes is None


def test_selections_are_of_the_same_samples():
    detector = records.select(RECORDS, format="int8", stage="detector")
    assert sorted(detector) == ["a/1.jpg", "b"]
    assert records.common(detector, detector) == ("a/1.jpg", "b")
    reference = records.select(RECORDS, format="float", stage="detector")
    with pytest.raises(errors.DataError, match="missing of b"):
        records.common(detector, reference)


_LINE = {"sample": "x", "format": "int8", "stage": "s"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "line 1"),
        ("[]", "line 1: it is no object"),
        (json.dumps({**_LINE, "sample": 3}), "line 1: sample 3 is no name"),
        (json.dumps({**_LINE, "stage": "a\nb"}), "stage has characters"),
        (json.dumps({**_LINE, "colour": 3}), "no field 'colour'"),
        (json.dumps({**_LINE, "boxes": [[1, 2]]}), r"boxes cannot be .* \[1, 2\]"),
        (json.dumps({**_LINE, "scores": [[1]]}), "scores cannot be"),
        (json.dumps({**_LINE, "embedding": ["x"]}), "embedding is no array"),
        (json.dumps({**_LINE, "mask": [0, 256]}), "mask has a value that is no class"),
        (json.dumps({**_LINE, "mask": [0.5]}), "mask has a value that is no class"),
        (json.dumps({**_LINE, "mask": [-1]}), "mask has a value that is no class"),
        (json.dumps({**_LINE, "embedding": [[1], 2]}), "embedding is no array"),
        (json.dumps({**_LINE, "label": 1.5}), "label 1.5 is no number"),
        (json.dumps(_LINE) + "\n" + json.dumps(_LINE), "'x' is there twice"),
    ],
)
def test_damaged_lines(tmp_path, text, reason):
    (tmp_path / "dump.jsonl").write_text(text)
    with pytest.raises(errors.DamagedFileError, match=reason) as raised:
        records.read(tmp_path / "dump.jsonl")
    assert str(raised.value).startswith(str(tmp_path / "dump.jsonl"))


@hypothesis.settings(
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    max_examples=40,
)
@hypothesis.given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_an_error_or_changes_nothing_else(tmp_path, place, change):
    path = tmp_path / "all.npz"
    if not path.exists():
        records.write(path, RECORDS)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    other = tmp_path / "changed.npz"
    other.write_bytes(data)
    try:
        assert len(records.read(other)) == len(RECORDS)
    except errors.DamagedFileError as error:
        assert len(str(error).replace(str(tmp_path), "")) < 300


def test_arrays_that_are_not_of_the_records(tmp_path):
    records.write(tmp_path / "all.npz", RECORDS)
    with np.load(tmp_path / "all.npz") as archive:
        stored = dict(archive)
    for field, value in (
        ("boxes", stored["boxes"][:, :2]),
        ("scores_rows", stored["scores_rows"] + 1),
        ("embedding_rows", stored["embedding_rows"] - 5),
        ("embedding", stored["embedding"] * np.nan),
    ):
        np.savez(tmp_path / "bad.npz", **{**stored, field: value})
        with pytest.raises(errors.DamagedFileError):
            records.read(tmp_path / "bad.npz")


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(errors.UsageError, match=r"\.npz or \.jsonl"):
        records.write(tmp_path / "all.csv", RECORDS)
    with pytest.raises(errors.DataError, match="twice"):
        records.write(tmp_path / "all.npz", RECORDS[:1] * 2)
    bad = records.Record("x", "y", "z", scores=np.array([np.inf]))
    with pytest.raises(errors.DataError, match="not finite"):
        records.write(tmp_path / "all.npz", [bad])
    (tmp_path / "mine.npz").write_bytes(b"of the user")
    with pytest.raises(errors.ForeignFileError):
        records.write(tmp_path / "mine.npz", RECORDS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
