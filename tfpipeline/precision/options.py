"""What quantization after training does beyond rounding, as one value."""

import dataclasses

from tfpipeline.precision import ranges as range_rules


@dataclasses.dataclass(frozen=True)
class Options:
    """Each costs calibration time, and none changes the float network's results.

    Attributes:
        per_tensor: one scale a kernel, not one an output channel.
        equalize: bring the channels of activations to like ranges first.
        ranges: how the range of an activation follows from calibration.
        bias_correction: take the mean of what rounding kernels adds off the biases.
    """

    per_tensor: bool = False
    equalize: bool = False
    ranges: range_rules.Rule = range_rules.EXTREMES
    bias_correction: bool = False


PLAIN = Options()
"""Nothing beyond rounding, as TensorFlow's converter has it."""

EQUALIZE_HELP = (
    "bring the channels of each activation to like ranges first, by an exact rescaling "
    "of weights (cross-layer range equalization)."
)
RANGES_HELP = (
    "Range of an activation: minmax, its extremes; percentile, as --percentile says; "
    "mse, what rounds its values with the least squared error."
)
PERCENTILE_HELP = (
    "With --ranges=percentile: so many percent of the values lie below the upper end, "
    "and as many above the lower one."
)
BIAS_CORRECTION_HELP = (
    "take off each bias the mean of what the rounding of its kernel adds."
)
