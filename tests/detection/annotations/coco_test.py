"""COCO JSON against the reader of pycocotools, and what is refused."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools import coco as pycoco

from tfpipeline import errors
from tfpipeline.detection.annotations import coco

CONTENT = {
    "info": {"year": 2020},
    "images": [
        {"id": 7, "file_name": "b/two.jpg", "width": 100, "height": 50},
        {"id": 3, "file_name": "a.jpg", "width": 64, "height": 48},
    ],
    "categories": [{"id": 9, "name": "head"}, {"id": 1, "name": "face"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 9, "bbox": [10, 5, 20.5, 30]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [90, 40, 20, 20]},
        {"id": 3, "image_id": 3, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        {"id": 4, "image_id": 3, "category_id": 1, "bbox": [3, 3, 0, 5]},
    ],
}


def _read(tmp_path, content):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return coco.read(path)


def test_boxes_are_those_of_pycocotools(tmp_path):
    annotations = _read(tmp_path, CONTENT)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = pycoco.COCO(str(tmp_path / "boxes.json"))
    assert annotations.classes == ("face", "head")
    assert [each.name for each in annotations.pictures] == ["a.jpg", "b/two.jpg"]
    picture = annotations.pictures[1]
    entries = reference.loadAnns(reference.getAnnIds(imgIds=[7]))
    corners = np.array([e["bbox"] for e in entries], np.float64)
    corners[:, 2:] += corners[:, :2]
    # The second reaches out of the picture and is cut.
    np.testing.assert_array_equal(picture.boxes, np.minimum(corners, [100, 50] * 2))
    names = reference.loadCats([e["category_id"] for e in entries])
    assert [annotations.classes[each] for each in picture.labels] == [
        each["name"] for each in names
    ]
    assert (picture.height, picture.width) == (50, 100)


def test_crowds_are_ignored_and_boxes_without_area_dropped(tmp_path):
    picture = _read(tmp_path, CONTENT).pictures[0]
    assert picture.ignored.tolist() == [True]
    assert picture.dropped == 1


def _changed(place, key, value):
    content = copy.deepcopy(CONTENT)
    content[place[0]][place[1]][key] = value
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "no list of objects 'images'"),
        ({**CONTENT, "annotations": [3]}, "no list of objects 'annotations'"),
        (_changed(("images", 0), "id", 3), r"images\[1\]: the id 3 is there twice"),
        (_changed(("images", 0), "file_name", "../x.jpg"), r"images\[0\]: '../x.jpg'"),
        (_changed(("images", 0), "file_name", "/x.jpg"), "no file's name below"),
        (_changed(("images", 0), "width", 0), r"images\[0\]: width 0 is no number of"),
        (_changed(("images", 1), "height", "x"), r"images\[1\]: height 'x'"),
        (_changed(("categories", 0), "id", 1), r"categories\[1\]: the id is there"),
        (_changed(("annotations", 2), "image_id", 8), r"annotations\[2\]: no image"),
        (_changed(("annotations", 1), "bbox", [1, 2]), r"annotations\[1\]: no bbox"),
        (_changed(("annotations", 1), "bbox", [1, 2, -1, 3]), "a side below 0"),
        (_changed(("annotations", 1), "bbox", [1, 2, "x", 3]), "bbox 'x' is no number"),
        (_changed(("annotations", 1), "bbox", [1, 2, 1e30, 3]), "no place in a pict"),
        (_changed(("annotations", 0), "category_id", 4), "no category has the id 4"),
        (_changed(("annotations", 0), "iscrowd", 2), "neither 0 nor 1"),
    ],
)
def test_damage_is_one_line_that_names_the_entry(tmp_path, content, reason):
    with pytest.raises(errors.DamagedFileError, match=reason) as raised:
        _read(tmp_path, content)
    assert str(tmp_path / "boxes.json") in str(raised.value)
    assert len(str(raised.value).removeprefix(str(tmp_path))) < 300


def test_data_sets_that_cannot_be_told_apart(tmp_path):
    with pytest.raises(errors.DataError, match=r"'a.jpg' twice"):
        _read(tmp_path, _changed(("images", 0), "file_name", "a.jpg"))
    with pytest.raises(errors.DataError, match="a class twice"):
        _read(tmp_path, _changed(("categories", 0), "name", "face"))
    with pytest.raises(errors.DataError, match="no picture"):
        _read(tmp_path, {"images": [], "annotations": [], "categories": []})
