"""What training needs of a number format, one shape for all."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import quantizable


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Functions of a number format, with the run's choices filled in.

    Attributes:
        prepare: (folded model, calibration inputs) -> model for QAT.
        build: (folded model) -> the same structure, with weights as they come.
        after_epoch: applied to the model before it is evaluated.
        target: for what `quantizable.fold` makes the folded model.
    """

    prepare: Callable[[keras.Model, np.ndarray], keras.Model]
    build: Callable[[keras.Model], keras.Model]
    after_epoch: Callable[[keras.Model], None] | None = None
    target: quantizable.Target = quantizable.ANY

    def is_rewritten(self, model: keras.Model) -> bool:
        """Whether `fold` does more than fold batch normalizations; makes no layer."""
        return quantizable.is_rewritten(model, self.target)

    def fold(self, model: keras.Model) -> keras.Model:
        """The float network in layers that the format knows."""
        return quantizable.fold(model, self.target)
