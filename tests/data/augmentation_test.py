"""Augmentation: each transform by its rule, all of it repeatable by seed."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import augmentation
from tfpipeline.data.preprocessing import SIGNED, UNSIGNED


def _images(count=64, size=8, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, size, size, 3), np.uint8)


def _augment(images, seed=(1, 2), preprocessing=SIGNED, **fields):
    return augmentation.augment(
        tf.constant(images),
        recipe.Augmentation(**fields),
        tf.constant(seed),
        preprocessing,
    ).numpy()


def _pixels(values):
    return values * 128 + 128


def test_everything_off_is_normalization_alone():
    images = _images()
    np.testing.assert_array_equal(_pixels(_augment(images)), images)


def test_normalize_off_is_pixel_over_256():
    images = _images()
    np.testing.assert_array_equal(
        _augment(images, preprocessing=UNSIGNED) * 256, images
    )


def test_range_is_that_of_int8():
    ends = np.array([0, 255], np.uint8)
    np.testing.assert_array_equal(
        augmentation.to_input(ends, SIGNED).numpy(), [-1, 127 / 128]
    )
    np.testing.assert_array_equal(
        augmentation.to_input(ends, UNSIGNED).numpy(), [0, 255 / 256]
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"random_crop": 2},
        {"horizontal_flip": True},
        {"rotation": 20.0},
        {"color_jitter": 0.3},
        {"gaussian_noise": 0.1},
        {"cutout": 4},
        {"rand_augment": (2, 9)},
    ],
)
def test_same_seed_same_batch_other_seed_other_batch(fields):
    images = _images()
    one = _augment(images, **fields)
    np.testing.assert_array_equal(one, _augment(images, **fields))
    assert not np.array_equal(one, _augment(images, seed=(1, 3), **fields))
    assert not np.array_equal(one, _augment(images))
    assert one.min() >= -1.0 and one.max() <= 127 / 128


def test_flip_mirrors_about_half_of_the_images_exactly():
    images = _images(400)
    result = _pixels(_augment(images, horizontal_flip=True))
    kept = np.array([np.array_equal(a, b) for a, b in zip(result, images, strict=True)])
    np.testing.assert_array_equal(result[~kept], images[~kept][:, :, ::-1])
    # Binomial(400, 0.5) is outside 140..260 less than once in 10^8.
    assert 140 < kept.sum() < 260


# Of a 3-pixel side reflected by 2, the outermost windows are equal: 4 x 4 differ.
@pytest.mark.parametrize(("size", "windows"), [(8, 25), (3, 16)])
def test_crop_is_a_window_of_the_image_with_reflected_border(size, windows):
    shift = 2
    images = _images(200, size)
    padded = np.pad(
        images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect"
    )
    result = _pixels(_augment(images, random_crop=shift))
    seen = set()
    for image, wide in zip(result, padded, strict=True):
        offsets = [
            (y, x)
            for y in range(2 * shift + 1)
            for x in range(2 * shift + 1)
            if np.array_equal(image, wide[y : y + size, x : x + size])
        ]
        assert offsets
        seen.update(offsets[:1])
    # 200 draws: a given one of 25 is missed with probability 0.03 %.
    assert len(seen) >= windows - 1


def test_crop_larger_than_the_image_stays_inside_it():
    images = _images(8, 2)
    result = _pixels(_augment(images, random_crop=64))
    for image, source in zip(result, images, strict=True):
        colors = {tuple(pixel) for pixel in source.reshape(-1, 3)}
        assert {tuple(pixel) for pixel in image.reshape(-1, 3).astype(int)} <= colors


def test_rotation_keeps_the_center_and_moves_the_rim():
    images = np.zeros((32, 9, 9, 3), np.uint8)
    images[:, 4, 4] = 200
    images[:, 4, 8] = 100
    result = _pixels(_augment(images, rotation=45.0))
    # float32 coordinates: the center's weight is 1 within rounding.
    np.testing.assert_allclose(result[:, 4, 4], 200, atol=0.01)
    assert np.ptp(result[:, 4, 8, 0]) > 20


def test_noise_has_the_stated_standard_deviation():
    images = np.full((64, 16, 16, 3), 128, np.uint8)
    result = _pixels(_augment(images, gaussian_noise=0.1))
    # 49,152 draws: the sample's standard deviation is within 2 % of 25.5.
    assert np.std(result) == pytest.approx(25.5, rel=0.02)
    assert abs(np.mean(result) - 128) < 1


def test_cutout_is_a_gray_square_with_its_center_on_the_image():
    images = np.full((300, 8, 8, 3), 7, np.uint8)
    result = _pixels(_augment(images, cutout=4))
    places = set()
    for image in result:
        cut = image[:, :, 0] == 128
        assert np.all(image[cut] == 128) and np.all(image[~cut] == 7)
        rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
        np.testing.assert_array_equal(cut, np.outer(cut.any(1), cut.any(0)))
        for line in (rows, columns):
            assert 2 <= len(line) <= 4 and np.all(np.diff(line) == 1)
        places.add((rows[0], rows[-1], columns[0], columns[-1]))
    # 8 x 8 centers; of 300 draws 63 or so are seen.
    assert len(places) > 55


def test_cutout_leaves_the_other_transforms_as_they_were():
    images = _images(16)
    options = {"random_crop": 2, "horizontal_flip": True, "gaussian_noise": 0.1}
    with_it, without = (
        _pixels(_augment(images, **options, cutout=side)) for side in (3, 0)
    )
    assert np.mean(with_it == without) > 0.5
    np.testing.assert_array_equal(with_it[with_it != without], 128)


def test_jitter_changes_images_as_wholes():
    images = np.full((64, 4, 4, 3), 100, np.uint8)
    result = _pixels(_augment(images, color_jitter=0.5))
    assert np.all(np.ptp(result.reshape(64, -1), axis=1) < 1e-2)  # gray stays gray
    brightness = result[:, 0, 0, 0] / 100
    assert 0.45 < brightness.min() < 0.7 and 1.3 < brightness.max() < 1.55


@pytest.mark.parametrize(
    "fields",
    [
        {"random_crop": -1},
        {"rotation": 181.0},
        {"color_jitter": 2.0},
        {"gaussian_noise": -0.1},
    ],
)
def test_out_of_bounds_is_refused(fields):
    name, value = next(iter(fields.items()))
    with pytest.raises(errors.UsageError, match=f"{name} must be from .*{value}"):
        recipe.Augmentation(**fields)
