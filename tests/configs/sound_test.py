"""Flags of a front end."""

import pytest

from tfpipeline import errors
from tfpipeline.audio import front_end
from tfpipeline.configs import fields, sound


def test_defaults_are_the_wave_and_no_part_of_an_identity():
    given = sound.Sound()
    assert given.value is None
    assert fields.identity(given) == {}


def test_a_front_end_has_the_defaults_of_mlperf_tiny():
    given = sound.Sound(front_end="mfcc")
    assert given.value == front_end.FrontEnd()
    assert fields.identity(given) == {"front_end": "mfcc"}


def test_every_flag_is_a_parameter():
    given = sound.Sound("log_mel", 8_000, 25, 10, 20, 13, 50, 3_000, 0.5)
    expected = front_end.FrontEnd(
        "log_mel", 8_000, 25, 10, 20, 13, 50, 3_000, clip_seconds=0.5
    )
    assert given.value == expected
    # Without a meaning, so that it need not fit.
    assert sound.Sound("log_mel", mel_bins=5).value.num_features == 5


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        ({"front_end": "cepstrum"}, "--front_end must be one of none, log_mel, mfcc"),
        ({"front_end": "mfcc", "mel_bins": 8}, "coefficients must be 1 to 8; found 10"),
        ({"front_end": "mfcc", "sample_rate": 4_000}, "high_hertz must be 0 to 2,000"),
        ({"stride_ms": 10}, "--stride_ms goes with --front_end=log_mel or mfcc"),
        ({"front_end": "mfcc", "window_ms": float("inf")}, "--window_ms must be a fin"),
    ],
)
def test_what_does_not_go_together_is_refused(flags, match):
    with pytest.raises(errors.UsageError, match=match):
        sound.Sound(**flags)
    assert sound.Sound(clip_seconds=2).value is None
