"""Steps of the integer front end against TensorFlow Lite Micro's own operators."""

import numpy as np
import pytest

from tests.audio import tflm_signal, waves
from tfpipeline.audio import front_end, integer_features, integer_tables

GIVEN = front_end.FrontEnd()
TABLES = integer_tables.of(GIVEN)
# Its operator takes the type as TensorFlow Lite numbers it.
INT32 = 2


def of_length(length):
    """The constants of a transform, by a window that fills it."""
    return integer_tables.of(
        front_end.FrontEnd(window_ms=1000 * length / 16_000, mel_bins=2, coefficients=1)
    )


@pytest.mark.parametrize("length", [64, 128, 256, 512, 1024, 2048])
def test_transforms_are_those_of_the_operator(length):
    random = np.random.default_rng(length)
    values = random.integers(-(2**30), 2**30, (3, length), endpoint=True)
    values[1] >>= 18
    values[2] = np.where(np.arange(length) % 3, 2**30, -(2**30))
    real, imaginary = integer_features.spectrum(of_length(length), values)
    for row, each in enumerate(values.astype(np.int32)):
        expected = tflm_signal.run(
            "SignalRfft", [each], ((length + 2,), np.int32), T=INT32, fft_length=length
        )
        np.testing.assert_array_equal(real[row], expected[::2])
        np.testing.assert_array_equal(imaginary[row], expected[1::2])


def test_magnitudes_are_roots_of_the_operator():
    random = np.random.default_rng(0)
    bits = random.uniform(0, 30, (2, 4_000))
    real, imaginary = (2**bits).astype(np.int64) * random.choice([-1, 1], bits.shape)
    real[:4], imaginary[:4] = [0, 65_535, 65_535, 65_536], [0, 0, 300, 0]
    squares = (real**2 + imaginary**2).astype(np.uint64)
    expected = tflm_signal.run(
        "SignalFilterBankSquareRoot",
        [squares, np.array(0, np.int32)],
        (squares.shape, np.uint32),
    )
    np.testing.assert_array_equal(
        integer_features.magnitudes(real, imaginary), expected
    )


@pytest.mark.parametrize(
    "given",
    [GIVEN, front_end.FrontEnd("log_mel", 16_000, 64, 32, 80, 10, 0, 8_000)],
    ids=lambda given: given.name,
)
def test_bands_are_those_of_the_operator(given):
    tables = integer_tables.of(given)
    random = np.random.default_rng(1)
    spectra = (2 ** random.uniform(0, 31, (1, given.fft_length // 2 + 1))).astype(
        np.int64
    )
    weight_starts = np.cumsum(tables.span_widths) - tables.span_widths
    expected = tflm_signal.run(
        "SignalFilterBank",
        [
            spectra[0].astype(np.uint32),
            tables.falling,
            2**integer_tables.WEIGHT_BITS - tables.falling,
            tables.span_starts,
            weight_starts.astype(np.int16),
            tables.span_widths,
        ],
        ((given.mel_bins,), np.uint64),
        num_channels=given.mel_bins,
    )
    np.testing.assert_array_equal(integer_features.mel(tables, spectra)[0], expected)


def test_logarithms_are_those_of_the_operator():
    random = np.random.default_rng(2)
    values = (2 ** random.uniform(1, 32, 20_000)).astype(np.int64)
    values[:4] = [2, 3, 2**31, 2**32 - 1]
    # The largest at which no result reaches the end of its int16.
    output_scale = 1_477
    expected = tflm_signal.run(
        "SignalFilterBankLog",
        [values.astype(np.uint32)],
        (values.shape, np.int16),
        input_correction_bits=0,
        output_scale=output_scale,
    )
    logarithms = integer_features.natural(TABLES, values)
    np.testing.assert_array_equal((logarithms * output_scale + 2**15) >> 16, expected)


def test_a_clip_goes_through_all_operators():
    """What our steps hand on to each other is what the operators would."""
    frame = waves.clips()["speech"][0][6_400:6_880].astype(np.int64)
    scaled = (frame * TABLES.window + 2**15) >> 16
    bins = tflm_signal.run(
        "SignalRfft",
        [scaled.astype(np.int32)],
        ((514,), np.int32),
        T=INT32,
        fft_length=512,
    ).astype(np.int64)
    spectrum = tflm_signal.run(
        "SignalFilterBankSquareRoot",
        [(bins[::2] ** 2 + bins[1::2] ** 2).astype(np.uint64), np.array(0, np.int32)],
        ((257,), np.uint32),
    )
    bands = integer_features.mel(TABLES, spectrum[np.newaxis].astype(np.int64))
    expected = integer_features.logarithms(TABLES, bands) @ TABLES.cosines.T
    expected = (expected + 2 ** (TABLES.cosine_bits - 1)) >> TABLES.cosine_bits
    row = integer_features.rows(GIVEN, frame[np.newaxis].astype(np.int16))
    np.testing.assert_array_equal(row, expected)
