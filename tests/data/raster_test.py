import numpy as np
import pytest

from tfpipeline.data import raster


def test_value_noise_stays_between_its_grid_values() -> None:
    noise = raster.value_noise(np.random.default_rng(0), count=3, size=40, cells=5)
    assert noise.shape == (3, 40, 40)
    assert noise.dtype == np.float32
    assert noise.min() >= 0.0
    assert noise.max() <= 1.0
    assert noise.std() > 0.1


def test_finer_noise_changes_more_between_neighbors() -> None:
    coarse, fine = (
        raster.value_noise(np.random.default_rng(0), 8, 64, cells) for cells in (2, 16)
    )
    assert np.abs(np.diff(fine)).mean() > 2 * np.abs(np.diff(coarse)).mean()


def test_coverage_is_half_on_the_edge() -> None:
    inside = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0], np.float32)
    expected = [0.0, 0.0, 0.5, 0.75, 1.0, 1.0]
    np.testing.assert_array_equal(raster.coverage(inside, 1.0), expected)


def test_mix_keeps_where_mask_is_zero_and_replaces_where_it_is_one() -> None:
    below = np.zeros((1, 3, 3), np.float32)
    above = np.array([0.2, 0.4, 0.8], np.float32)
    mixed = raster.mix(below, above, np.array([[0.0, 0.5, 1.0]], np.float32))
    np.testing.assert_array_equal(mixed[0], np.stack([below[0, 0], above / 2, above]))


def test_downsample_means_over_blocks() -> None:
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    small = raster.downsample(image, 2)
    np.testing.assert_array_equal(small[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_blur_keeps_flat_images_and_spreads_a_point() -> None:
    flat = np.full((2, 9, 9, 3), 0.25, np.float32)
    blurred = raster.blur(flat, np.array([0.5, 2.0]))
    # Rounding of the float32 sum of up to eleven weights.
    np.testing.assert_allclose(blurred, flat, rtol=1e-6)
    point = np.zeros((1, 15, 15, 1), np.float32)
    point[0, 7, 7] = 1.0
    spread = raster.blur(point, np.array([1.0]))
    assert spread[0, 7, 7, 0] == pytest.approx(1 / (2 * np.pi), rel=0.02)
    np.testing.assert_allclose(spread.sum(), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(raster.blur(point, np.array([0.0])), point)


def test_to_uint8_rounds_and_clips() -> None:
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    np.testing.assert_array_equal(raster.to_uint8(values), [0, 0, 128, 255, 255])
