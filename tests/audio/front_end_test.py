"""Parameters of a front end: what they give, and what is refused."""

import dataclasses

import pytest

from tfpipeline import errors
from tfpipeline.audio import front_end


def test_defaults_are_those_of_mlperf_tiny():
    given = front_end.FrontEnd()
    assert given.output_shape == (49, 10, 1)
    assert (given.window_samples, given.hop_samples) == (480, 320)
    assert (given.fft_length, given.clip_samples) == (512, 16_000)
    assert given.name == "mfcc_16000hz_30ms_20ms_40mel_20-4000hz_10mfcc_1s"


def test_log_mel_has_a_feature_for_each_band():
    given = front_end.FrontEnd("log_mel", coefficients=500)
    assert given.output_shape == (49, 40, 1)
    assert "500" not in given.name


def test_samples_are_cut_off():
    given = front_end.FrontEnd(sample_rate=22_050, window_ms=30, stride_ms=0.3)
    assert (given.window_samples, given.hop_samples) == (661, 6)


def test_a_file_gives_the_same_front_end():
    given = front_end.FrontEnd("log_mel", 8_000, 25, 10, 20, high_hertz=3_000.5)
    assert front_end.from_json(given.to_json(), "x") == given


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "cepstrum"}, "log_mel, mfcc; found 'cepstrum'"),
        ({"sample_rate": 7}, "sample_rate must be 1,000 to 192,000; found 7"),
        ({"sample_rate": 16e3}, "sample_rate must be a whole number"),
        ({"mel_bins": True}, "mel_bins must be a whole number; found True"),
        ({"mel_bins": 0}, "mel_bins must be 1 to 256"),
        ({"coefficients": 41}, "coefficients must be 1 to 40"),
        ({"high_hertz": 9_000}, "high_hertz must be 0 to 8,000"),
        ({"low_hertz": 4_000}, "low_hertz must be below its high_hertz"),
        ({"window_ms": 200}, "window_ms must be 2.0625 to 128"),
        ({"window_ms": float("nan")}, "window_ms must be"),
        ({"stride_ms": 0}, "stride_ms must be 0.0625 to 60,000"),
        ({"clip_seconds": 0.02}, "clip_seconds must be 0.03 to 180"),
        ({"clip_seconds": 100, "stride_ms": 1}, "number of frames must be 1 to 10,000"),
    ],
)
def test_what_does_not_go_together_is_refused(change, match):
    with pytest.raises(errors.UsageError, match=match):
        front_end.FrontEnd(**change)
    values = dataclasses.asdict(front_end.FrontEnd()) | change
    with pytest.raises(errors.DamagedFileError, match=r"file\.json"):
        front_end.from_json(values, "file.json")


@pytest.mark.parametrize("values", [{}, [], None, {"kind": "mfcc"}])
def test_files_without_all_parameters_are_refused(values):
    with pytest.raises(errors.DamagedFileError, match="no front end with clip_seconds"):
        front_end.from_json(values, "file.json")
