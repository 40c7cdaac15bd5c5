"""A float network in the MAX78000's integers after training.

Activations of the device reach from -1 to 127/128. Those of a float network are brought
there by the exact rescaling of weights that training uses
(`quantization.max78000.range_equalization`), with the calibration inputs to say how far
they reach. So is the input: what a scaling in front makes of it, divided by one
factor, is what the host loads.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.keras_networks import layer_traits, quantizable, topology
from tfpipeline.post_training import float_network, front_layers, host_scaling
from tfpipeline.quantization import input_ranges
from tfpipeline.quantization.max78000 import range_equalization, rewrites, scheme
from tfpipeline.readers import from_keras, from_max78000
from tfpipeline.targets.max78000 import constant_scalings, lowering, quantize
from tfpipeline.targets.max78000 import policy as policies
from tfpipeline.targets.max78000 import spec as specs

# At the end of a network these are the host's.
HOST_FUNCTIONS = ("softmax", "sigmoid", "tanh")


@dataclasses.dataclass(frozen=True, eq=False)
class Quantized:
    """Integers, and what they are measured against.

    Attributes:
        float_graph: the network whose activations are in range.
        graph: the same in the device's integers.
        inputs: float32 `[N, ...]`, as `float_graph` reads them, in [-1, 127/128].
        scaling: what the host makes of the user's inputs.
        factor: by which it divides that.
        notes: what the host has to know, one line each.
    """

    float_graph: graph.Graph
    graph: graph.Graph
    inputs: npt.NDArray[np.float32]
    scaling: host_scaling.Scaling = host_scaling.Scaling()  # noqa: RUF009 a frozen value
    factor: float = 1.0
    notes: tuple[str, ...] = ()

    def loaded(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What `float_graph` reads for the user's inputs."""
        return self.scaling.of(inputs) / np.float32(self.factor)


def prepared(
    model: keras.Model, inputs: npt.NDArray[np.float32], options: scheme.Scheme
) -> keras.Model:
    """A float Keras network with the scheme's fake quantization, ranges brought in.

    Args:
        model: float32, with or without batch normalization, one input.
        inputs: float32 `[N, ...]` in [-1, 127/128].
        options: of the scheme.

    Raises:
        QuantizationError, UsageError: as `scheme.prepare_qat`.
    """
    folded = quantizable.fold(model, rewrites.TARGET)
    return scheme.prepare_qat(folded, inputs, options)


def quantized(
    network: float_network.FloatNetwork,
    policy: policies.Policy,
    spec: specs.Spec = specs.MAX78000,
) -> Quantized:
    """The integers of a network.

    Args:
        network: float, with inputs. Without its Keras model nothing is rescaled, and
            what is out of range saturates.
        policy: bits of the weights.
        spec: the device.

    Raises:
        TargetError: what the device cannot run, all of it.
        QuantizationError: a layer that the scheme does not have.
    """
    if network.model is None:
        return _as_it_is(network, policy, spec)
    given, scaling = front_layers.left_to_host(network.model)
    folded = quantizable.fold(given, rewrites.TARGET)
    model = _without_last_function(folded)
    inputs = scaling.of(network.inputs)
    reached = scaling.reach(network.input_range, network.inputs)
    factor = _factor(
        min(reached.low, float(inputs.min())), max(reached.high, float(inputs.max()))
    )
    notes = list(scaling.notes)
    if factor != 1:
        model = range_equalization.with_input_factor(model, factor)
        inputs = (inputs / np.float32(factor)).astype(np.float32)
        notes.append(
            f"input is divided by {factor:.9g}: the host loads round(128 * value / "
            f"{factor:.9g}), from -128 to 127"
        )
    name = network.graph.name
    _require_runnable(from_keras.read(model, name=name), policy, spec)
    prepared_model = prepared(model, inputs, scheme.Scheme(policy))
    g, options = from_max78000.float_network(prepared_model, name=name)
    integers = quantize.quantize(g, options.policy, wide_output=options.wide_output)
    return Quantized(g, integers, inputs, scaling, factor, tuple(notes))


def _as_it_is(
    network: float_network.FloatNetwork, policy: policies.Policy, spec: specs.Spec
) -> Quantized:
    g, notes = constant_scalings.without_the_devices_own(network.graph)
    scaling = host_scaling.Scaling()
    if notes:
        own = host_scaling.Step("input", np.array(1 / 128), np.array(-1.0))
        scaling = host_scaling.Scaling((own,))
    _require_runnable(g, policy, spec)
    return Quantized(
        g,
        quantize.quantize(g, policy),
        scaling.of(network.inputs),
        scaling,
        1.0,
        (*notes, "ranges are as they were: only a Keras file's can be brought in"),
    )


def _require_runnable(
    g: graph.Graph, policy: policies.Policy, spec: specs.Spec
) -> None:
    """The device's own reasons, which come before those of the scheme."""
    names = [layer.name for layer in g.layers if isinstance(layer, graph.Weighted)]
    bits = {name: policy.bits(name) for name in names}
    lowered = lowering.lower(g, spec, weight_bits=bits)
    if lowered.violations:
        lead = f"'{g.name[:60]}' cannot run on {lowered.spec.name}: "
        reasons = [str(each) for each in lowered.violations]
        raise errors.TargetError(errors.told(lead, reasons))


def _without_last_function(model: keras.Model) -> keras.Model:
    """The network without a function at its end, which is the host's."""
    model = topology.require_functional(model)
    architecture = topology.to_dict(model)
    sources = topology.producers(architecture)
    for name in topology.outputs(architecture):
        last = model.get_layer(name)
        if layer_traits.activation_name(last) not in HOST_FUNCTIONS:
            continue
        if isinstance(last, keras.layers.Activation):
            architecture = topology.remove_layers(
                architecture, {name: sources[name][0]}
            )
            continue
        for entry in architecture["config"]["layers"]:
            if entry["name"] == name:
                entry["config"]["activation"] = "linear"
    return topology.with_weights(architecture, model)


def _factor(low: float, high: float) -> float:
    """By what an input is divided to be in the device's range; 1 where it is."""
    signed = input_ranges.SIGNED
    if low >= signed.minimum and high <= signed.maximum:
        return 1.0
    factor = max(high / signed.maximum, low / signed.minimum)
    # So that rounding does not leave the largest value outside.
    return factor * (1 + 1e-6)
