import numpy as np
import pytest

from tfpipeline.data import object_drawing


def _mask(name: str) -> np.ndarray:
    axis = np.linspace(-1.2, 1.2, 97)
    return object_drawing.SHAPES[name](axis[None, :], axis[:, None]) > 0


@pytest.mark.parametrize("name", object_drawing.CLASS_NAMES)
def test_shape_fills_a_fair_part_of_its_circle(name: str) -> None:
    mask = _mask(name)
    reach = np.hypot(*np.meshgrid(*[np.linspace(-1.2, 1.2, 97)] * 2))[mask].max()
    assert 0.15 < mask.mean() < 0.6
    assert 0.75 < reach < 1.25


def test_shapes_differ_from_each_other() -> None:
    masks = [_mask(name) for name in object_drawing.CLASS_NAMES]
    for index, first in enumerate(masks):
        for second in masks[:index]:
            assert (first & second).sum() / (first | second).sum() < 0.85


def test_draw_gives_lively_images_of_the_stated_type() -> None:
    labels = np.arange(20) % 10
    images = object_drawing.draw(np.random.default_rng(0), labels)
    assert images.shape == (20, 32, 32, 3)
    assert images.dtype == np.uint8
    # A flat or clipped image would show no object.
    assert images.std(axis=(1, 2, 3)).min() > 8
    assert len(np.unique(images, axis=0)) == 20


def test_label_alone_changes_the_object() -> None:
    drawn = [
        object_drawing.draw(np.random.default_rng(5), np.array([label]))
        for label in (0, 6)
    ]
    assert (drawn[0] != drawn[1]).any()
