"""How sounds become inputs of a network."""

import dataclasses
from typing import Annotated

from tfpipeline import errors
from tfpipeline.audio import front_end as front_ends
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag

NONE = "none"
_DEFAULTS = front_ends.FrontEnd()


@dataclasses.dataclass(frozen=True)
class Sound(fields.Config):
    """A front end, flag by flag; docs/audio.md."""

    front_end: Annotated[
        str,
        Flag(
            "What networks take of sounds: the wave (none), logarithms of mel bands "
            "(log_mel) or their cosine transform (mfcc). The defaults of the flags "
            "beside it are those of MLPerf Tiny's keyword spotting.",
            choices=(NONE, *front_ends.KINDS),
            is_later=True,
        ),
    ] = NONE
    sample_rate: Annotated[
        int,
        Flag(
            "Samples a second of a front end; other .wav files are resampled.",
            low=1_000,
            high=192_000,
            is_later=True,
        ),
    ] = _DEFAULTS.sample_rate
    window_ms: Annotated[
        float, Flag("Length of a frame.", low=0.1, high=2_048, is_later=True)
    ] = _DEFAULTS.window_ms
    stride_ms: Annotated[
        float,
        Flag("From one frame to the next.", low=0.01, high=60_000, is_later=True),
    ] = _DEFAULTS.stride_ms
    mel_bins: Annotated[
        int, Flag("Bands of equal width in mel.", low=1, high=256, is_later=True)
    ] = _DEFAULTS.mel_bins
    mfcc: Annotated[
        int,
        Flag("Coefficients of --front_end=mfcc.", low=1, high=256, is_later=True),
    ] = _DEFAULTS.coefficients
    mel_low_hertz: Annotated[
        float, Flag("Where the lowest band begins.", low=0, is_later=True)
    ] = _DEFAULTS.low_hertz
    mel_high_hertz: Annotated[
        float, Flag("Where the highest band ends.", low=1, is_later=True)
    ] = _DEFAULTS.high_hertz
    clip_seconds: Annotated[
        float | None,
        Flag(
            "Length that .wav files are cut or padded with zeros to. Default: 1 with a "
            "front end; else as they are, all of one length.",
            low=0.001,
            high=600.0,
            is_later=True,
        ),
    ] = None

    @property
    def value(self) -> front_ends.FrontEnd | None:
        """The front end; None for the wave."""
        if self.front_end == NONE:
            return None
        return front_ends.FrontEnd(
            kind=self.front_end,
            sample_rate=self.sample_rate,
            window_ms=self.window_ms,
            stride_ms=self.stride_ms,
            mel_bins=self.mel_bins,
            # Without a meaning there, but bounded where there is one.
            coefficients=min(self.mfcc, self.mel_bins)
            if self.front_end == "log_mel"
            else self.mfcc,
            low_hertz=self.mel_low_hertz,
            high_hertz=self.mel_high_hertz,
            clip_seconds=_DEFAULTS.clip_seconds
            if self.clip_seconds is None
            else self.clip_seconds,
        )

    def check(self) -> None:
        """Parameters that go together, and none without a front end."""
        if self.value is not None:
            return
        changed = [
            leaf.name
            for leaf, value in fields.leaves(self)
            if value != leaf.default and leaf.name not in ("front_end", "clip_seconds")
        ]
        if changed:
            raise errors.UsageError(
                f"--{changed[0]} goes with --front_end={' or '.join(front_ends.KINDS)}"
            )
