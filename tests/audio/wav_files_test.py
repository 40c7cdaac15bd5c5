"""`.wav` files as others write them: SciPy, Python's library, and damaged ones."""

import io
import struct
import wave

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from scipy.io import wavfile

from tests.audio import waves
from tfpipeline import errors
from tfpipeline.audio import front_end, wav_files

GIVEN = front_end.FrontEnd()
SAMPLES = waves.speech(np.random.default_rng(5))


def by_scipy(values, rate=16_000):
    stream = io.BytesIO()
    wavfile.write(stream, rate, values)
    return stream.getvalue()


def by_python(raw, width, channels=1, rate=16_000):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return stream.getvalue()


def packed_24(values):
    """The high three bytes of 32 bits."""
    return values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


def parse(data, given=GIVEN):
    return wav_files.parse(data, "a.wav", given)


def extensible(data, guid=b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"):
    """The same with the longer format that names its coding by a GUID."""
    coding, *rest = struct.unpack_from("<HHIIHH", data, 20)
    long = struct.pack("<HHIIHHHHIH", 0xFFFE, *rest, 22, rest[-1], 0, coding) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(long)) + long + data[36:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_16_bits_are_given_back_as_they_are(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(by_scipy(SAMPLES))
    np.testing.assert_array_equal(wav_files.read(path, GIVEN), SAMPLES)


@pytest.mark.parametrize(
    ("data", "step"),
    [
        (by_python((SAMPLES // 256 + 128).astype(np.uint8).tobytes(), 1), 256),
        (by_python(packed_24(SAMPLES.astype(np.int32) << 16), 3), 1),
        (by_scipy(SAMPLES.astype(np.int32) << 16), 1),
        (by_scipy((SAMPLES / 32_768).astype(np.float32)), 1),
        (by_scipy(SAMPLES / 32_768), 1),
        (extensible(by_scipy(SAMPLES)), 1),
        (by_scipy(np.stack([SAMPLES, SAMPLES], axis=1)), 1),
    ],
    ids=["8", "24", "32", "float32", "float64", "extensible", "stereo"],
)
def test_other_codings_are_the_same_sound(data, step):
    np.testing.assert_array_equal(parse(data), SAMPLES // step * step)


def test_channels_are_averaged():
    left, right = SAMPLES, waves.tone(700)
    mixed = parse(by_scipy(np.stack([left, right], axis=1)))
    # Halves are rounded to even.
    np.testing.assert_array_equal(mixed, np.rint((left.astype(int) + right) / 2))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 16_001])
def test_other_rates_are_resampled(rate):
    hertz = 440
    wave_there = 0.5 * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate)
    clip = parse(by_scipy(wave_there, rate))
    assert clip.shape == (16_000,)
    expected = 0.5 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
    # The filter passes up to its corner with 0.1 % of ripple; its ends see zeros.
    inner = slice(400, -400)
    np.testing.assert_allclose(clip[inner] / 32_768, expected[inner], atol=2e-3)
    # Cutting a long file off first changes nothing.
    short = front_end.FrontEnd(clip_seconds=0.25)
    np.testing.assert_array_equal(
        parse(by_scipy(wave_there, rate), short), clip[:4_000]
    )


def test_clips_are_filled_and_cut_off_at_their_end():
    short = parse(by_scipy(SAMPLES[:100]))
    np.testing.assert_array_equal(short[:100], SAMPLES[:100])
    assert not short[100:].any()
    long = np.concatenate([SAMPLES, SAMPLES])
    np.testing.assert_array_equal(parse(by_scipy(long)), SAMPLES)


def test_loud_floats_are_saturated():
    clip = parse(by_scipy(np.array([2.0, -2.0, 1.0, -1.0])))
    np.testing.assert_array_equal(clip[:4], [32_767, -32_768, 32_767, -32_768])


def test_other_chunks_and_open_lengths_are_read():
    data = by_scipy(SAMPLES)
    header, body = data[:36], data[44:]
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    for length in (0, 0xFFFFFFFF):
        streamed = header + note + b"data" + struct.pack("<I", length) + body
        np.testing.assert_array_equal(parse(streamed), SAMPLES)


def with_format(**fields):
    """A file whose format has other numbers."""
    data = bytearray(by_scipy(SAMPLES))
    places = {"coding": ("<H", 20), "channels": ("<H", 22), "rate": ("<I", 24)}
    places |= {"bits": ("<H", 34)}
    for name, value in fields.items():
        struct.pack_into(places[name][0], data, places[name][1], value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "does not begin as RIFF and WAVE"),
        (b"text in a file named so", "does not begin as RIFF"),
        (by_scipy(SAMPLES)[:30], "its format has fewer than 16 bytes"),
        (by_scipy(SAMPLES)[:36], "has no samples"),
        (by_scipy(SAMPLES)[:-7], "cut short: 31,993 of 32,000 bytes"),
        (by_scipy(SAMPLES[:0]), "has no samples"),
        (by_scipy(np.array([0.0, np.nan])), "samples that are not finite"),
        (with_format(coding=7, bits=8), "8 bits mu-law; convert it"),
        (with_format(coding=99), "16 bits coding 99"),
        (with_format(bits=12), "12 bits PCM"),
        (with_format(channels=0), "has 0 channels"),
        (with_format(channels=3), "last sample is cut short"),
        (with_format(rate=2**32 - 1), "has 4,294,967,295 samples a second"),
        (by_scipy(SAMPLES).replace(b"fmt ", b"fnt "), "before their format"),
    ],
    ids=range(14),
)
def test_damaged_files_are_named(data, match):
    with pytest.raises(errors.DamagedFileError, match=rf"^a\.wav .*{match}"):
        parse(data)


def test_files_that_are_absent_or_too_large_are_named(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    with pytest.raises(errors.StorageError, match=r"a\.wav: No such file"):
        wav_files.read(path, GIVEN)
    path.write_bytes(by_scipy(SAMPLES))
    monkeypatch.setattr(wav_files, "MAX_BYTES", 1_000)
    with pytest.raises(errors.StorageError, match=r"a\.wav has over 1,000 bytes"):
        wav_files.read(path, GIVEN)


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.data())
def test_any_damage_is_a_clip_or_one_clear_error(data):
    file = bytearray(by_scipy(SAMPLES[:64]))
    for _ in range(data.draw(strategies.integers(1, 4))):
        file[data.draw(strategies.integers(0, len(file) - 1))] = data.draw(
            strategies.integers(0, 255)
        )
    length = data.draw(strategies.integers(0, len(file)))
    try:
        clip = parse(bytes(file[:length]))
    except errors.DamagedFileError as error:
        assert str(error).startswith("a.wav")
        assert len(str(error)) < errors.MAX_LINE_CHARACTERS
    else:
        assert clip.shape == (16_000,)
        assert clip.dtype == np.int16
