"""RandAugment: each operation by its rule, drawn for each picture."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import rand_augment

_GENERATOR = np.random.default_rng(0)
_PIXELS = _GENERATOR.integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
_SIGN = tf.constant([1.0, -1.0, 1.0])[:, None, None, None]


def _layer(pixels, strength, drawn, sign=1.0):
    """One geometric operation on all pictures."""
    place = 1 + rand_augment._GEOMETRY.index(drawn)
    number = tf.fill((len(pixels),), place)
    return rand_augment._moved(
        tf.constant(pixels), number, tf.fill((len(pixels),), strength * sign)
    ).numpy()


def test_strength_0_changes_nothing_but_contrast_to_the_ends():
    # But 255, from which on to solarize inverts.
    pixels = np.minimum(_PIXELS, 254)
    result = rand_augment.rand_augment(
        tf.constant(np.tile(pixels, (40, 1, 1, 1))), 1, 0, tf.constant((1, 2))
    ).numpy()
    for place, image in enumerate(result):
        source = pixels[place % 3]
        low, high = source.min(axis=(0, 1)), source.max(axis=(0, 1))
        stretched = (source - low) * 255 / (high - low)
        # float32, and the weights of bilinear interpolation.
        assert np.allclose(image, source, atol=0.01) or np.allclose(
            image, stretched, atol=0.01
        )


def test_geometry():
    wide = np.zeros((2, 10, 10, 1), np.float32)
    wide[:, 4, 2] = 100
    # 150 / 331 of 10 pixels is 4.53: at 0.4414 of it, two.
    moved = _layer(wide, 2 / (10 * 150 / 331), "translate_x")
    np.testing.assert_allclose(moved[0, 4, 0], 100, atol=0.01)
    moved = _layer(wide, 2 / (10 * 150 / 331), "translate_y", sign=-1.0)
    np.testing.assert_allclose(moved[0, 6, 2], 100, atol=0.01)
    # 0.3 of a pixel a row from the middle, half a row above it.
    sheared = _layer(np.full((1, 10, 10, 1), 7, np.float32), 1.0, "shear_x")
    np.testing.assert_allclose(sheared, 7, atol=1e-4)
    ramp = np.tile(np.arange(10, dtype=np.float32), (1, 10, 1))[..., None]
    sheared = _layer(ramp, 1.0, "shear_x")
    np.testing.assert_allclose(
        sheared[0, :, 5, 0], 5 + 0.3 * (np.arange(10) - 4.5), atol=0.01
    )
    turned = _layer(ramp, 1.0, "rotate")
    x, y = 5 - 4.5, np.arange(3, 7) - 4.5
    expected = 4.5 + x * np.cos(np.pi / 6) - y * np.sin(np.pi / 6)
    np.testing.assert_allclose(turned[0, 3:7, 5, 0], expected, atol=0.01)


def test_colors():
    pixels = tf.constant(_PIXELS)
    gray = _PIXELS @ np.array((0.299, 0.587, 0.114))
    factor = 1 + 0.9 * 0.5 * np.array((1, -1, 1)).reshape(3, 1, 1, 1)
    found = rand_augment._brightness(pixels, 0.5, _SIGN).numpy()
    np.testing.assert_allclose(found, _PIXELS * factor, rtol=1e-5)
    for change, base in (
        (rand_augment._color, gray[..., None]),
        (rand_augment._contrast, gray.mean(axis=(1, 2)).reshape(3, 1, 1, 1)),
    ):
        found = change(pixels, 0.5, _SIGN).numpy()
        np.testing.assert_allclose(
            found, base + factor * (_PIXELS - base), rtol=1e-4, atol=1e-2
        )
    found = rand_augment._posterize(pixels, 1.0, _SIGN).numpy()
    np.testing.assert_array_equal(found, _PIXELS // 16 * 16)
    found = rand_augment._solarize(pixels, 0.5, _SIGN).numpy()
    np.testing.assert_array_equal(
        found, np.where(_PIXELS >= 127.5, 255 - _PIXELS, _PIXELS)
    )
    found = rand_augment._auto_contrast(pixels, 1.0, _SIGN).numpy()
    assert np.allclose(found.min(axis=(1, 2)), 0) and found.max() <= 255.01
    flat = tf.fill((1, 4, 4, 1), 9.0)
    for change in rand_augment._COLORS[1:4] + rand_augment._COLORS[6:]:
        np.testing.assert_allclose(change(flat, 1.0, _SIGN[:1]), 9.0, rtol=1e-5)
    # Sharper is further from the smoothed picture.
    point = np.zeros((1, 5, 5, 1), np.float32)
    point[0, 2, 2] = 130
    found = rand_augment._sharpness(tf.constant(point), 1.0, _SIGN[:1]).numpy()
    assert found[0, 2, 2, 0] == pytest.approx(50 + 1.9 * 80, rel=1e-5)
    assert found[0, 1, 1, 0] == pytest.approx(10 - 1.9 * 10, rel=1e-4)


def test_every_picture_has_a_draw_of_its_own():
    pixels = np.tile(_PIXELS[:1], (300, 1, 1, 1))
    seed = tf.constant((1, 2))
    result = rand_augment.rand_augment(tf.constant(pixels), 1, 20, seed).numpy()
    assert result.min() >= 0 and result.max() <= 255
    # One in thirteen is left alone; nine have two signs: 22 are different, and all but
    # a few of them are drawn.
    different = np.unique(result.reshape(300, -1), axis=0)
    assert 19 <= len(different) <= 22
    untouched = np.mean(np.all(result == pixels, axis=(1, 2, 3)))
    assert 0.02 < untouched < 0.17


@pytest.mark.parametrize("given", [(2,), (0, 9), (2, 9, 1), (9, 9)])
def test_two_numbers_or_none(given):
    with pytest.raises(errors.UsageError, match="--rand_augment takes two numbers"):
        recipe.Augmentation(rand_augment=given)
