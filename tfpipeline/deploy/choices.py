"""What a run decides about its integers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is decided before there is a network.

    Attributes:
        normalize: whether pixels are read as (pixel - 128) / 128, else pixel / 256.
        weight_bits: of --weight_bits.
        policy: text of a YAML file with weight bits by layer, instead of those.
    """

    normalize: bool = True
    weight_bits: int = 8
    policy: str | None = None
