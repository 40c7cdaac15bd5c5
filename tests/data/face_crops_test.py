from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.data import face_crops, scenes

SMALL = face_crops.CropParameters(
    window_size=20, output_size=8, min_face_side=6, random_windows=6, windows_per_face=2
)


def _scene(
    boxes: list[tuple[float, float, float, float]],
    size: tuple[int, int] = (60, 80),
    name: str = "scene",
    invalid: list[bool] | None = None,
) -> scenes.Scene:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    return scenes.Scene(
        name=name,
        image=noise,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        identities=np.full(len(boxes), -1, np.int32),
        attributes={"invalid": np.array(invalid or [False] * len(boxes), np.bool_)},
    )


def _scenes(count: int) -> Iterator[scenes.Scene]:
    """Every other scene has a face of 10x10 pixels; all differ in name."""
    for number in range(count):
        boxes = [(20.0, 30.0, 30.0, 40.0)] if number % 2 else []
        yield _scene(boxes, name=f"scene {number}")


_COORDINATES = st.integers(0, 60)


@st.composite
def _boxes(draw: st.DrawFn) -> np.ndarray:
    boxes = []
    for _ in range(draw(st.integers(0, 4))):
        ymin, xmin = draw(_COORDINATES), draw(_COORDINATES)
        height, width = draw(st.integers(0, 30)), draw(st.integers(0, 30))
        boxes.append((ymin, xmin, ymin + height, xmin + width))
    return np.array(boxes, np.float32).reshape(-1, 4)


@st.composite
def _windows(draw: st.DrawFn) -> np.ndarray:
    corners = draw(st.lists(st.tuples(_COORDINATES, _COORDINATES), max_size=5))
    starts = np.array(corners, np.int64).reshape(-1, 2)
    return np.concatenate([starts, starts + 20], axis=1)


@settings(max_examples=60, deadline=None)
@given(boxes=_boxes(), windows=_windows(), valid=st.lists(st.booleans(), min_size=4))
def test_classify_windows_keeps_the_stated_rule(
    boxes: np.ndarray, windows: np.ndarray, valid: list[bool]
) -> None:
    """The rule once more, pixel by pixel and box by box."""
    is_valid = np.array(valid[: len(boxes)], np.bool_)
    is_eligible = face_crops.eligible_boxes(boxes, is_valid, SMALL)
    labels = face_crops.classify_windows(windows, boxes, is_eligible)
    for window, label in zip(windows, labels, strict=True):
        whole_face = False
        touched = False
        for box, good in zip(boxes, is_valid, strict=True):
            ymin, xmin, ymax, xmax = box
            holds = (
                window[0] <= ymin
                and window[1] <= xmin
                and ymax <= window[2]
                and xmax <= window[3]
            )
            large = min(ymax - ymin, xmax - xmin) >= SMALL.min_face_side
            whole_face |= bool(good and large and holds)
            apart = (
                ymax <= window[0]
                or xmax <= window[1]
                or window[2] <= ymin
                or window[3] <= xmin
            )
            touched |= not apart
        if whole_face:
            assert label == face_crops.FACE
        elif not touched:
            assert label == face_crops.NO_FACE
        else:
            assert label == face_crops.AMBIGUOUS


@settings(max_examples=60, deadline=None)
@given(
    boxes=_boxes(),
    height=st.integers(20, 70),
    width=st.integers(20, 70),
    seed=st.integers(0, 1000),
)
def test_drawn_windows_lie_in_the_scene_and_hold_their_face(
    boxes: np.ndarray, height: int, width: int, seed: int
) -> None:
    inside = boxes[(boxes[:, 2] <= height) & (boxes[:, 3] <= width)]
    valid = np.ones(len(inside), np.bool_)
    faces = inside[face_crops.eligible_boxes(inside, valid, SMALL)]
    generator = np.random.default_rng(seed)
    windows = face_crops.draw_windows(generator, (height, width), faces, SMALL)
    assert len(windows) == SMALL.random_windows + SMALL.windows_per_face * len(faces)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= (height, width)).all()
    assert (windows[:, 2:] - windows[:, :2] == SMALL.window_size).all()
    around = windows[SMALL.random_windows :].reshape(
        len(faces), SMALL.windows_per_face, 4
    )
    assert (around[..., :2] <= faces[:, None, :2]).all()
    assert (around[..., 2:] >= faces[:, None, 2:]).all()


def test_face_on_fractions_of_pixels_without_room_has_no_window() -> None:
    tight = np.array([[5.5, 5.5, 25.4, 25.4]], np.float32)
    windows = face_crops.draw_windows(np.random.default_rng(0), (60, 60), tight, SMALL)
    assert len(windows) == SMALL.random_windows


