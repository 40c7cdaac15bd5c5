"""What a network costs once deployed: MACs, weights and biases of each layer.

The deployed form has every BatchNormalization folded into the convolution in front of
it: the scale disappears into the weights and the offset becomes the bias. One without
such a convolution stays: a weight and a bias a channel. MACs count padded positions,
as the published figures do:

    Conv2D           in_channels * kernel_h * kernel_w * out_channels * out_h * out_w
    DepthwiseConv2D  kernel_h * kernel_w * out_channels * out_h * out_w
    Dense            inputs * outputs
    others           none: a value is scaled, not accumulated
"""

import dataclasses
import math
from collections.abc import Iterator

from tfpipeline import errors
from tfpipeline.compat import keras

_COUNTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_SCALINGS = (keras.layers.PReLU, keras.layers.BatchNormalization)


@dataclasses.dataclass(frozen=True)
class LayerCounts:
    """One layer of the deployed form.

    Attributes:
      name: the Keras layer's name.
      kind: 'Conv2D', 'DepthwiseConv2D', 'Dense', 'PReLU', whose weights are its
        slopes, or 'BatchNormalization', where it is not folded.
      output_shape: without the batch: (height, width, channels) or (outputs,).
      macs: multiply-accumulates for one image, padded positions included.
      weights: number of weights, biases not included.
      biases: number of biases, those from folding included.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    macs: int
    weights: int
    biases: int


@dataclasses.dataclass(frozen=True)
class ModelCounts:
    """The layers with weights of one network, in the model's order, and their sums."""

    layers: tuple[LayerCounts, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Number of weights, biases not included."""
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        """Number of biases."""
        return sum(layer.biases for layer in self.layers)

    @property
    def params(self) -> int:
        """Number of weights and biases."""
        return self.weights + self.biases

    def weight_bytes(self, num_bits: int) -> int:
        """Bytes of all weights of `num_bits` each, rounded down layer by layer.

        The rule of the MAX78000 tools' "Weight memory" line; biases not included.
        """
        return sum(layer.weights * num_bits // 8 for layer in self.layers)


def count(model: keras.Model) -> ModelCounts:
    """Counts the deployed form of a float model, with or without BatchNormalization.

    Args:
      model: functional or sequential, of static shapes but for the batch, each layer
        called once.

    Returns:
      The counts of each layer that has weights, in the order of `model.layers`.

    Raises:
      errors.UsageError: a layer with weights that has no counting rule.
    """
    folds = foldable(model)
    folded = {conv.name for conv in folds.values()}
    counted = []
    for layer in model.layers:
        if isinstance(layer, _COUNTED):
            counted.append(_count_layer(layer, layer.name in folded))
        elif isinstance(layer, _SCALINGS):
            if layer.name not in folds:
                counted.append(_count_scaling(layer))
        elif layer.weights:
            raise errors.UsageError(
                f"{type(layer).__name__} {layer.name!r} of model {model.name!r} has "
                "weights but no counting rule; counted are Conv2D, DepthwiseConv2D, "
                "Dense, PReLU and BatchNormalization"
            )
    return ModelCounts(tuple(counted))


def foldable(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Finds what each BatchNormalization of a model folds into.

    Returns:
      The Conv2D, DepthwiseConv2D or Dense layer by the name of its
      BatchNormalization, for those that directly follow such a layer which has no
      activation and no other consumer.
    """
    consumers: dict[str, int] = {}
    for layer in model.layers:
        for producer in _producers(layer):
            consumers[producer.name] = consumers.get(producer.name, 0) + 1
    result = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        (producer,) = _producers(layer)
        if (
            isinstance(producer, _COUNTED)
            and producer.activation is keras.activations.linear
            and consumers[producer.name] == 1
        ):
            result[layer.name] = producer
    return result


def _producers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    # A layer's first node is the one of the graph it was built in.
    inbound = layer.inbound_nodes[0].inbound_layers if layer.inbound_nodes else []
    yield from inbound if isinstance(inbound, list) else [inbound]


def _count_layer(layer: keras.layers.Layer, folded: bool) -> LayerCounts:
    kernel = (
        layer.depthwise_kernel
        if isinstance(layer, keras.layers.DepthwiseConv2D)
        else layer.kernel
    )
    weights = math.prod(kernel.shape)
    output_shape = tuple(layer.output_shape[1:])
    # Each pixel of its input spreads a kernel.
    is_transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    positions = layer.input_shape[1:-1] if is_transposed else output_shape[:-1]
    return LayerCounts(
        name=layer.name,
        kind=type(layer).__name__,
        output_shape=output_shape,
        macs=weights * math.prod(positions),
        weights=weights,
        biases=output_shape[-1] if layer.use_bias or folded else 0,
    )


def _count_scaling(layer: keras.layers.Layer) -> LayerCounts:
    is_prelu = isinstance(layer, keras.layers.PReLU)
    return LayerCounts(
        name=layer.name,
        kind=type(layer).__name__,
        output_shape=tuple(layer.output_shape[1:]),
        macs=0,
        weights=math.prod((layer.alpha if is_prelu else layer.moving_mean).shape),
        biases=0 if is_prelu else layer.moving_mean.shape[0],
    )
