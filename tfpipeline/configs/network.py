"""The network that is trained."""

import dataclasses
from typing import Annotated

from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.models import specs


@dataclasses.dataclass(frozen=True)
class Network(fields.Config):
    """A network and how it is built; see models.registry.build."""

    model: Annotated[
        str, Flag(f"Network: {', '.join(specs.MODELS)}.", check=specs.named)
    ] = "cmsisnet"
    width: Annotated[
        float,
        Flag("Factor on the channels of every layer but the last.", low=0.05, high=8.0),
    ] = 1.0
    batch_norm: Annotated[
        bool | None,
        Flag(
            "BatchNormalization after each convolution during float training; it is "
            "folded away before quantization. Default: the network's own choice."
        ),
    ] = None
    dropout: Annotated[
        float | None,
        Flag(
            "Dropout rate of float training. Default: the network's own.",
            low=0.0,
            high=0.95,
        ),
    ] = None
