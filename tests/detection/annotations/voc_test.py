"""Pascal VOC's XML, and what is refused."""

import pytest

from tfpipeline import errors
from tfpipeline.detection.annotations import voc

_FILE = """<annotation><folder>x</folder><filename>{name}</filename>
<size><width>100</width><height>50</height><depth>3</depth></size>{objects}
</annotation>"""
_OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>
<part><name>hand</name><bndbox><xmin>1</xmin></bndbox></part></object>"""


def _object(*box, name="face", difficult=0):
    return _OBJECT.format(*box, name=name, difficult=difficult)


def _write(folder, file, *objects, name=None):
    text = _FILE.format(name=name or f"{file}.jpg", objects="".join(objects))
    (folder / f"{file}.xml").write_text(text)


def test_pixels_from_1_become_places_from_0(tmp_path):
    _write(tmp_path, "b", _object(1, 1, 100, 50), _object(5, 6, 7, 8, name="cat"))
    _write(tmp_path, "a", _object(48.5, 2, 60, 3, difficult=1))
    (tmp_path / "notes.txt").write_text("not read")
    annotations = voc.read(tmp_path)
    assert annotations.classes == ("cat", "face")
    first, second = annotations.pictures
    assert first.name == "a.jpg" and first.ignored.tolist() == [True]
    assert first.boxes.tolist() == [[47.5, 1, 60, 3]]
    # The whole picture, and three pixels by three.
    assert second.boxes.tolist() == [[0, 0, 100, 50], [4, 5, 7, 8]]
    assert second.labels.tolist() == [1, 0]


def test_given_classes_give_the_labels(tmp_path):
    _write(tmp_path, "a", _object(1, 1, 9, 9))
    assert voc.read(tmp_path, ["person", "face"]).pictures[0].labels.tolist() == [1]
    with pytest.raises(errors.DamagedFileError, match="'face' is none of person"):
        voc.read(tmp_path, ["person"])
    with pytest.raises(errors.DataError, match="a class twice"):
        voc.read(tmp_path, ["face", "face"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotation/>", "0 times <size>"),
        ("<picture/>", "its root is <picture>"),
        ("no XML", "not plain XML"),
        (_FILE.format(name="../a.jpg", objects=""), "no file's name below"),
        (_FILE.format(name="a", objects="<object/>"), "object 1: <object> has 0 times"),
        (_FILE.format(name="a", objects=_object(1, 1, "x", 2)), "object 1: xmax 'x'"),
        (_FILE.format(name="a", objects=_object(9, 1, 2, 2)), "has a side below 0"),
        (
            _FILE.format(name="a", objects=_object(1, 1, 2, 2, difficult=3)),
            "difficult '3' is neither",
        ),
        (_FILE.format(name="a", objects="").replace("100", "1.5"), "width '1.5'"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path, text, reason):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(errors.DamagedFileError, match=reason) as raised:
        voc.read(tmp_path)
    assert str(tmp_path / "a.xml") in str(raised.value)


def test_folders_without_annotations(tmp_path):
    with pytest.raises(errors.DataError, match=r"0 files of Pascal VOC"):
        voc.read(tmp_path)
    with pytest.raises(errors.StorageError, match="cannot list"):
        voc.read(tmp_path / "absent")
    _write(tmp_path, "a", name="same.jpg")
    _write(tmp_path, "b", name="same.jpg")
    with pytest.raises(errors.DataError, match=r"'same.jpg' twice"):
        voc.read(tmp_path)
