"""Waves that are drawn: tones, noises, and what sounds like speech."""

import numpy as np

RATE = 16_000


def _int16(wave):
    return np.clip(np.rint(32_768 * wave), -32_768, 32_767).astype(np.int16)


def tone(hertz, amplitude=0.5, count=RATE):
    return _int16(amplitude * np.sin(2 * np.pi * hertz * np.arange(count) / RATE))


def noise(random, amplitude=0.1, count=RATE):
    return _int16(amplitude * random.standard_normal(count))


def dithered(random, wave):
    """With the noise of a step that every converter has."""
    return (wave + np.rint(random.standard_normal(len(wave)))).astype(np.int16)


def chirp(amplitude=0.5, count=RATE):
    """From 50 Hz to 7 kHz."""
    seconds = np.arange(count) / RATE
    phase = 2 * np.pi * (50 * seconds + (7_000 - 50) * seconds**2 / 2)
    return _int16(amplitude * np.sin(phase))


def speech(random, amplitude=0.3, count=RATE):
    """Syllables: a voice of harmonics under formants, hissing, and pauses with hum."""
    seconds = np.arange(count) / RATE
    pitch = random.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 3 * seconds))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = random.uniform([300, 900, 2_200], [800, 2_000, 3_300])
    voice = np.zeros(count)
    for harmonic in range(1, 40):
        at = harmonic * pitch.mean()
        gain = (1 / (1 + ((at - formants) / 120) ** 2)).sum() / harmonic**0.5
        voice += gain * np.sin(harmonic * phase)
    hiss = np.diff(random.standard_normal(count + 1))
    centers = random.uniform(0.1, 0.9, 4) * count / RATE
    loud = np.exp(-(((seconds[:, np.newaxis] - centers) / 0.07) ** 2))
    mixed = (
        voice * loud[:, :3].sum(axis=1) / np.abs(voice).max()
        + 0.2 * hiss * loud[:, 3] / np.abs(hiss).max()
    )
    background = 1e-3 * random.standard_normal(count)
    return _int16(amplitude * (mixed + background))


def clips(seed=0):
    """Kind of wave -> clips of a second, `[N, 16000]`."""
    random = np.random.default_rng(seed)

    def loudness(quietest):
        return 10 ** -random.uniform(0, quietest)

    tones = [tone(hertz, loudness(3)) for hertz in (60, 440, 1_000, 3_900)]
    return {
        "speech": np.stack([speech(random, loudness(2)) for _ in range(8)]),
        "tones": np.stack([dithered(random, each) for each in (*tones, chirp())]),
        "pure tones": np.stack(tones),
        "noise": np.stack([noise(random, 0.3 * loudness(3)) for _ in range(6)]),
    }
