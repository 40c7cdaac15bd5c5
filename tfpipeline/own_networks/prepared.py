"""A network of one's own, ready to be built again and again by a run."""

import copy
import dataclasses
import functools
import logging
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import flat, heads, topology
from tfpipeline.models import forms
from tfpipeline.own_networks import loading

_LOG = logging.getLogger(__name__)
_FLOAT, _MIXED = "float32", "mixed_bfloat16"


@dataclasses.dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A network of one input and one output.

    Attributes:
        architecture: as from `topology.to_dict`, without nested models; a softmax,
            sigmoid or tanh at the end is a layer of its own.
        weights: in the order of `get_weights`.
    """

    architecture: dict[str, Any]
    weights: tuple[np.ndarray, ...]

    def build(self, number_format: str, *, fresh: bool) -> keras.Model:
        """The network anew.

        Args:
            number_format: that it computes in, "float32" or "bfloat16".
            fresh: with weights of its layers' initializers instead of its own.
        """
        policy = _MIXED if number_format == "bfloat16" else _FLOAT
        model = topology.from_dict(_computing_in(self.architecture, policy))
        if not fresh:
            model.set_weights(self.weights)
        return model


@functools.lru_cache(maxsize=2)
def prepare(
    form: forms.Form,
    digest: str | None,
    options: tuple[str, ...],
    input_shape: tuple[int, ...],
    num_outputs: int,
    custom_objects: str | None = None,
) -> OwnNetwork:
    """Reads or makes a network that takes the data's inputs.

    Args:
        form: of a file or a function.
        digest: of what it names; another one is read again.
        options: `--model_options`.
        input_shape: of one input of the data.
        num_outputs: that functions are asked for.
        custom_objects: `--custom_objects`.

    Raises:
        UsageError: its input does not fit the data, or it has several outputs.
        PipelineError: it cannot be read, made or listed.
    """
    del digest
    model, notes = loading.load(
        form,
        options,
        custom_objects=custom_objects,
        input_shape=input_shape,
        num_classes=num_outputs,
    )
    for note in notes:
        _LOG.info("%s", note)
    _require_fit(form, model, input_shape)
    network = heads.with_own_function(flat.flattened(model))
    architecture = topology.to_dict(network)
    # Names are valid wherever the network's is written.
    architecture["config"]["name"] = form.name
    for layer in architecture["config"]["layers"]:
        if layer["class_name"] == "InputLayer":
            # Where the network leaves a size open, it is that of the data.
            layer["config"]["batch_input_shape"] = [None, *input_shape]
    return OwnNetwork(architecture, tuple(network.get_weights()))


def _require_fit(
    form: forms.Form,
    model: keras.Model,
    input_shape: tuple[int, ...],
) -> None:
    topology.require_listed(model)
    inputs = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    outputs = [tuple(tensor.shape[1:]) for tensor in model.outputs]
    takes = len(inputs) == 1 and len(inputs[0]) == len(input_shape)
    takes = takes and all(
        size in (None, expected)
        for size, expected in zip(inputs[0], input_shape, strict=True)
    )
    if takes and len(outputs) == 1:
        return
    raise errors.UsageError(
        f"'{form.title}' takes {_sizes(inputs)} and gives {_sizes(outputs)}; the data "
        f"are of {_sizes([input_shape])}, and one output is trained: give data or a "
        "network that fits"
    )


def _sizes(shapes: list[tuple[int | None, ...]]) -> str:
    texts = ["x".join("?" if n is None else str(n) for n in shape) for shape in shapes]
    return errors.listed([text or "one value" for text in texts], 4)


def _computing_in(architecture: dict[str, Any], policy: str) -> dict[str, Any]:
    """The same network in another arithmetic; inputs stay as they are."""
    result: dict[str, Any] = copy.deepcopy(architecture)
    for layer in result["config"]["layers"]:
        if "dtype" in layer["config"] and layer["class_name"] != "InputLayer":
            layer["config"]["dtype"] = policy
    return result
