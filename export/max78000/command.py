"""`--targets=max78000` and `max78002`: what the vendor's synthesis tool takes."""

import dataclasses
import functools
import pathlib
from typing import Annotated

import numpy as np
import numpy.typing as npt

from export.given import Given
from export.max78000 import files, network, sample
from export.target import Prepared, Target
from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.cost import macs
from tfpipeline.ir import global_pools, graph, single_results
from tfpipeline.metadata import model_metadata
from tfpipeline.post_training import loss
from tfpipeline.targets.max78000 import cost, lost_weights, quantize
from tfpipeline.targets.max78000 import policy as policies
from tfpipeline.targets.max78000 import spec as specs


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    weight_bits: Annotated[
        int | None,
        Flag("Width of the weights of a float network; 8 if not given."),
    ] = None
    policy: Annotated[
        str | None,
        Flag(
            "YAML file with weight_bits by layer of a float network, instead of "
            "--weight_bits.",
            check=policies.parse,
            name="quantization_policy",
            reads_file=True,
        ),
    ] = None
    sample: Annotated[
        str | None,
        Flag("The input whose answer is recorded: a .png, or a .npy of integers."),
    ] = None


def _prepare(spec: specs.Spec, given: Given, flags: Flags) -> Prepared:
    """The files of a network, with a known answer for every layer.

    Args:
        spec: the device.
        given: a graph, a Keras file or the folder of a run; with calibration data a
            float one, whose ranges are brought in.
        flags: of the target.

    Raises:
        PipelineError: as `model_source.load`, `sample.read` and `network.prepare`.
    """
    if given.calibration is not None:
        return _after_training(spec, given, flags)
    # The device gives its input a scale of its own; what scales it is not a kernel's.
    source = given.source(scaled_inputs=True)
    single_results.require(source.graph, spec.name.upper())
    g = global_pools.as_pools(source.graph)
    weights = _policy(flags, g, source.weight_bits)
    image = _sample(flags, g)
    prepared = network.prepare(g, image, weights=weights, spec=spec)
    is_float = all(tensor.dtype == "float32" for tensor in g.tensors.values())
    if is_float and not given.no_calibration:
        raise errors.UsageError(
            f"'{given.model}' is a float network, and activations of the "
            f"{spec.name.upper()} reach from -1 to 127/128: what lies beyond would "
            "saturate unseen. Give --calibration=DATA, inputs like those of the field, "
            "or insist by --no_calibration"
        )
    return _prepared(prepared, g.name, metadata=given.metadata)


def _after_training(spec: specs.Spec, given: Given, flags: Flags) -> Prepared:
    # Three seconds of imports that nobody else should wait for.
    from tfpipeline.post_training import max78000

    single_results.require(given.network.graph, spec.name.upper())
    weights = _policy(flags, given.network.graph) or policies.Policy()
    quantized = max78000.quantized(given.network, weights, spec)
    image = _sample(flags, quantized.graph)
    if image is None:
        image = quantize.quantize_activations(quantized.inputs[0])
    prepared = network.prepare(quantized.graph, image, spec=spec)
    form = loss.Form(
        name=spec.name.upper(),
        reference=quantized.float_graph,
        inputs=quantized.inputs,
        run=given.network.run,
        compute=functools.partial(network.reals, prepared, quantized.graph),
        outputs=quantized.graph.outputs,
        says_classes=_ends_with_classes(given),
    )
    measured = loss.measure(form, macs.graph_count(quantized.float_graph).macs)
    lost = lost_weights.notes(quantized.float_graph, weights)
    prepared = dataclasses.replace(
        prepared, notes=(*quantized.notes, *lost, *prepared.notes)
    )
    return _prepared(prepared, given.name, measured, given.metadata)


def _policy(
    flags: Flags, g: graph.Graph, weight_bits: int | None = None
) -> policies.Policy | None:
    """What is asked for the weights, or a width that the network has by itself.

    Raises:
        UsageError: two answers, or bits for layers that the network does not have.
    """
    if flags.policy is None:
        bits = flags.weight_bits or weight_bits
        return None if bits is None else policies.Policy(weight_bits=bits)
    if flags.weight_bits is not None:
        raise errors.UsageError(
            "--quantization_policy says the bits of weights: leave out --weight_bits"
        )
    found = policies.parse(flags.policy)
    names = [layer.name for layer in g.layers if isinstance(layer, graph.Weighted)]
    found.check_names(tuple(names), g.name)
    return found


def _ends_with_classes(given: Given) -> bool:
    """As the whole network says; its softmax may be the host's."""
    network = given.network
    return network.says_classes or loss.ends_with_softmax(network.graph)


def _sample(flags: Flags, g: graph.Graph) -> npt.NDArray[np.int8] | None:
    if flags.sample is None:
        return None
    return sample.read(flags.sample, g.tensors[g.inputs[0]].shape[1:])


def _latency(device: cost.Cost) -> list[str]:
    """The vendor has no model of the MAX78002's."""
    if "ai8x" not in device.latency_cycles:
        return []
    cycles, seconds = device.latency_cycles["ai8x"], device.latency_seconds("ai8x")
    return [
        f"latency    {cycles:,.0f} cycles, {1e3 * seconds:.3f} ms by the vendor's model"
    ]


def _prepared(
    found: network.Network,
    name: str,
    lost: loss.Loss | None = None,
    metadata: model_metadata.Metadata | None = None,
) -> Prepared:
    found = dataclasses.replace(found, metadata=metadata)

    def report(output: pathlib.Path | None) -> list[str]:
        device = found.cost
        return [
            f"model      {len(found.lowered.steps)} layers, "
            f"{device.weight_bytes:,} bytes of weights, {device.bias_bytes:,} of "
            "biases",
            *_latency(device),
            *(f"note       {note}" for note in found.notes),
            f"written    {output}; {files.README_FILE} has the vendor's command",
        ]

    return Prepared(files.contents(found, name), report, lost)


def prepare(given: Given, flags: Flags) -> Prepared:
    """As `_prepare`, for the MAX78000."""
    return _prepare(specs.MAX78000, given, flags)


def prepare_78002(given: Given, flags: Flags) -> Prepared:
    """As `_prepare`, for the MAX78002."""
    return _prepare(specs.MAX78002, given, flags)


TARGET = Target(
    name=specs.MAX78000.name,
    title="files of ai8x-synthesis",
    takes="a graph.json or a Keras file",
    flags=Flags(),
    prepare=prepare,
)
MAX78002 = dataclasses.replace(
    TARGET,
    name=specs.MAX78002.name,
    title="files of ai8x-synthesis for the MAX78002",
    prepare=prepare_78002,
)
