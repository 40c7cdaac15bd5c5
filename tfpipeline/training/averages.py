"""The average of a network's weights over the steps of its training.

What moves from step to step in the weights themselves is gone in their exponential
average; it is what is validated, kept and exported. All that a network holds as floats
is averaged: the statistics of batch normalizations and the ranges of fake quantization
belong to the weights that they were seen with. Steps are counted from the first: until
there have been many, the average keeps less of itself, so that it soon forgets what
training began with.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfpipeline.compat import keras, tf


@dataclasses.dataclass(frozen=True, eq=False)
class Averages:
    """The averages of a network's weights.

    Attributes:
        decay: what an average keeps of itself in a step, after many of them.
        model: the network.
        weights: those of its weights that are averaged.
        variables: the average of each, of its shape and type.
    """

    decay: float
    model: keras.Model
    weights: tuple[tf.Variable, ...]
    variables: tuple[tf.Variable, ...]

    def update(self, step: tf.Tensor) -> None:
        """Takes the weights in, as they are now.

        Args:
            step: steps done, the one just taken included. The average keeps
                min(decay, (1 + step) / (10 + step)), as tf.train's moving averages do.
        """
        done = tf.cast(step, tf.float32)
        taken = 1.0 - tf.minimum(self.decay, (1.0 + done) / (10.0 + done))
        for weight, average in zip(self.weights, self.variables, strict=True):
            # In this form what never changes is its own average, to the bit.
            difference = weight - average
            average.assign_add(tf.cast(taken, difference.dtype) * difference)

    def values(self) -> list[np.ndarray]:
        """The averages, as a checkpoint holds them."""
        return [variable.numpy() for variable in self.variables]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Puts what `values` told back into place."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def in_place(
        self, after: Callable[[keras.Model], None] | None = None
    ) -> Iterator[None]:
        """The network has the averages for its weights meanwhile.

        Args:
            after: applied to it then, as `task.Task.after_epoch`.
        """
        live = self.model.get_weights()
        places = {weight.ref(): n for n, weight in enumerate(self.model.weights)}
        averaged = list(live)
        for weight, value in zip(self.weights, self.values(), strict=True):
            averaged[places[weight.ref()]] = value
        self.model.set_weights(averaged)
        try:
            if after is not None:
                after(self.model)
            yield
        finally:
            self.model.set_weights(live)


def of(
    model: keras.Model, decay: float, strategy: tf.distribute.Strategy
) -> Averages | None:
    """Averages that begin with the weights of `model` as they are; None without decay.

    Args:
        model: built under the strategy's scope.
        decay: 0 to less than 1.
        strategy: devices.
    """
    if not decay:
        return None
    weights = tuple(weight for weight in model.weights if weight.dtype.is_floating)
    with strategy.scope():
        variables = tuple(
            tf.Variable(weight.numpy(), trainable=False, name="average")
            for weight in weights
        )
    return Averages(decay, model, weights, variables)
