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
        fold: (float model) -> folded model, of layers that the format knows.
    """

    prepare: Callable[[keras.Model, np.ndarray], keras.Model]
    build: Callable[[keras.Model], keras.Model]
    after_epoch: Callable[[keras.Model], None] | None = None
    fold: Callable[[keras.Model], keras.Model] = quantizable.fold
