"""The kernel for many frames computes the bits of the readable one."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tests.audio import waves
from tfpipeline.audio import (
    float_features,
    front_end,
    integer_features,
    integer_reference,
    integer_tables,
)

FRONT_ENDS = {
    "defaults": front_end.FrontEnd(),
    "log mel at 8 kHz": front_end.FrontEnd(
        "log_mel", 8_000, 25, 10, 32, high_hertz=3_800
    ),
    # Odd windows, a transform of 2048 with a stage of two, bands without a bin.
    "music": front_end.FrontEnd(
        "mfcc", 44_100, 30.03, 33.3, 96, 24, 0, 22_050, clip_seconds=0.5
    ),
    "short": front_end.FrontEnd("mfcc", 4_000, 10, 15, 8, 8, 50, 2_000),
}


PARTS = strategies.integers(-(2**30), 2**30)


def frames(given, count=4):
    """Drawn frames, and the extremes."""
    random = np.random.default_rng(3)
    length = given.window_samples
    loud = random.integers(-32_768, 32_768, (count, length))
    quiet = random.integers(-2, 3, (count, length))
    alternating = np.where(np.arange(length) % 2, -32_768, 32_767)
    extremes = [np.zeros(length), np.full(length, -32_768), np.full(length, 32_767)]
    return np.concatenate([loud, quiet, [*extremes, alternating]]).astype(np.int16)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("given", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_rows_are_those_of_the_reference(given):
    framed = frames(given)
    expected = [integer_reference.row(given, frame.tolist()) for frame in framed]
    np.testing.assert_array_equal(integer_features.rows(given, framed), expected)


def test_clips_are_cut_into_rows():
    given = FRONT_ENDS["defaults"]
    clips = waves.clips()["speech"][:2]
    features = integer_features.features(given, clips)
    assert features.shape == (2, 49, 10, 1)
    frame = clips[1, 7 * 320 : 7 * 320 + 480].tolist()
    row = integer_reference.row(given, frame)
    np.testing.assert_array_equal(features[1, 7, :, 0], row)


@hypothesis.settings(deadline=None)
@hypothesis.given(PARTS, PARTS)
def test_magnitudes(real, imaginary):
    arrays = (np.array([real]), np.array([imaginary]))
    expected = integer_reference.magnitude(real, imaginary)
    assert integer_features.magnitudes(*arrays)[0] == expected


@pytest.mark.parametrize("square", [2**32 - 1, 2**32, 2**32 - 2**17, 2**60])
def test_magnitudes_beside_whole_roots(square):
    random = np.random.default_rng(0)
    real = np.rint(np.sqrt(square * random.uniform(0, 1, 500))).astype(np.int64)
    rest = np.sqrt(np.maximum(square - real.astype(float) ** 2, 0))
    imaginary = np.floor(rest).astype(np.int64)
    expected = list(map(integer_reference.magnitude, real.tolist(), imaginary.tolist()))
    np.testing.assert_array_equal(
        integer_features.magnitudes(real, imaginary), expected
    )


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.integers(1, 2**50))
def test_logarithms(value):
    tables = integer_tables.of(FRONT_ENDS["defaults"])
    expected = integer_reference.natural(tables, value)
    assert integer_features.natural(tables, np.array([value]))[0] == expected
    # log.cc steps through its table without a line between its entries.
    assert expected / 2**16 == pytest.approx(np.log(value), abs=0.0025)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    strategies.integers(-(2**24), 2**24),
    strategies.floats(1e-5, 1e3),
    strategies.sampled_from(["int8", "int16"]),
)
def test_integers_of_a_network(feature, scale, dtype):
    by = integer_features.scaling(scale, -3, dtype)
    found = integer_features.quantized(np.array([feature], np.int32), by)
    assert found.dtype == dtype
    assert found[0] == integer_reference.quantized(feature, by)
    limits = np.iinfo(dtype)
    exact = np.clip(feature / 2**16 / scale - 3, limits.min, limits.max)
    # Half a step, and the multiplier's 31 bits of 16.
    assert abs(found[0] - exact) <= 0.5 + 1e-4


def test_frames_lie_a_hop_apart():
    given = front_end.FrontEnd(sample_rate=16_000)
    samples = np.arange(16_000, dtype=np.int16)
    framed = float_features.frames(given, samples)
    assert framed.shape == (49, 480)
    np.testing.assert_array_equal(framed[:, 0], 320 * np.arange(49))
