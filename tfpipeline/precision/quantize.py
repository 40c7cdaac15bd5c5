"""A float graph in the integers of a number format, from ranges of its activations.

Rules, those of TFLite's quantization specification continued to 16-bit weights:

* Activations of 8 bits have a zero point; those of 16 bits are symmetric.
* Kernels are symmetric without their smallest integer, with a scale an output channel
  that leaves the bias room.
* Biases have the scale of input times kernel: int32 beside 8 bits, int64 beside 16.
* Sums have 32 bits beside 8-bit activations, 64 beside 16-bit ones, and are scaled back
  as TFLite does (`simulate`): with weights of 16 bits exactly as with those of 8 beside
  int16, by a multiplier of 16 bits and one rounding.
"""

import dataclasses

from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules, verify
from tfpipeline.numerics import affine, layer_weights
from tfpipeline.precision import formats, ranges, scales
from tfpipeline.simulate import float_execution

# The narrowest weights that TFLite Micro reads in a dense layer have one scale.
_ONE_SCALE_BITS = 4


def quantize(
    g: graph.Graph,
    found: ranges.Ranges,
    form: formats.Format,
    *,
    per_tensor: bool = False,
) -> graph.Graph:
    """Quantizes a float graph after training.

    Args:
        g: a verified float graph with weights.
        found: range of each activation; zero is added to it.
        form: the number format.
        per_tensor: give every kernel one scale, not one an output channel.

    Returns:
        A verified graph whose layers and tensors are named as those of `g`, with a
        Requantize where a Concat needs one.

    Raises:
        GraphError: `g` is not float, or has a layer that keeps a state.
        UsageError: a tensor has no range.
    """
    float_execution.require_float(g)
    _require_stateless(g)
    draft = _Draft(g, scales.choose(g, found, form), form, per_tensor)
    layers: list[graph.Layer] = []
    for layer in g.layers:
        layers += draft.layers(layer)
    result = graph.Graph(
        g.name, draft.tensors, draft.constants, tuple(layers), g.inputs, g.outputs
    )
    return verify.require(result)


def _require_stateless(g: graph.Graph) -> None:
    kept = [layer for layer in g.layers if isinstance(layer, graph.Stateful)]
    if kept:
        raise errors.GraphError(
            f"graph '{g.name[:60]}': {kept[0].kind} '{kept[0].name}' keeps a state, "
            "whose range is not measured; let TensorFlow's converter quantize the "
            "network, and give the .tflite file instead"
        )


class _Draft:
    """Tensors and constants of the graph that is being made."""

    def __init__(
        self,
        g: graph.Graph,
        chosen: scales.Scales,
        form: formats.Format,
        per_tensor: bool,
    ):
        self.constants: dict[str, graph.Array] = {}
        self.tensors: dict[str, graph.Tensor] = {}
        self._graph, self._chosen, self._form = g, chosen, form
        self._per_tensor = per_tensor
        for name, quant in chosen.quants.items():
            if name in g.tensors:
                self._activation(name, name, quant)
            if name in g.constants:
                self.constants[name] = affine.quantized(
                    g.constants[name], quant, f"int{quant.num_bits}"
                )

    def layers(self, layer: graph.Layer) -> list[graph.Layer]:
        """The layer in integers, behind what converts its inputs."""
        if isinstance(layer, graph.Weighted):
            return [self._weighted(layer)]
        if isinstance(layer, graph.Position):
            shape = self._graph.tensors[layer.output].shape
            self.tensors[layer.output] = graph.Tensor(layer.output, shape, "int32")
            return [layer]
        before: list[graph.Layer] = []
        inputs = list(layer.inputs)
        for position, name in enumerate(inputs):
            if (layer.name, position) not in self._chosen.requantized:
                continue
            output = f"{name}/requantized_for_{layer.name}_{position}"
            self._activation(output, name, self._chosen.quants[layer.output])
            before.append(graph.Requantize(name=output, inputs=(name,), output=output))
            inputs[position] = output
        return [*before, dataclasses.replace(layer, inputs=tuple(inputs))]

    def _activation(self, name: str, like: str, quant: graph.QuantParams) -> None:
        self.tensors[name] = graph.Tensor(
            name, self._graph.tensors[like].shape, f"int{quant.num_bits}", quant
        )

    def _weighted(self, layer: graph.Weighted) -> graph.Weighted:
        constants, bits = self._graph.constants, self._form.weight_bits
        kernel = constants[layer.weights]
        (source,) = self._chosen.quants[layer.inputs[0]].scale
        new_kernel, new_bias = layer_weights.quantized(
            kernel,
            None if layer.bias is None else constants[layer.bias],
            source,
            num_bits=bits,
            axis=layer_rules.channel_axis(layer, kernel.shape),
            one_scale=self._has_one_scale(layer),
            activation_bits=self._form.activation_bits,
            power_of_two=self._form.has_power_of_two_steps,
        )
        weights = self._constant(layer.weights, *new_kernel)
        bias = layer.bias
        if bias is not None and new_bias is not None:
            bias = self._constant(bias, *new_bias)
        return dataclasses.replace(layer, weights=weights, bias=bias)

    def _has_one_scale(self, layer: graph.Weighted) -> bool:
        if self._per_tensor or self._form.has_power_of_two_steps:
            return True
        is_narrow = self._form.weight_bits <= _ONE_SCALE_BITS
        return is_narrow and isinstance(layer, graph.Dense)

    def _constant(
        self, name: str, values: graph.Array, quant: graph.QuantParams
    ) -> str:
        """Adds a constant; by a longer name where layers share it on other scales."""
        tensor = graph.Tensor(name, values.shape, values.dtype.name, quant)
        while name in self.tensors and self.tensors[name] != tensor:
            name += "_"
            tensor = dataclasses.replace(tensor, name=name)
        self.tensors[name] = tensor
        self.constants[name] = values
        return name
