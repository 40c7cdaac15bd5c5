"""How stored inputs become the real numbers that a network takes.

    real = (stored - zero) * scale

Stored inputs are uint8 (pictures, mostly), or float32 already. The real value 0 always
lies on a whole stored number of uint8, so the int8 input of a deployed network is
`stored - 128` for every range: its scale is `scale`, its zero point `zero - 128`.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from tfpipeline import errors

AUTO, PIXELS = "auto", "pixels"


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """One mapping of stored inputs to real ones; the same in NumPy and TensorFlow.

    Attributes:
        zero: the stored value that stands for 0.
        scale: real numbers a stored step; above 0.
        low: the least real value of the input, 0 or less.
        high: the largest, 0 or more; of uint8 inputs, those of 0 and 255.
    """

    zero: float
    scale: float
    low: float
    high: float

    def __post_init__(self) -> None:
        values = dataclasses.astuple(self)
        if not all(map(math.isfinite, values)) or self.scale <= 0:
            raise errors.DataError(f"inputs cannot be read with {self}")
        if not self.low <= 0 <= self.high or self.low == self.high:
            raise errors.DataError(
                f"an input's range must hold 0. Received: [{self.low}, {self.high}]"
            )

    @property
    def offset(self) -> float:
        """The real value of the stored 0."""
        return 0.0 - self.zero * self.scale

    def real(self, stored: np.ndarray) -> np.ndarray:
        """Inputs as the network takes them.

        Args:
            stored: uint8 or float32 [N, ...].

        Returns:
            float32, of the same shape; float32 inputs that stay as they are, not a
            copy of them.
        """
        values = stored.astype(np.float32, copy=False)
        if self.is_identity:
            return values
        return (values - np.float32(self.zero)) * np.float32(self.scale)

    @property
    def is_identity(self) -> bool:
        """Whether the real values are the stored ones."""
        return self.zero == 0 and self.scale == 1

    def to_dict(self) -> dict[str, float]:
        """As JSON has it; `from_dict` reads it."""
        return dataclasses.asdict(self)


def from_dict(values: dict[str, Any]) -> Preprocessing:
    """What `Preprocessing.to_dict` wrote.

    Raises:
        DataError: it is no such thing.
    """
    try:
        return Preprocessing(**{key: float(value) for key, value in values.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise errors.DataError("this does not describe an input's range") from error


# Pixels as (pixel - 128) / 128; int8 scale 1/128, zero point 0.
SIGNED = Preprocessing(zero=128.0, scale=1 / 128, low=-1.0, high=127 / 128)
# Pixels as pixel / 256; int8 scale 1/256, zero point -128.
UNSIGNED = Preprocessing(zero=0.0, scale=1 / 256, low=0.0, high=255 / 256)
# Pixels as they are, for networks that scale them themselves.
RAW = Preprocessing(zero=0.0, scale=1.0, low=0.0, high=255.0)


def of_pixels(normalize: bool) -> Preprocessing:
    """The range of the pixels that `--normalize` asks for."""
    return SIGNED if normalize else UNSIGNED


def require_text(text: str) -> None:
    """Checks a value of `--input_range`.

    Raises:
        UsageError: it is neither `auto` nor `pixels` nor two ascending numbers.
    """
    declared(text)


def declared(text: str) -> tuple[float, float] | None:
    """The real range (low, high) that `--input_range` declares; None for `auto`.

    Raises:
        UsageError: as `require_text`.
    """
    if text == AUTO:
        return None
    if text == PIXELS:
        return RAW.low, RAW.high
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = math.nan
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise errors.UsageError(
            f"'{text[:40]}' is no input range: give auto, pixels, or two ascending "
            "numbers such as -1,1"
        )
    return low, high


def is_signed(text: str, normalize: bool) -> bool:
    """Whether flags leave inputs in [-1, 127/128], as far as they alone can tell."""
    limits = declared(text)
    if limits is None:
        return normalize
    return SIGNED.low <= limits[0] and limits[1] <= SIGNED.high


def of(text: str, normalize: bool, inputs: np.ndarray) -> Preprocessing:
    """How the inputs of a training split are read.

    Args:
        text: `--input_range`. `auto`: pixels as `normalize` says, floats in their own
            range. `LOW,HIGH`: uint8 0..255 become LOW..HIGH (moved by at most half a
            step, so that 0 is a whole pixel); floats stay, and LOW..HIGH is what the
            integers cover. `pixels`: as 0,255.
        normalize: of uint8 inputs under `auto`.
        inputs: uint8 or float32 [N, ...] of the training split.

    Raises:
        UsageError: a text that is none, or floats outside what is declared.
    """
    limits = declared(text)
    if inputs.dtype == np.uint8:
        if limits is None:
            return of_pixels(normalize)
        return of_bytes(*limits)
    low, high = float(inputs.min()), float(inputs.max())
    if limits is None:
        return in_range(low, high)
    if low < limits[0] or high > limits[1]:
        raise errors.UsageError(
            f"--input_range={text} does not hold the training data, which lie in "
            f"[{low:g}, {high:g}]: declare a wider one, or leave it out"
        )
    return in_range(*limits)


def in_range(low: float, high: float) -> Preprocessing:
    """Floats that stay as they are, and lie in [low, high], widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    return Preprocessing(0.0, 1.0, low, high if high > low else 1.0)


def of_bytes(low: float, high: float) -> Preprocessing:
    """uint8 0..255 as low..high; 0 becomes a whole stored number where it is inside."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero = round(-low / scale)
    # The ends as float32 has them, so that what is read lies between them to the bit.
    step = np.float32(scale)
    ends = (float(np.float32(each - zero) * step) for each in (0, 255))
    return Preprocessing(float(zero), float(step), *(0.0 + each for each in ends))
