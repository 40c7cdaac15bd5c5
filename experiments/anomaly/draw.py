"""Draws the sounds of a machine as spectra, and of the same machine with a fault.

    python experiments/anomaly/draw.py runs/data/machine.npz

A fan hums at a speed that differs from record to record, with harmonics whose strength
follows the speed, over noise; a worn one has sidebands, a cracked one lacks some
harmonics. Each example is five frames of 32 mel bands, flattened as MLPerf Tiny's
anomaly detection has it. Train: normal ones alone. Test: half of them faulty.
"""

import pathlib
import sys

import numpy as np

_BANDS, _FRAMES = 32, 5


def _spectra(generator: np.random.Generator, count: int, fault: np.ndarray):
    """float32 [count, frames * bands] in [-1, 1): log power, scaled."""
    bands = np.arange(_BANDS)
    speed = generator.uniform(3.0, 4.0, (count, 1, 1))
    load = generator.uniform(0.6, 1.0, (count, 1, 1))
    power = np.full((count, _FRAMES, _BANDS), 0.05)
    for harmonic in range(1, 8):
        place = speed * harmonic + generator.normal(0, 0.05, (count, _FRAMES, 1))
        strength = load / harmonic
        if harmonic % 2 == 0:
            strength = strength * np.where(fault == 2, 0.45, 1.0)[:, None, None]
        for shift, part in ((0.0, 1.0), (-1.3, 0.1), (1.3, 0.1)):
            worn = 1.0 if shift == 0.0 else (fault == 1)[:, None, None]
            width = -np.square(bands - place - shift) / 0.5
            power = power + strength * part * worn * np.exp(width)
    power = power * generator.gamma(8.0, 1 / 8.0, power.shape)
    values = np.log10(power)
    scaled = np.clip((values + 1.0) / 1.5, -1.0, 0.99)
    return scaled.reshape(count, -1).astype(np.float32)


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    faults = np.repeat([0, 1, 2], [300, 150, 150])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        x_train=_spectra(generator, 4000, np.zeros(4000, int)),
        y_train=np.zeros(4000, np.int32),
        x_test=_spectra(generator, len(faults), faults),
        y_test=(faults > 0).astype(np.int32),
        class_names=["normal", "faulty"],
    )


if __name__ == "__main__":
    main()
