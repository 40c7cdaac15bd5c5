"""What a target is to whoever asks for estimates: a name and a function."""

import dataclasses
from collections.abc import Callable

from tfpipeline.cost import estimate
from tfpipeline.ir import graph

Estimator = Callable[[graph.Graph, estimate.Options], estimate.Estimate]

# What runs the integers of TFLite's files.
TFLITE = "tflite"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A target.

    Attributes:
        name: of --target.
        integers: whose arithmetic it runs; number formats name it.
        estimate: what a well-formed graph costs there.
        is_surveyed: whether it is estimated where no target is named.
    """

    name: str
    integers: str
    estimate: Estimator
    is_surveyed: bool = True
