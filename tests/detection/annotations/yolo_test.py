"""YOLO's text, and what is refused."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.detection.annotations import yolo

SIZES = {"a/one.jpg": (50, 100), "b.png": (8, 8)}


def test_shares_become_pixels(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.txt").write_text("1 0.5 0.5 0.2 0.4\n\n0 0 0 0.1 0.1\n")
    annotations = yolo.read(tmp_path, SIZES, ["face", "head"])
    first, second = annotations.pictures
    # The second box reaches out of the picture on two sides.
    np.testing.assert_allclose(first.boxes, [[40, 15, 60, 35], [0, 0, 5, 2.5]])
    assert first.labels.tolist() == [1, 0]
    assert second.name == "b.png" and second.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 0.5 0.5 0.2", "line 1: 4 values, not the 5"),
        ("0 0.5 0.5 0.2 0.2\nx 0 0 0 0", "line 2: a whole number has digits"),
        ("-1 0.5 0.5 0.2 0.2", "line 1: a whole number"),
        ("1 0.5 0.5 0.2 0.2", "line 1: the class 1 is beyond the 1"),
        ("0 0.5 0.5 0.2 nan", "line 1: the share 'nan'"),
        ("0 30 20 10 10", "line 1: 30.0 is no share .*; pixels are divided"),
        ("0 0.5 0.5 -0.2 0.2", "line 1: -0.2 is no share"),
    ],
)
def test_damage_is_one_line_that_names_the_line(tmp_path, text, reason):
    (tmp_path / "b.txt").write_text(text)
    with pytest.raises(errors.DamagedFileError, match=reason) as raised:
        yolo.read(tmp_path, {"b.png": (8, 8)}, ["face"])
    assert str(tmp_path / "b.txt") in str(raised.value)


def test_names_that_leave_the_folder_are_refused(tmp_path):
    with pytest.raises(errors.DamagedFileError, match="no file's name below"):
        yolo.read(tmp_path, {"../b.png": (8, 8)}, ["face"])
    with pytest.raises(errors.DataError, match="no picture"):
        yolo.read(tmp_path, {}, ["face"])


def test_names_of_classes(tmp_path):
    (tmp_path / "classes.txt").write_text("face\n\n head \n")
    assert yolo.read_classes(tmp_path / "classes.txt") == ("face", "head")
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(errors.DamagedFileError, match="names no class"):
        yolo.read_classes(tmp_path / "classes.txt")
