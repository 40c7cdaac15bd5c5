"""A form of a network that is made anew in another process, from values."""

from collections.abc import Callable, Sequence

import numpy as np

from export.given import Given
from tfpipeline.configs import network as networks
from tfpipeline.inference import runners
from tfpipeline.ir import graph

# Real inputs, one after another -> a row of outputs each.
OfRows = Callable[[Sequence[graph.Array]], Sequence[graph.Array]]


def runner(
    model: str,
    own: networks.Own,
    ranges: tuple[graph.Array | None, float, float],
    form: str,
) -> OfRows:
    """What computes outputs, as `runners.Network.runner`.

    Args:
        model: --model, where each process finds it.
        own: what is said of a network of one's own.
        ranges: calibration inputs, and the range of the input.
        form: of the network.

    Raises:
        PipelineError: the network cannot be had in this form.
    """
    return of_rows(runners.Network(Given(model, own=own), *ranges).runner(form))


def of_rows(run: runners.Run) -> OfRows:
    """The same for inputs in a list."""
    return lambda inputs: list(run(np.stack(list(inputs))))
