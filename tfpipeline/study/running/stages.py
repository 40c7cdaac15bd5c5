"""A network of a study: its pictures as inputs, and its outputs in every format."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from export.given import Given
from tfpipeline import disk, errors
from tfpipeline.inference import runners
from tfpipeline.pictures import luma
from tfpipeline.post_training import float_network, input_range
from tfpipeline.study.running import decoders
from tfpipeline.tasks import head

Picture = npt.NDArray[np.uint8]
# Pictures -> every output, real, [N, ...].
Run = Callable[[Sequence[Picture]], tuple[npt.NDArray[Any], ...]]
_COLORS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """A network of one input that reads pictures.

    Attributes:
        model: as --model takes it.
        range_text: of --input_range.
        is_bgr: whether it reads blue first.
        calibrate: gives pictures of its input's size that set ranges.
    """

    model: str
    range_text: str = input_range.AUTO
    is_bgr: bool = False
    calibrate: Callable[[], Sequence[Picture]] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that it reads.

        Raises:
            UsageError: it does not read pictures of three colors, or gray ones.
        """
        shape = self._plain.input_shape()
        if len(shape) != 3 or shape[2] not in (1, _COLORS):
            raise errors.UsageError(
                f"'{self.model}' reads inputs of shape {shape}, not pictures"
            )
        return shape[0], shape[1]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of its first output, a picture's."""
        return self._plain.output_shapes()[0]

    @functools.cached_property
    def heads(self) -> tuple[head.Head, ...]:
        """How each output ends."""
        return self._plain.heads()

    @functools.cached_property
    def digest(self) -> str:
        """Other weights have another one."""
        path = pathlib.Path(self.model)
        if not path.exists():  # file.py:function; what that reads is not followed.
            path = pathlib.Path(self.model.rpartition(":")[0])
        files = sorted(p for p in path.rglob("*") if p.is_file()) or [path]
        return disk.digest(repr([disk.digest_behind(each) for each in files]).encode())

    def runner(self, form: str) -> Run:
        """Pictures, uint8 [H, W, 3] of `size` -> every output, real, [N, ...].

        Raises:
            PipelineError: the network cannot be had in this form.
        """
        network = self._network if self._needs_data(form) else self._plain
        run = network.all_outputs(form, float_ends_only=True)
        return lambda pictures: run(self._inputs(pictures))

    def __getstate__(self) -> dict[str, Any]:
        """For another process: with the calibration pictures, and nothing computed."""
        state = {
            each.name: getattr(self, each.name) for each in dataclasses.fields(self)
        }
        if self.calibrate is not None:
            state["calibrate"] = functools.partial(list, list(self.calibrate()))
        return state

    def _needs_data(self, form: str) -> bool:
        # A file of integers is what it is.
        return form != runners.FLOAT and self._plain.form() == runners.FLOAT

    def decoder(self, name: str) -> decoders.Decoder:
        """What makes boxes of its outputs; as `decoders.named`."""
        return decoders.named(name, len(self.heads))

    @functools.cached_property
    def _pixels(self) -> input_range.InputRange:
        g, model, _ = self._plain.given.loaded()
        return float_network.pixels_of(self.range_text, g, model)

    @functools.cached_property
    def _plain(self) -> runners.Network:
        """Without data, for what needs none."""
        return runners.Network(Given(self.model))

    @functools.cached_property
    def _network(self) -> runners.Network:
        pictures = self.calibrate() if self.calibrate is not None else ()
        if not len(pictures):
            raise errors.UsageError(
                f"'{self.model}' is a float network: its other formats need "
                "--calibration=PICTURES, and a face in some of them for a cascade"
            )
        return dataclasses.replace(
            self._plain,
            calibration=self._inputs(pictures),
            low=self._pixels.low,
            high=self._pixels.high,
        )

    def _inputs(self, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
        stacked = np.stack(list(pictures))
        if self._plain.input_shape()[-1] == 1:
            stacked = luma.gray(stacked)
        elif self.is_bgr:
            stacked = stacked[..., ::-1]
        return self._pixels.of_pixels(stacked)
