"""The float front end against TensorFlow's own signal processing."""

import numpy as np
import pytest

from tests.audio import waves
from tfpipeline import errors
from tfpipeline.audio import float_features, front_end
from tfpipeline.compat import tf

FRONT_ENDS = (
    front_end.FrontEnd(),
    front_end.FrontEnd("log_mel"),
    front_end.FrontEnd("log_mel", 16_000, 64, 32, 80, low_hertz=0, high_hertz=8_000),
    # An odd window, a rate that gives no whole frames, bands without a bin.
    front_end.FrontEnd("mfcc", 11_025, 25, 10, 120, 20, 20, 5_500, 0.9),
)


def by_tensorflow(given, samples, dtype):
    """As get_dataset.py of MLPerf Tiny's keyword spotting, but for its peak."""
    scaled = tf.cast(samples, dtype) / 32_768
    spectra = tf.abs(
        tf.signal.stft(
            scaled,
            frame_length=int(given.sample_rate * given.window_ms / 1000),
            frame_step=int(given.sample_rate * given.stride_ms / 1000),
            fft_length=None,
            window_fn=tf.signal.hann_window,
        )
    )
    matrix = tf.signal.linear_to_mel_weight_matrix(
        given.mel_bins,
        spectra.shape[-1],
        given.sample_rate,
        given.low_hertz,
        given.high_hertz,
        dtype=dtype,
    )
    log_mel = tf.math.log(tf.tensordot(spectra, matrix, 1) + 1e-6)
    if given.kind == "log_mel":
        return log_mel.numpy()[..., np.newaxis]
    mfccs = tf.signal.mfccs_from_log_mel_spectrograms(log_mel)
    return mfccs[..., : given.coefficients].numpy()[..., np.newaxis]


@pytest.mark.parametrize("given", FRONT_ENDS, ids=lambda given: given.name)
def test_features_are_those_of_tensorflow(given):
    for clips in waves.clips().values():
        samples = clips[:, : given.clip_samples]
        features = float_features.features(given, samples)
        expected = by_tensorflow(given, samples, tf.float64)
        assert features.shape == (len(clips), *given.output_shape)
        # The features are float32 in the end: seven digits of up to 100.
        np.testing.assert_allclose(features, expected, rtol=2e-7, atol=1e-7)


def test_features_are_those_of_tensorflow_in_float32():
    given = front_end.FrontEnd()
    clips = waves.clips()
    samples = np.concatenate([clips["speech"], clips["noise"]])
    features = float_features.features(given, samples)
    expected = by_tensorflow(given, samples, tf.float32)
    # Tones are left out: far from them float32 has one digit.
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-4)


def test_silence_is_the_logarithm_of_what_is_added():
    given = front_end.FrontEnd("log_mel")
    features = float_features.features(given, np.zeros((1, 16_000), np.int16))
    np.testing.assert_allclose(features, np.log(1e-6), rtol=1e-6)


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 15_999), np.int16), np.zeros((2, 16_000), np.float32)]
)
def test_other_clips_are_refused(samples):
    with pytest.raises(errors.UsageError, match=r"int16 of shape \(..., 16000\)"):
        float_features.features(front_end.FrontEnd(), samples)
