"""How far the integer front end is from the float one; prints the table of a page.

    python -m tests.audio.front_end_errors

Waves are drawn anew from fixed seeds, 16-bit at 16 kHz. A step is that of int8 over the
range of all features, as calibration chooses it.
"""

import numpy as np

from tests.audio import waves
from tfpipeline.audio import float_features, front_end, integer_features
from tfpipeline.numerics import affine

SEEDS = 4
_ONE = 2**16
_COLUMNS = (
    "features",
    "waves",
    "SNR",
    "largest",
    "int8 steps",
    "int8 that differ",
    "by",
)


def differences(kind):
    """Of each kind of waves.

    Returns:
        SNR in dB, the largest difference, the same in int8 steps, share of int8 that
        are off, and how far off the worst of them is.
    """
    given = front_end.FrontEnd(kind)
    drawn = [waves.clips(seed) for seed in range(SEEDS)]
    clips = {name: np.concatenate([each[name] for each in drawn]) for name in drawn[0]}
    exact = {name: float_features.features(given, each) for name, each in clips.items()}
    ends = np.concatenate([each.ravel() for each in exact.values()])
    quant = affine.of_observed(float(ends.min()), float(ends.max()), 8)
    scale, zero = quant.scale[0], quant.zero_point[0]
    by = integer_features.scaling(scale, zero, "int8")
    result = {}
    for name, reals in exact.items():
        integers = integer_features.features(given, clips[name])
        error = integers / _ONE - reals
        steps = np.clip(np.rint(reals / scale) + zero, -128, 127)
        moved = np.abs(integer_features.quantized(integers, by) - steps)
        snr = 10 * np.log10(reals.var() / np.square(error).mean())
        largest = float(np.abs(error).max())
        result[name] = (snr, largest, largest / scale, (moved > 0).mean(), moved.max())
    return result


def main():
    """Prints a table of Markdown."""
    print(f"| {' | '.join(_COLUMNS)} |")
    print("| --- " * len(_COLUMNS) + "|")
    for kind in front_end.KINDS:
        for name, (snr, largest, steps, moved, most) in differences(kind).items():
            print(
                f"| {kind} | {name} | {snr:.1f} dB | {largest:.4f} | {steps:.3f} | "
                f"{100 * moved:.2f} % | {most:.0f} |"
            )


if __name__ == "__main__":
    main()