@pytest.mark.parametrize(
    ("box", "valid", "expected"),
    [
        ((0, 0, 6, 6), True, True),
        ((0, 0, 5.9, 20), True, False),
        ((0, 0, 20, 20), True, True),
        ((0, 0, 20.1, 10), True, False),
        ((0, 0, 10, 10), False, False),
    ],
)
def test_eligible_boxes_are_large_enough_small_enough_and_valid(
    box: tuple[float, ...], valid: bool, expected: bool
) -> None:
    found = face_crops.eligible_boxes(np.array([box]), np.array([valid]), SMALL)
    assert found.tolist() == [expected]


def test_crops_are_balanced_and_the_histogram_counts_every_window() -> None:
    crops = face_crops.crop_scenes(_scenes(20), SMALL)
    faces = (crops.labels == face_crops.FACE).sum()
    assert faces == (crops.labels == face_crops.NO_FACE).sum() >= 20
    assert crops.images.shape == (len(crops.labels), 8, 8, 3)
    assert crops.labels.dtype == np.int32
    assert (np.diff(crops.scene_numbers) >= 0).all()
    assert set(crops.scene_numbers[crops.labels == face_crops.FACE] % 2) == {1}
    drawn = 20 * SMALL.random_windows + 10 * SMALL.windows_per_face
    assert sum(crops.histogram.values()) == drawn
    assert list(crops.histogram) == ["no_face", "face", "ambiguous"]
    assert min(crops.histogram["no_face"], crops.histogram["face"]) == faces


def test_same_seed_gives_same_crops_and_another_seed_others() -> None:
    first, again = (face_crops.crop_scenes(_scenes(8), SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    other = face_crops.CropParameters(
        **{**vars(SMALL), "seed": 1, "random_windows": SMALL.random_windows}
    )
    shifted = face_crops.crop_scenes(_scenes(8), other)
    assert first.images.shape != shifted.images.shape or (
        (first.images != shifted.images).any()
    )


def test_windows_of_a_scene_do_not_depend_on_the_others() -> None:
    both = [_scene([(20, 30, 30, 40)], name="a"), _scene([], name="b")]
    alone = face_crops.CropParameters(
        **{**vars(SMALL), "random_windows": 2, "windows_per_face": 2}
    )
    crops, reverse = (face_crops.crop_scenes(of, alone) for of in (both, both[::-1]))
    assert crops.histogram == reverse.histogram
    faces, faces_too = (
        {image.tobytes() for image in found.images[found.labels == face_crops.FACE]}
        for found in (crops, reverse)
    )
    assert faces == faces_too
    assert len(faces) == 2


def test_reading_stops_when_both_classes_are_full() -> None:
    read = []

    def counted() -> Iterator[scenes.Scene]:
        for scene in _scenes(50):
            read.append(scene.name)
            yield scene

    parameters = face_crops.CropParameters(**{**vars(SMALL), "max_per_class": 5})
    crops = face_crops.crop_scenes(counted(), parameters)
    assert np.bincount(crops.labels).tolist() == [5, 5]
    assert len(read) < 20


def test_scene_below_the_window_is_enlarged_with_its_boxes() -> None:
    # 10x15 becomes 20x30; the face of 4 pixels becomes 8 and so counts.
    small = _scene([(3, 5, 7, 9)], size=(10, 15), name="small")
    crops = face_crops.crop_scenes([small, _scene([], name="empty")], SMALL)
    assert (crops.scene_numbers[crops.labels == face_crops.FACE] == 0).all()
    assert (crops.labels == face_crops.FACE).sum() > 0


def test_invalid_faces_are_neither_class() -> None:
    covered = _scene([(0, 0, 60, 80)], invalid=[True])
    with pytest.raises(errors.DataError, match=r"no crops of class 'no_face'.*6 *\}"):
        face_crops.crop_scenes([covered], SMALL)


def test_scenes_without_faces_are_a_data_error() -> None:
    with pytest.raises(errors.DataError, match="no crops of class 'face'"):
        face_crops.crop_scenes([_scene([])], SMALL)


def test_crops_are_means_of_the_window() -> None:
    scene = _scene([(0, 0, 20, 20)], size=(20, 20), name="exact")
    empty = _scene([], size=(20, 20), name="empty")
    parameters = face_crops.CropParameters(**{**vars(SMALL), "output_size": 10})
    crops = face_crops.crop_scenes([scene, empty], parameters)
    face = crops.images[crops.labels == face_crops.FACE][0]
    expected = scene.image.reshape(10, 2, 10, 2, 3).mean(axis=(1, 3))
    # Pillow rounds after each of the two directions.
    np.testing.assert_allclose(face, expected, atol=1.0)


@pytest.mark.parametrize(
    "name", ["window_size", "output_size", "random_windows", "max_per_class"]
)
def test_parameters_below_one_are_refused(name: str) -> None:
    with pytest.raises(errors.UsageError, match=f"{name} must be at least 1"):
        face_crops.CropParameters(**{name: 0})


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_every_seed_gives_equal_classes(seed: int) -> None:
    parameters = face_crops.CropParameters(**{**vars(SMALL), "seed": seed})
    crops = face_crops.crop_scenes(_scenes(4), parameters)
    counts = np.bincount(crops.labels, minlength=2)
    assert counts[0] == counts[1] > 0
