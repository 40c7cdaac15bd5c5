"""What `--input_range` says: how far the values of a network's input reach.

It decides two things: the scale of the input's integers, and what the network reads of
a picture's pixel where calibration data are pictures.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.data import preprocessing
from tfpipeline.precision import formats

AUTO = "auto"
PIXELS = "pixels"
SIGNED = "signed"
UNIT = "unit"

# The largest integer of a symmetric activation of 16 bits.
_LARGEST_INT16 = 32767
_LAST_PIXEL = 255
_MAX_MAGNITUDE = 1e30


@dataclasses.dataclass(frozen=True)
class InputRange:
    """The real values from the darkest to the brightest pixel, or of any input.

    Attributes:
        low: the least.
        high: the largest.
        is_of_pixels: whether each of the 256 steps of a pixel is a step of the int8
            scale: the range is one of those with a name.
    """

    low: float
    high: float
    is_of_pixels: bool = False

    def of_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """What the network reads of pixels from 0 to 255."""
        step = (self.high - self.low) / _LAST_PIXEL
        return (pixels * np.float64(step) + self.low).astype(np.float32)

    def of_whole_steps(self) -> "InputRange":
        """The same for pixels: moved so that zero is a whole pixel, by half at most.

        As training has it (`data.preprocessing`): int8 holds each pixel as it is.
        """
        if self.is_of_pixels:
            return self
        found = preprocessing.of_bytes(self.low, self.high)
        return InputRange(found.low, found.high)

    def for_format(self, form: formats.Format) -> tuple[float, float]:
        """The range that gives the input's scale.

        Beside 16 bits, steps of pixels get a scale that is a power of two and holds
        each of them exactly: a microcontroller feeds `pixel << 7` for 0 to 255.
        """
        if form.activation_bits == 8 or not self.is_of_pixels:
            return self.low, self.high
        most = max(-self.low, self.high)
        limit = 2.0 ** math.ceil(math.log2(most)) * (_LARGEST_INT16 / 2**15)
        return -limit, limit


# By the names that --input_range takes.
NAMED = {
    # (pixel - 128) / 128, as training has it.
    SIGNED: InputRange(-1.0, 127 / 128, is_of_pixels=True),
    # pixel / 256, as training with --nonormalize.
    UNIT: InputRange(0.0, 255 / 256, is_of_pixels=True),
    # The pixel as it is, for networks that scale it themselves.
    PIXELS: InputRange(0.0, 255.0, is_of_pixels=True),
}
HELP = (
    "What the network reads: pixels, 0 to 255 as they are; signed, (pixel - 128) / "
    "128; unit, pixel / 256; LOW,HIGH, any values between these; auto, what the "
    "calibration data have, where pictures are pixels for a network that begins with a "
    "Rescaling and signed for any other."
)


def between(low: float, high: float) -> InputRange:
    """The range of these ends, which is one with a name where they are that one's."""
    for each in NAMED.values():
        if (each.low, each.high) == (low, high):
            return each
    return InputRange(low, high)


def parse(text: str) -> InputRange | None:
    """What a flag says; `None` for auto.

    Raises:
        UsageError: neither a name nor two numbers, the smaller first.
    """
    if text == AUTO:
        return None
    if text in NAMED:
        return NAMED[text]
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    # Not `>=`: what is no number is no range either.
    if not -_MAX_MAGNITUDE < low < high < _MAX_MAGNITUDE:
        raise errors.UsageError(
            f"it must be {AUTO}, {', '.join(NAMED)}, or LOW,HIGH with LOW below HIGH; "
            f"found {errors.brief(text)}"
        )
    return InputRange(low, high)


def of_values(values: npt.NDArray[np.float32]) -> InputRange:
    """The range of the data themselves, and of zero."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    # A range of nothing has no scale.
    return InputRange(low, high if high > low else low + 1.0)
