"""Crops of faces: where the points go, and what is shrunk."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.study.running import crops, decoders

POINTS = crops.TEMPLATE * 1.5 + [20, 10]


def found(points=POINTS):
    box = np.array([[30.0, 20, 130, 170]])
    marks = None if points is None else points.reshape(1, 10)
    return decoders.Found(box, np.array([0.9]), marks)


@pytest.mark.parametrize("degrees", [0, 30, -100])
def test_a_similarity_is_found_again(degrees):
    angle = np.radians(degrees)
    turn = 0.7 * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    moved = crops.TEMPLATE @ turn.T + [3, -4]
    matrix, shift = crops.similarity(crops.TEMPLATE, moved)
    np.testing.assert_allclose(matrix, turn, atol=1e-9)
    np.testing.assert_allclose(shift, [3, -4], atol=1e-9)


def test_landmarks_go_to_the_template():
    picture = np.zeros((220, 220, 3), np.uint8)
    for x, y in POINTS:
        picture[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = 255
    face = crops.cut(picture, crops.parse("landmarks"), found(), 0, 112)
    assert face.shape == (112, 112, 3)
    for x, y in crops.TEMPLATE:
        around = face[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        assert around.max() > 150
    assert (face > 100).any(axis=-1).sum() < 5 * 16


def test_a_square_around_a_box():
    picture = np.zeros((220, 220, 3), np.uint8)
    # The box's longer side is 150: a square of 180 around (80, 95).
    picture[5:185, 0:170] = 200
    face = crops.cut(picture, crops.parse("box:1.2"), found(), 0, 90)
    assert (face[2:-2, 8:-2] == 200).all()
    assert (face[:, :3] == 0).all()  # Left of the picture.


def test_the_central_face_is_taken():
    boxes = np.array([[0.0, 0, 10, 10], [45, 40, 60, 60]])
    two = decoders.Found(boxes, np.array([0.9, 0.4]))
    assert crops.central(two, (100, 100)) == 1
    nothing = decoders.Found(np.empty((0, 4)), np.empty(0))
    assert crops.central(nothing, (100, 100)) is None


def test_a_picture_is_fitted_and_boxes_come_back():
    picture = np.full((50, 200, 3), 9, np.uint8)
    inner, scale, offset = crops.fitted(picture, (100, 100))
    assert (scale, offset) == (0.5, (0, 37))
    assert (inner[37:62] == 9).all() and inner[:37].max() == inner[62:].max() == 0
    box = decoders.Found(np.array([[10.0, 47, 20, 57]]), np.array([1.0]))
    assert box.moved(scale, offset).boxes.tolist() == [[20, 20, 40, 40]]
    # Nothing is enlarged.
    assert crops.fitted(picture, (300, 400))[1] == 1


def test_shrunk_faces_keep_their_size_and_lose_detail():
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    assert crops.shrunk(face, 0) is face and crops.shrunk(face, 112) is face
    spread = [crops.shrunk(face, size).std() for size in (56, 28, 14)]
    assert face.std() > spread[0] > spread[1] > spread[2]


def test_what_cannot_be_cut():
    for text in ("circle", "box:x", "box:0", "landmarks:2"):
        with pytest.raises(errors.UsageError, match="box:K"):
            crops.parse(text)
    picture = np.zeros((220, 220, 3), np.uint8)
    with pytest.raises(errors.UsageError, match="no landmarks"):
        crops.cut(picture, crops.parse("landmarks"), found(None), 0, 112)
