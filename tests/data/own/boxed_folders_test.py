"""Folders of pictures with boxes, in the three forms and with what is wrong in them."""

import json

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.configs import images
from tfpipeline.data import forms, specs
from tfpipeline.data import request as requests
from tfpipeline.data.own import boxed_folders
from tfpipeline.detection import objects

COUNT = 12
# Of every second picture; x1, y1, x2, y2 of 40 x 30 pixels.
BOX = (8, 6, 20, 24)


def pictures(folder, count=COUNT):
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"p{number:02d}.png" for number in range(count)]
    for number, name in enumerate(names):
        pixels = np.full((30, 40, 3), 10 * number, np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return names


def coco(root, names=None, path="annotations.json", **changes):
    names = names or pictures(root / "images")
    x1, y1, x2, y2 = BOX
    content = {
        "images": [
            {"id": i, "file_name": name, "width": 40, "height": 30}
            for i, name in enumerate(names)
        ],
        "categories": [{"id": 7, "name": "face"}],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 7,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }
            for i in range(0, len(names), 2)
        ],
        **changes,
    }
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(json.dumps(content))


def voc(root):
    names = pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    x1, y1, x2, y2 = BOX
    for number, name in enumerate(names):
        entry = (
            f"<object><name>face</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}"
            f"</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        )
        (root / "Annotations" / name.replace("png", "xml")).write_text(
            f"<annotation><filename>{name}</filename><size><width>40</width>"
            f"<height>30</height></size>{'' if number % 2 else entry}</annotation>"
        )


def yolo(root):
    names = pictures(root / "images")
    (root / "labels").mkdir()
    x1, y1, x2, y2 = BOX
    line = f"0 {(x1 + x2) / 80} {(y1 + y2) / 60} {(x2 - x1) / 40} {(y2 - y1) / 30}\n"
    for name in names[::2]:
        (root / "labels" / name.replace("png", "txt")).write_text(line)


def read(root, **fields):
    asked = requests.Request(
        reading=images.Reading(**{"image_size": "15,20", **fields}),
        validation_fraction=0.25,
    )
    return boxed_folders.read(specs.find(str(root)), asked)


@pytest.mark.parametrize("write", [coco, voc, yolo], ids=lambda f: f.__name__)
def test_the_three_forms_read_the_same(tmp_path, write):
    write(tmp_path)
    assert specs.find(str(tmp_path)).reader == "own.boxed_folders:read"
    found = read(tmp_path)
    assert found.input_shape == (15, 20, 3)
    assert (len(found.train), len(found.validation), len(found.test)) == (8, 2, 2)
    seen = 0
    for split in (found.train, found.validation, found.test):
        for pixels, rows in zip(split.inputs, split.targets, strict=True):
            boxes, ignored, scale = objects.of_picture(rows)
            number = int(pixels[0, 0, 0]) // 10
            assert scale == 2
            assert not ignored.any()
            assert len(boxes) == (number % 2 == 0)
            seen += len(boxes)
            for box in boxes:
                np.testing.assert_allclose(box * scale, BOX, atol=1e-4)
    assert seen == COUNT // 2
    assert len(found.pictures) == len(found.train)
    number = int(found.train.inputs[3][0, 0, 0]) // 10
    assert found.pictures[3].name == f"p{number:02d}.png"


def test_parts_of_files_named_after_them(tmp_path):
    names = pictures(tmp_path / "images")
    coco(tmp_path, names[:8], "annotations/instances_train2017.json")
    coco(tmp_path, names[8:], "annotations/instances_val2017.json")
    found = read(tmp_path)
    assert len(found.validation) == 4
    assert len(found.train) + len(found.test) == 8


def test_gray_and_not_enlarged(tmp_path):
    coco(tmp_path)
    found = read(tmp_path, image_size="60,50", grayscale=True)
    assert found.input_shape == (60, 50, 1)
    image = found.train.inputs[0][..., 0]
    assert not image[30:].any()
    assert not image[:, 40:].any()
    assert objects.of_picture(found.train.targets[0])[2] == 1


def _other_size(root):
    coco(root)
    Image.fromarray(np.zeros((30, 41, 3), np.uint8)).save(root / "images" / "p00.png")


def _no_boxes(root):
    coco(root, annotations=[])


def _no_file(root):
    coco(root)
    (root / "images" / "p04.png").unlink()


def _damaged_picture(root):
    coco(root)
    (root / "images" / "p06.png").write_bytes(b"no picture")


def _two_kinds(root):
    coco(root)
    voc(root)


def _no_json(root):
    coco(root)
    (root / "annotations.json").write_text("[")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_other_size, "p00.png has 41x30 pixels, its annotation says 40x30"),
        (_no_boxes, "no picture of the part 'train'"),
        (_no_file, "there is no file .*p04.png"),
        (_damaged_picture, "p06.png is not a picture, or damaged"),
        (_two_kinds, "keep those of one kind"),
        (_no_json, "annotations.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_data_is_one_line(tmp_path, spoil, says):
    spoil(tmp_path)
    with pytest.raises(errors.PipelineError, match=says) as caught:
        read(tmp_path)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_size_must_be_known(tmp_path):
    coco(tmp_path)
    with pytest.raises(errors.UsageError, match="--image_size=H,W"):
        read(tmp_path, image_size=None)


def test_class_folders_stay_class_folders(tmp_path):
    for name in ("images", "others"):
        pictures(tmp_path / name)
    assert forms.find(str(tmp_path), ()).name == "pictures"
