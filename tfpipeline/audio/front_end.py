"""What turns a clip of sound into the input of a network, as a value.

The defaults are those of MLPerf Tiny's keyword spotting (mlcommons/tiny,
benchmark/training/keyword_spotting: kws_util.py and get_dataset.py): 49 rows of 10
coefficients from one second at 16 kHz. It divides each clip by its largest sample,
which a stream cannot know; here full scale is 1.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors

KINDS = ("log_mel", "mfcc")

# Added to the magnitudes before the logarithm, as get_dataset.py does.
LOG_OFFSET = 1e-6

_RATES = (1_000, 192_000)
# Samples of a window; its Fourier transform has the next power of two, and TensorFlow
# Lite Micro's Python side knows 64 to 2048 (signal/ops/fft_ops.py).
_WINDOW = (33, 2048)
_MAX_MEL_BINS = 256
# Frames of a clip, and samples: a minute at 48 kHz.
_MAX_FRAMES = 10_000
_MAX_CLIP_SAMPLES = 60 * 48_000


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """Parameters of a front end.

    Attributes:
        kind: "log_mel", logarithms of mel bands, or "mfcc", their cosine transform.
        sample_rate: samples a second.
        window_ms: length of a frame in milliseconds; whole samples, cut off.
        stride_ms: from one frame to the next, in milliseconds.
        mel_bins: bands of equal width in mel.
        coefficients: how many of the cosine transform, for "mfcc".
        low_hertz: where the lowest band begins.
        high_hertz: where the highest band ends; at most half the sample rate.
        clip_seconds: length of a clip.

    Raises:
        UsageError: the parameters do not go together; names them.
    """

    kind: str = "mfcc"
    sample_rate: int = 16_000
    window_ms: float = 30.0
    stride_ms: float = 20.0
    mel_bins: int = 40
    coefficients: int = 10
    low_hertz: float = 20.0
    high_hertz: float = 4_000.0
    clip_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise errors.UsageError(
                f"a front end is one of {', '.join(KINDS)}; found "
                f"{errors.brief(self.kind)}"
            )
        for field in dataclasses.fields(self):
            if field.name != "kind":
                _require_number(field.name, field.type, getattr(self, field.name))
        _require("sample_rate", self.sample_rate, *_RATES)
        _require("mel_bins", self.mel_bins, 1, _MAX_MEL_BINS)
        if self.kind == "mfcc":
            _require("coefficients", self.coefficients, 1, self.mel_bins)
        _require("low_hertz", self.low_hertz, 0, self.sample_rate / 2)
        _require("high_hertz", self.high_hertz, 0, self.sample_rate / 2)
        if self.low_hertz >= self.high_hertz:
            raise errors.UsageError(
                "the front end's low_hertz must be below its high_hertz; found "
                f"{self.low_hertz:g} and {self.high_hertz:g}"
            )
        low, high = (1_000 * n / self.sample_rate for n in _WINDOW)
        _require("window_ms", self.window_ms, low, high)
        _require("stride_ms", self.stride_ms, 1_000 / self.sample_rate, 60_000)
        _require(
            "clip_seconds",
            self.clip_seconds,
            self.window_ms / 1_000,
            _MAX_CLIP_SAMPLES / self.sample_rate,
        )
        _require("number of frames", self.num_frames, 1, _MAX_FRAMES)

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return _samples(self.sample_rate, self.window_ms)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return _samples(self.sample_rate, self.stride_ms)

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return _samples(self.sample_rate, 1_000 * self.clip_seconds)

    @property
    def fft_length(self) -> int:
        """The smallest power of two that holds a window, as `tf.signal.stft` takes."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def num_frames(self) -> int:
        """Frames of a clip, all of them inside of it."""
        return 1 + (self.clip_samples - self.window_samples) // self.hop_samples

    @property
    def num_features(self) -> int:
        """Features of a frame."""
        return self.coefficients if self.kind == "mfcc" else self.mel_bins

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(frames, features, 1): a picture of one channel, time downwards."""
        return (self.num_frames, self.num_features, 1)

    @property
    def name(self) -> str:
        """Two front ends have the same name only if they compute the same."""
        parts = [self.kind, f"{self.sample_rate}hz"]
        parts += [f"{self.window_ms:g}ms", f"{self.stride_ms:g}ms"]
        parts += [f"{self.mel_bins}mel", f"{self.low_hertz:g}-{self.high_hertz:g}hz"]
        if self.kind == "mfcc":
            parts.append(f"{self.coefficients}mfcc")
        return "_".join([*parts, f"{self.clip_seconds:g}s"])

    def to_json(self) -> dict[str, Any]:
        """The parameters by name, for files."""
        return dataclasses.asdict(self)


def from_json(values: Mapping[str, Any], what: str) -> FrontEnd:
    """The front end whose `to_json` is `values`.

    Args:
        values: of a file; nothing is taken on trust.
        what: names the file in an error.

    Raises:
        DamagedFileError: a parameter is absent, unknown, or not valid.
    """
    names = {field.name for field in dataclasses.fields(FrontEnd)}
    if not isinstance(values, Mapping) or set(values) != names:
        raise errors.DamagedFileError(
            f"{what} has no front end with {', '.join(sorted(names))}"
        )
    try:
        return FrontEnd(**values)
    except errors.UsageError as error:
        raise errors.DamagedFileError(f"{what}: {error}") from error


def _samples(rate: int, milliseconds: float) -> int:
    # kws_util.py cuts off; what is whole must not fall below by its float.
    return math.floor(rate * milliseconds / 1_000 + 1e-6)


def _require_number(name: str, kind: object, value: object) -> None:
    whole = kind is int
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise errors.UsageError(
            f"the front end's {name} must be a {'whole ' if whole else ''}number; "
            f"found {errors.brief(value)}"
        )


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise errors.UsageError(
            f"the front end's {name} must be {low:,.6g} to {high:,.6g}; "
            f"found {value:,.6g}"
        )
