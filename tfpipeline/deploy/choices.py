"""What a run decides about its integers."""

import dataclasses

from tfpipeline.data.preprocessing import SIGNED, Preprocessing
from tfpipeline.quantization import input_ranges


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is decided before there is a network.

    Attributes:
        preprocessing: what the network takes of a stored input, and its range.
        weight_bits: of --weight_bits.
        policy: text of a YAML file with weight bits by layer, instead of those.
    """

    preprocessing: Preprocessing = SIGNED
    weight_bits: int = 8
    policy: str | None = None

    @property
    def input_range(self) -> input_ranges.InputRange:
        """What the ends of the integers of the network's input stand for."""
        return input_ranges.InputRange(self.preprocessing.low, self.preprocessing.high)
