"""Forms of a trained descriptor network: whatever turns photographs into descriptors.

`float` is the network itself. The others are its integers for the GAP8, named after
their number format: `gap8` has 16 bits and `gap8_8bit` 8, computed as the kernels with
32-bit accumulators do; `gap8_single` and `gap8_8bit_single` are the same integers by
the kernels of the study's demo, which saturate after every input channel. `gap8_qat`
and `gap8_8bit_qat` are the integers of networks that were trained further with that
rounding. At 16 bits the camera's pixels 0 to 255 are the input, and what training did
to them is folded into the first convolution.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tfpipeline import errors, number_formats
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import calibrate, folding, program, quantize, simulate

# uint8 [N, S, S, 1] to [N, D].
Describer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.generic]]

FLOAT = "float"
# Photographs at once: all of LFW's pairs as 16-bit images would be 250 MB.
_CHUNK = 256
# What data.preprocessing.SIGNED does to a pixel: (pixel - 128) / 128.
_SCALE, _MEAN, _STD = 1 / 128, (1.0,), (1.0,)


@dataclasses.dataclass(frozen=True)
class Gap8Form:
    """Integers for the GAP8.

    Attributes:
        number_format: of data and weights.
        precision: of the kernels, see targets.gap8.kernels.
        is_trained: whether training has seen the rounding; else the float network's
            weights are rounded as they are.
    """

    number_format: number_formats.NumberFormat
    precision: str = simulate.DOUBLE
    is_trained: bool = False

    @property
    def num_bits(self) -> int:
        """Of data and weights."""
        return self.number_format.activation_bits

    @property
    def name(self) -> str:
        """Of --evaluate and in tables."""
        return self.number_format.name + self._suffix

    @property
    def stored(self) -> str:
        """In results.json, and of its training's folders: as first runs had it."""
        return f"gap8_{self.num_bits}{self._suffix}"

    @property
    def is_raw(self) -> bool:
        """Whether pixels 0 to 255 are the input; 8 bits cannot hold them."""
        return self.num_bits == 16

    @property
    def _suffix(self) -> str:
        if self.is_trained:
            return "_qat"
        return "_single" if self.precision == simulate.SINGLE else ""


def _forms() -> tuple[Gap8Form, ...]:
    formats = number_formats.of_scheme("gap8")
    of_double = (
        Gap8Form(number_format, is_trained=is_trained)
        for number_format in formats
        for is_trained in (False, True)
    )
    return (*of_double, *(Gap8Form(each, simulate.SINGLE) for each in formats))


GAP8: Mapping[str, Gap8Form] = {form.name: form for form in _forms()}
NAMES = (FLOAT, *GAP8)
TRAINED = tuple(name for name, form in GAP8.items() if form.is_trained)
_STORED = {form.stored: name for name, form in GAP8.items()}


def stored_name(name: str) -> str:
    """What results.json calls the form of this name."""
    return GAP8[name].stored if name in GAP8 else name


def named(text: str) -> str:
    """The name of a form that is called so, or that results.json calls so.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    name = _STORED.get(text, text)
    if name not in NAMES:
        raise errors.UsageError(
            f"--evaluate must be one of {', '.join(NAMES)}; found '{text}'"
        )
    return name


def gap8_program(
    form: Gap8Form, g: graph.Graph, calibration: npt.NDArray[np.uint8]
) -> program.Program:
    """Quantizes a float network, whose weights stay the float network's.

    Args:
        form: how.
        g: takes pixels as data.preprocessing.SIGNED makes them.
        calibration: uint8 [N, S, S, 1], photographs of the training split.

    Raises:
        QuantizationError: the network has no such integers.
    """
    if form.is_raw:
        g = for_raw_pixels(g)
    return quantize.quantize(
        g,
        calibrate.calibrate(g, network_input(form, calibration)),
        num_bits=form.num_bits,
        raw_input=form.is_raw,
    )


def gap8_describer(form: Gap8Form, p: program.Program) -> Describer:
    """The integers of `gap8_program` as a function of photographs."""

    def describe(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        parts = []
        for start in range(0, len(images), _CHUNK):
            chunk = network_input(form, images[start : start + _CHUNK])
            data = simulate.quantize_images(p, chunk)
            parts.append(simulate.predict(p, data, form.precision))
        return np.concatenate(parts).reshape(len(images), -1)

    return describe


def for_raw_pixels(g: graph.Graph) -> graph.Graph:
    """A float network that takes normalized pixels, made to take them as they are.

    Raises:
        QuantizationError: what reads the input cannot take the normalization in.
    """
    return folding.fold_normalization(g, _MEAN, _STD, scale=_SCALE)


def network_input(
    form: Gap8Form, images: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Photographs, uint8 [N, S, S, 1], as the network of a form takes them."""
    pixels = images.astype(np.float32)
    return pixels if form.is_raw else (pixels - np.float32(128)) / np.float32(128)
