"""How far a file's outputs are from those of the network that was trained for it.

Accuracies hide what is wrong with single outputs, and comparisons of interpreters see
what the file says, not what it should say. Here every output of TensorFlow Lite Micro
is compared with that of the fake-quantized network, in steps of the output's scale.

Both round at the same places, but the fake quantizers in float32: one value in some
thousands falls on the other side of a half, and each layer spreads that to more. So
single outputs differ by a step or two (0 to 3 were seen in all networks here), up or
down by chance. A wrong bias or scale moves an output one way, for every image.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, rows

# On how many images, where the split has as many.
IMAGES = 256

# The mean over fewer images than that is not known so well: as many standard errors of
# it are allowed besides. What is wrong in a file hardly varies from image to image, so
# its standard error is small.
_STANDARD_ERRORS = 3.0
# Of fewer images than this, their own spread says little; a step is usual.
_FEW = 16

# Type of the output -> steps that one value may be apart, and the mean of an output
# over the images. Multipliers of int16 have 15 bits, which alone move a large value by
# half a step a layer, always the same way: 2 to 4 steps were seen, up to 1.2 in the
# mean. 32 of them are an eighth of a step of 8 bits.
LIMITS = {"int8": (4.0, 0.5), "int16": (32.0, 4.0)}

# Up to this, whole steps are whole in float32, whose 24 bits may have 16 before a step.
_FLOAT32_STEPS = 2.0**-8

# Biases are stored in units of input step times kernel step, and fake quantizers do not
# round them. With kernels of 4 bits the unit is 16 times that of 8: in cmsisnet's first
# layer that alone moves 1.4 % of the values by a step, and after one epoch of training
# outputs were up to 7 steps apart, one by 0.78 in the mean.
NARROW_KERNELS_FACTOR = 2.0

# Of many values a few lie beyond that: rounding that falls together, one step of a
# narrow layer that an autoencoder's wide ones show many times, a map of thousands of
# positions. Seen were 5 steps at 3 of 2,560 values of nascifarnet, 14 layers deep, and
# at one of 13,608 of a detector, and just above 4 among 40,960 of an autoencoder, 0.12
# in the mean and less. So one value in 500 may be up to twice as far.
RARE_SHARE = 2e-3
RARE_FACTOR = 2.0

# The steepest slopes of functions that end a network. Where their integers are finer
# than what they read, a step of it is several of theirs.
_SLOPES = {"SOFTMAX": 0.25, "LOGISTIC": 0.25, "TANH": 1.0}

REASON = (
    "fake quantizers round in float32, so that single values fall on the other side of "
    "a half and later layers spread that; what is wrong in the file moves an output "
    "for every image"
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of all outputs on the same images, in steps of the output's scale.

    Attributes:
        images: compared.
        largest: magnitude of the largest difference of one value.
        mean: the largest magnitude of an output's mean difference over the images.
        beyond: values that are further apart than `largest_allowed`.
        largest_allowed: limit of all but `RARE_SHARE` of the values, which may be
            `RARE_FACTOR` times as far apart.
        mean_allowed: limit of `mean`.
    """

    images: int
    largest: float
    mean: float
    beyond: int
    largest_allowed: float
    mean_allowed: float


def compare(
    program: flatbuffer.Program,
    micro: npt.NDArray[np.integer[Any]],
    fake_quantized: npt.NDArray[np.floating[Any]],
) -> Difference:
    """Compares TensorFlow Lite Micro with the fake-quantized network.

    Args:
        program: the file.
        micro: its outputs `[N, ..., outputs]`, as integers; of several, see `rows`.
        fake_quantized: real outputs of the trained network on the same images.

    Raises:
        VerificationError: they are further apart than the limits.
    """
    expected = rows.parted(program, fake_quantized)
    found = [
        _compared(program, program.tensors[index], *each)
        for index, *each in zip(
            program.outputs, rows.parted(program, micro), expected, strict=True
        )
    ]
    # Of several outputs the one that is nearest to its limits.
    return max(found, key=lambda each: each.largest / each.largest_allowed)


