"""Draws what an accelerometer at a wrist feels in six activities.

    python experiments/motion/draw.py runs/data/motion.npz

Windows of 128 samples (2.56 s at 50 Hz) of three axes, in units of 2 g: gravity in the
direction of the arm, a rhythm of the activity's own with harmonics, and jolts. `groups`
are people, who differ in rhythm and strength; none of them is in two parts.
"""

import pathlib
import sys

import numpy as np

_SAMPLES, _PEOPLE, _WINDOWS = 128, 24, 24
# Steps a second, strength along each axis, jolts.
_ACTIVITIES = {
    "sitting": (0.3, (0.02, 0.02, 0.02), 0.01),
    "standing": (0.6, (0.04, 0.02, 0.03), 0.02),
    "walking": (1.8, (0.25, 0.12, 0.20), 0.05),
    "running": (2.8, (0.55, 0.25, 0.60), 0.15),
    "cycling": (1.3, (0.10, 0.22, 0.12), 0.06),
    "stairs": (1.5, (0.20, 0.10, 0.38), 0.10),
}


def _window(generator: np.random.Generator, activity, pace: float, strength: float):
    """float32 [samples, 3]."""
    rhythm, strengths, jolts = activity
    seconds = np.arange(_SAMPLES) / 50
    arm = generator.normal([0.1, 0.45, 0.05], 0.12)
    angle = 2 * np.pi * (rhythm * pace * seconds + generator.random())
    phases = generator.uniform(0, 2 * np.pi, 3)
    waves = np.sin(angle[:, None] + phases) + 0.4 * np.sin(2 * angle[:, None] + phases)
    felt = arm + strength * np.array(strengths) * waves
    felt = felt + generator.normal(0, jolts + 0.02, felt.shape)
    return np.clip(felt, -1, 0.99).astype(np.float32)


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    windows, labels, groups = [], [], []
    for person in range(_PEOPLE):
        pace, strength = generator.normal(1, 0.08), generator.uniform(0.7, 1.2)
        for number, activity in enumerate(_ACTIVITIES.values()):
            for _ in range(_WINDOWS):
                windows.append(_window(generator, activity, pace, strength))
                labels.append(number)
                groups.append(person)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        x=np.stack(windows),
        y=np.array(labels, np.int32),
        groups=np.array(groups, np.int32),
        class_names=list(_ACTIVITIES),
    )


if __name__ == "__main__":
    main()
