"""Forms of a trained descriptor network: whatever turns photographs into descriptors.

`float` is the network itself. `gap8_16` and `gap8_8` are its integers for the GAP8,
computed as the kernels with 32-bit accumulators do; `gap8_16_single` and
`gap8_8_single` the same integers by the kernels of the study's demo, which saturate
after every input channel. `gap8_16_qat` and `gap8_8_qat` are the integers of networks
that were trained further with that rounding. At 16 bits the camera's pixels 0 to 255
are the input, and what training did to them is folded into the first convolution.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import calibrate, folding, program, quantize, simulate

# uint8 [N, S, S, 1] to [N, D].
Describer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.generic]]

FLOAT = "float"
# Photographs at once: all of LFW's pairs as 16-bit images would be 250 MB.
_CHUNK = 256
# What data.pipeline.normalized does to a pixel: (pixel - 128) / 128.
_SCALE, _MEAN, _STD = 1 / 128, (1.0,), (1.0,)


@dataclasses.dataclass(frozen=True)
class Gap8Form:
    """Integers for the GAP8.

    Attributes:
        num_bits: of data and weights.
        precision: of the kernels, see targets.gap8.kernels.
        is_trained: whether training has seen the rounding; else the float network's
            weights are rounded as they are.
    """

    num_bits: int
    precision: str = simulate.DOUBLE
    is_trained: bool = False

    @property
    def is_raw(self) -> bool:
        """Whether pixels 0 to 255 are the input; 8 bits cannot hold them."""
        return self.num_bits == 16


GAP8: Mapping[str, Gap8Form] = {
    "gap8_16": Gap8Form(16),
    "gap8_16_qat": Gap8Form(16, is_trained=True),
    "gap8_8": Gap8Form(8),
    "gap8_8_qat": Gap8Form(8, is_trained=True),
    "gap8_16_single": Gap8Form(16, simulate.SINGLE),
    "gap8_8_single": Gap8Form(8, simulate.SINGLE),
}
NAMES = (FLOAT, *GAP8)
TRAINED = tuple(name for name, form in GAP8.items() if form.is_trained)


def gap8_program(
    form: Gap8Form, g: graph.Graph, calibration: npt.NDArray[np.uint8]
) -> program.Program:
    """Quantizes a float network, whose weights stay the float network's.

    Args:
        form: how.
        g: takes pixels as data.pipeline.normalized makes them.
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
