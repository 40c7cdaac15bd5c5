"""`pairs.txt` as its authors describe it, and files that are not it."""

import pytest

from tfpipeline import errors
from tfpipeline.data import lfw_pairs

TEXT = "2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nCid\t1\t2\nCid\t3\tDot\t1\n"


def _file(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_stand_in_folds(tmp_path):
    found = lfw_pairs.read(_file(tmp_path, TEXT))
    assert [question.fold for question in found] == [0, 0, 1, 1]
    assert [question.same for question in found] == [True, False, True, False]
    assert found[0].second.file_name == "Ann_0004.jpg"
    assert found[3].second == lfw_pairs.Photograph("Dot", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2\t1", "", "first line must hold the number of folds"),
        ("2\t1", "0\t1", "first line must hold"),
        ("2\t1", "2\t99999999", "first line must hold"),
        ("2\t1", "2\t2", "need 9 lines; found 5"),
        ("Ann\t1\t4", "Ann\t1", "line 2 must be NAME NUMBER NUMBER"),
        ("Ann\t1\t4", "Ann\t1\tx", "line 2 must be NAME NUMBER NUMBER"),
        ("Ann\t1\t4", "Ann\t1\t" + "4" * 5000, "line 2 must be NAME NUMBER NUMBER"),
        ("2\t1", "2\t" + "1" * 5000, "first line must hold"),
        ("Ann\t1\t4", "Ann\t0\t4", "line 2 must be NAME NUMBER NUMBER"),
        ("Ann\t2\tBob\t1", "Bob\t2\tBob\t1", "line 3 must be NAME NUMBER NAME NUMBER"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path, old, new, message):
    path = _file(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(errors.DataError, match=message):
        lfw_pairs.read(path)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match="the pairs: cannot read"):
        lfw_pairs.read(tmp_path / "absent.txt")