def near(program: flatbuffer.Program) -> npt.NDArray[np.float64]:
    """How far single outputs may be from the fake-quantized ones, as real numbers.

    Returns:
        One number of a network with one output; of several, one for each value of
        `rows.joined`.
    """
    ports = [program.tensors[index] for index in program.outputs]
    found = [
        RARE_FACTOR * _factor(program, port) * LIMITS[port.dtype][0] * port.scales[0]
        for port in ports
    ]
    if len(ports) == 1:
        return np.array(found[0])
    return np.concatenate(
        [
            np.full(math.prod(port.shape[1:]), each)
            for port, each in zip(ports, found, strict=True)
        ]
    )


def _compared(
    program: flatbuffer.Program,
    port: flatbuffer.Tensor,
    micro: npt.NDArray[np.integer[Any]],
    fake_quantized: npt.NDArray[np.floating[Any]],
) -> Difference:
    """Compares one output."""
    real = (micro.astype(np.float64) - port.zero_points[0]) * port.scales[0]
    steps = (real - fake_quantized) / port.scales[0]
    largest, mean = LIMITS[port.dtype]
    factor = _factor(program, port)
    return within(
        steps.reshape(len(micro), -1, micro.shape[-1]),
        port.scales[0],
        largest=factor * largest,
        mean=factor * mean,
    )


def _factor(program: flatbuffer.Program, port: flatbuffer.Tensor) -> float:
    factor = _steepness(program, port)
    if any(each.dtype == "int4" for each in program.tensors):
        factor *= NARROW_KERNELS_FACTOR
    return factor


def within(
    steps: npt.NDArray[np.floating[Any]],
    step: float | npt.NDArray[np.floating[Any]],
    *,
    largest: float,
    mean: float,
) -> Difference:
    """Checks differences of any target's outputs.

    Args:
        steps: `[N, ..., outputs]`, in steps of the output's integers.
        step: what one of them is in real numbers, of each output or of all, for the
            message.
        largest: that one may have, but for `RARE_SHARE` of them.
        mean: what the mean of an output over the images must stay below.

    Raises:
        VerificationError: they are larger.
    """
    by_image = steps.reshape(len(steps), -1, steps.shape[-1]).mean(axis=1)
    means = np.abs(by_image.mean(axis=0))
    allowed = mean + _uncertainty(by_image)
    # Not `>`: what is not finite is no agreement either.
    is_within = means < allowed
    worst = int(np.argmax(means if is_within.all() else means - allowed))
    mean = float(allowed[worst])
    sizes = np.abs(steps)
    limit = largest + _FLOAT32_STEPS
    found = Difference(
        images=len(steps),
        largest=float(sizes.max()),
        mean=float(means[worst]),
        beyond=int(np.sum(~(sizes <= limit))),
        largest_allowed=largest,
        mean_allowed=mean,
    )
    is_near = (
        found.largest <= RARE_FACTOR * largest + _FLOAT32_STEPS
        and found.beyond <= RARE_SHARE * steps.size
    )
    if not (is_near and found.mean < mean):
        raise errors.VerificationError(
            f"the integers do not compute what was trained: outputs are up to "
            f"{found.largest:.1f} steps of {np.max(step):.3g} from those of the "
            f"fake-quantized network, and one by {found.mean:.2f} in the mean of "
            f"{found.images} images; allowed are {largest:.1f}, which {found.beyond} "
            f"of {steps.size} exceed, and less than {mean:.2f}. This is a defect, "
            "please report it"
        )
    return found


def _uncertainty(by_image: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """What sampling adds to the mean of each output, in steps; `[outputs]`.

    Args:
        by_image: `[N, outputs]`, in steps.
    """
    images, outputs = by_image.shape
    if images >= IMAGES:
        return np.zeros(outputs)
    with np.errstate(invalid="ignore"):
        spread = by_image.std(axis=0)
    if images < _FEW:
        spread = np.maximum(spread, 1.0)
    margin: npt.NDArray[np.float64] = _STANDARD_ERRORS * spread / math.sqrt(images)
    return margin


def _steepness(program: flatbuffer.Program, port: flatbuffer.Tensor) -> float:
    """Steps of the output for a step of what the network's last function reads."""
    last = next(
        operator
        for operator in reversed(program.operators)
        if port.index in operator.outputs
    )
    source = program.tensors[last.inputs[0]]
    if last.name not in _SLOPES or not source.scales:
        return 1.0
    return max(1.0, _SLOPES[last.name] * source.scales[0] / port.scales[0])
