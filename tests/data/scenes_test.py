import pathlib

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import (
    face_scene_drawing,
    procedural,
    procedural_faces,
    scenes,
    tfds_source,
)


@pytest.fixture(scope="module")
def all_scenes(faces_folder: pathlib.Path) -> dict[str, list[scenes.Scene]]:
    builder = tfds_source.open_prepared(faces_folder)
    return {
        split: list(scenes.Scenes(builder, split, np.arange(count)))
        for split, count in (("train", 24), ("test", 8))
    }


@pytest.mark.slow
def test_scenes_hold_what_was_drawn(
    all_scenes: dict[str, list[scenes.Scene]],
) -> None:
    people = procedural_faces.people(0, procedural.TRAIN)
    for index, scene in enumerate(all_scenes["train"]):
        generator = np.random.default_rng([0, procedural.TRAIN, index])
        image, faces = face_scene_drawing.draw(generator, people)
        expected = np.array([face.box for face in faces]).reshape(-1, 4)
        np.testing.assert_array_equal(scene.boxes, expected)
        assert scene.identities.tolist() == [face.identity for face in faces]
        for name in ("blur", "occlusion", "illumination", "pose", "roll", "yaw"):
            drawn = np.array([getattr(face, name) for face in faces])
            np.testing.assert_array_equal(
                scene.attributes[name], drawn.astype(scene.attributes[name].dtype)
            )
        # JPEG at quality 92 halves the resolution of color and drops faint noise.
        error = np.abs(scene.image.astype(int) - image.astype(int)).mean()
        assert error < 8
        assert scene.name == f"train_{index:05d}.jpg"


@pytest.mark.slow
def test_faces_lie_inside_and_apart_and_appear_once(
    all_scenes: dict[str, list[scenes.Scene]],
) -> None:
    counts = set()
    for scene in all_scenes["train"] + all_scenes["test"]:
        counts.add(len(scene.boxes))
        assert (scene.boxes[:, :2] >= 0).all()
        assert (scene.boxes[:, 2:] <= face_scene_drawing.SCENE_SIZE).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= 24).all()
        assert len(set(scene.identities)) == len(scene.identities)
        for number, box in enumerate(scene.boxes):
            for other in scene.boxes[:number]:
                apart = (box[:2] >= other[2:]).any() or (other[:2] >= box[2:]).any()
                assert apart
    assert 0 in counts
    assert max(counts) in (2, 3, 4)


def test_nobody_is_in_both_splits(all_scenes: dict[str, list[scenes.Scene]]) -> None:
    train, test = (
        set(np.concatenate([scene.identities for scene in all_scenes[split]]))
        for split in ("train", "test")
    )
    assert train
    assert test
    assert not train & test
    assert max(train) < procedural_faces.NUM_TRAIN_IDENTITIES <= min(test)


def test_scenes_can_be_iterated_twice_and_count(faces_folder: pathlib.Path) -> None:
    builder = tfds_source.open_prepared(faces_folder)
    some = scenes.Scenes(builder, "train", np.array([1, 5, 11]))
    assert len(some) == 3
    names = [scene.name for scene in some]
    assert names == [scene.name for scene in some]
    assert names == ["train_00001.jpg", "train_00005.jpg", "train_00011.jpg"]


@pytest.mark.slow
def test_all_conditions_occur() -> None:
    people = procedural_faces.people(0, procedural.TRAIN)
    faces = [
        face
        for index in range(40)
        for face in face_scene_drawing.draw(np.random.default_rng(index), people)[1]
    ]
    assert {face.blur for face in faces} == {0, 1, 2}
    assert {face.occlusion for face in faces} == {0, 1, 2}
    assert {face.illumination for face in faces} == {False, True}
    assert {face.pose for face in faces} == {False, True}


def _scene(**changes: np.ndarray) -> scenes.Scene:
    fields = {
        "image": np.zeros((4, 5, 3), np.uint8),
        "boxes": np.zeros((2, 4), np.float32),
        "identities": np.zeros(2, np.int32),
        "attributes": {},
    }
    return scenes.Scene(name="one.jpg", **{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((4, 5), np.uint8)}, r"uint8 \[H, W, 3\].*\[4, 5\]"),
        ({"image": np.zeros((4, 5, 3))}, "Received: float64"),
        ({"boxes": np.zeros((2, 5), np.float32)}, r"float32 \[N, 4\].*\[2, 5\]"),
        ({"identities": np.zeros(3, np.int32)}, "identities must have 2 values"),
        ({"attributes": {"blur": np.zeros(1)}}, "blur must have 2 values"),
    ],
)
def test_malformed_scene_is_refused(
    changes: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(errors.DataError, match=f"one.jpg.*{message}"):
        _scene(**changes)


def test_faces_are_valid_unless_marked() -> None:
    assert _scene().is_valid.tolist() == [True, True]
    marked = _scene(attributes={"invalid": np.array([True, False])})
    assert marked.is_valid.tolist() == [False, True]
