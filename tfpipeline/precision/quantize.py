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
# Of the kernels of an LSTM: `recurrent_rules.LSTM_TYPES`.
_LSTM_BITS = 8


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
        GraphError: `g` is not float, or has a layer that keeps a state without a form.
        UsageError: a tensor has no range.
    """
    float_execution.require_float(g)
    _require_kept_in_reach(g, form)
    draft = _Draft(g, scales.choose(g, found, form), form, per_tensor)
    layers: list[graph.Layer] = []
    for layer in g.layers:
        layers += draft.layers(layer)
    result = graph.Graph(
        g.name, draft.tensors, draft.constants, tuple(layers), g.inputs, g.outputs
    )
    return verify.require(result)


def _require_kept_in_reach(g: graph.Graph, form: formats.Format) -> None:
    """Refuses layers that keep a state, but for an LSTM with kernels of 8 bits."""
    for layer in g.layers:
        if not isinstance(layer, graph.Stateful):
            continue
        where = f"graph '{g.name[:60]}': {layer.kind} '{layer.name}' keeps a state"
        if not isinstance(layer, graph.Lstm):
            raise errors.GraphError(
                f"{where}, whose range is not measured; let TensorFlow's converter "
                "quantize the network, and give the .tflite file instead"
            )
        if form.weight_bits != _LSTM_BITS:
            raise errors.GraphError(
                f"{where}, and TensorFlow Lite Micro reads its kernels as int8 alone; "
                f"found {form.weight_bits} bits: take int8 or int16x8"
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
                self._activation(name, quant, like=name)
            if name in g.constants:
                self.constants[name] = affine.quantized(
                    g.constants[name], quant, f"int{quant.num_bits}"
                )

    def layers(self, layer: graph.Layer) -> list[graph.Layer]:
        """The layer in integers, behind what converts its inputs."""
        if isinstance(layer, graph.Weighted):
            return [self._weighted(layer)]
        if isinstance(layer, graph.Lstm):
            return [self._lstm(layer)]
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
            self._activation(output, self._chosen.quants[layer.output], like=name)
            before.append(graph.Requantize(name=output, inputs=(name,), output=output))
            inputs[position] = output
        return [*before, dataclasses.replace(layer, inputs=tuple(inputs))]

    def _activation(self, name: str, quant: graph.QuantParams, *, like: str) -> None:
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

    def _lstm(self, layer: graph.Lstm) -> graph.Lstm:
        """Kernels have a scale each; a bias that of the input times its kernel's."""
        constants = self._graph.constants
        sources = [
            self._chosen.quants[name].scale[0]
            for name in (layer.inputs[0], layer.states[0])
        ]
        of_input, biases, of_hidden = [], [], []
        for name, bias_name, recurrent_name in zip(
            layer.input_weights, layer.biases, layer.recurrent_weights, strict=True
        ):
            kernel, bias = self._one_scale(
                constants[name], constants[bias_name], sources[0]
            )
            recurrent, _ = self._one_scale(constants[recurrent_name], None, sources[1])
            assert bias is not None
            of_input.append(self._constant(name, *kernel))
            biases.append(self._constant(bias_name, *bias))
            of_hidden.append(self._constant(recurrent_name, *recurrent))
        return dataclasses.replace(
            layer,
            input_weights=tuple(of_input),
            biases=tuple(biases),
            recurrent_weights=tuple(of_hidden),
        )

    def _one_scale(
        self, kernel: graph.Array, bias: graph.Array | None, source: float
    ) -> tuple[layer_weights.Constant, layer_weights.Constant | None]:
        return layer_weights.quantized(
            kernel,
            bias,
            source,
            num_bits=self._form.weight_bits,
            axis=0,
            one_scale=True,
            activation_bits=self._form.activation_bits,
        )

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
