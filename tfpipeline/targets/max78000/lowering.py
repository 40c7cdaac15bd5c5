"""A graph as layers of the accelerator, or all the reasons why it cannot be.

The same lowering serves the estimate and the export: each accelerator layer says which
layers of the graph it stands for and where its weights are. Nothing here needs a
quantized graph.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    constant_scalings,
    constraints,
    data_memory,
    draft,
    fusion,
    graph_view,
    joins,
    layer_order,
    memory,
    moves,
    processor_maps,
    streams,
)
from tfpipeline.targets.max78000 import spec as specs

# The index that stands for the network's input.
INPUT = data_memory.INPUT

# What a layer that is asked for and one that is formed have in common. Without a name,
# as in the vendor's tool where the description gives none.
_SHARED_FIELDS = tuple(
    field.name
    for field in dataclasses.fields(draft.Layer)
    if field.name in accelerator_layer.AcceleratorLayer.__dataclass_fields__
    and field.name not in ("operands", "bias", "name")
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoweredLayer:
    """One accelerator layer and what it came from.

    Attributes:
        name: of the graph's layer that does the work.
        kind: of the same.
        layer: as the device runs it.
        operands: for each operand, the layers whose outputs it is made of, side by side
            in order of channels; `INPUT` is the network's input.
        graph_layers: names of the graph's layers that it stands for; none for a copy
            or a move.
        output: name of the graph's tensor that it writes.
        weights: name of the kernel in the graph's constants: OHWI of a convolution,
            `[1, height, width, out]` of a depthwise one, `[out, in]` of a dense layer.
        bias: name of the bias in the graph's constants, where it is not all zero.
        flattened: (rows, columns, channels) of a flattened input. The kernel's input
            axis then counts them in this order, and the device wants (channels, rows,
            columns).
    """

    name: str
    kind: str
    layer: accelerator_layer.AcceleratorLayer
    operands: tuple[tuple[int, ...], ...]
    graph_layers: tuple[str, ...]
    output: str
    weights: str | None
    bias: str | None
    flattened: tuple[int, int, int] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lowered:
    """A network on the accelerator.

    Attributes:
        name: the graph's.
        spec: the device.
        steps: the layers in order of execution; empty unless every one could be formed.
        outputs: the layers whose results the host takes.
        violations: why the device cannot run it; empty if it can, but for memory.
        input_format: how the input lies in the data memory, `HWC` or `CHW`.
        notes: what is left to the host, one line each.
    """

    name: str
    spec: specs.Spec
    steps: tuple[LoweredLayer, ...]
    outputs: tuple[int, ...]
    violations: tuple[constraints.Violation, ...]
    input_format: str
    notes: tuple[str, ...]

    @property
    def layers(self) -> tuple[accelerator_layer.AcceleratorLayer, ...]:
        """The accelerator layers alone."""
        return tuple(step.layer for step in self.steps)

    def subject(self, index: int) -> str:
        """How messages name a layer, or the input."""
        if index == INPUT:
            return "input"
        return f"{self.steps[index].kind} '{self.steps[index].name}'"


def lower(
    g: graph.Graph,
    spec: specs.Spec = specs.MAX78000,
    *,
    weight_bits: fusion.Bits = None,
    wide_output: bool = True,
) -> Lowered:
    """The accelerator layers of a well-formed graph, float or quantized.

    Args:
        g: a graph whose batch normalizations are folded.
        spec: the device.
        weight_bits: width of the weights, for all layers or by layer name; `None`, or a
            layer that is not named, takes the graph's own, and 8 of a float graph.
        wide_output: whether a last layer of one pixel without activation writes its
            32-bit accumulator, as the vendor's classifiers do.

    Returns:
        The layers with all violations, in an order that does not depend on names
        (`layer_order`). Layers that the device cannot run are formed as
        well, so that they can be counted, unless one of them has no such form at all.

    Raises:
        UsageError: `weight_bits` names a layer that the graph does not have.
    """
    g, left_out = constant_scalings.without_the_devices_own(g)
    fusion.check_names(g, weight_bits)
    g = layer_order.by_structure(g)
    network = fusion.draft_network(
        g, spec, weight_bits=weight_bits, wide_output=wide_output
    )
    whole = moves.with_moves(joins.with_copies(network, spec), spec)
    network = _with_input_format(whole, spec)
    violations = constraints.check(network, spec)
    steps, outputs, lacking = _steps(network, spec, may_fit=not violations)
    for count in range(1, specs.MAX_STREAMING_LAYERS + 1):
        stream = streams.streamed(whole, count, spec) if lacking else None
        if stream is None or constraints.check(stream, spec):
            continue
        found = _steps(stream, spec, may_fit=True)
        formed = accelerator_layer.emulate_streaming([step.layer for step in found[0]])
        if not found[-1] and streams.are_possible(formed, spec):
            network, (steps, outputs, lacking) = stream, found
    return Lowered(
        name=g.name,
        spec=spec,
        steps=steps,
        outputs=outputs,
        violations=violations,
        input_format=network.input_format,
        notes=(*left_out, *network.notes, *_stream_notes(network)),
    )


def _stream_notes(network: draft.Network) -> tuple[str, ...]:
    count = sum(layer.streaming for layer in network.layers)
    what = "layer streams" if count == 1 else f"{count} layers stream"
    note = f"the first {what}: the host gives the input by the FIFO"
    return (note,) if count else ()


def _with_input_format(network: draft.Network, spec: specs.Spec) -> draft.Network:
    """One channel a memory instance where four channels a word are too large."""
    pixels = network.in_dim[0] * network.in_dim[1]
    instances = spec.processors // spec.processors_per_memory
    if (
        network.in_channels <= instances
        and pixels * spec.processors_per_memory > spec.memory_instance_bytes
        and pixels <= spec.memory_instance_bytes
    ):
        return dataclasses.replace(network, input_format="CHW")
    return network


def _steps(
    network: draft.Network, spec: specs.Spec, *, may_fit: bool
) -> tuple[tuple[LoweredLayer, ...], tuple[int, ...], int]:
    """The layers on the first processors that hold all, which are outputs, shortages.

    Places where no layer writes over what it has read come first.
    """
    written = _written(network)
    outputs = tuple(i for name in network.outputs for i in written.get(name, ()))
    choices = []
    for strategy in processor_maps.STRATEGIES:
        maps = processor_maps.assign(network, spec, strategy).maps
        steps = tuple(_placed(network, maps, written))
        if not steps or not may_fit:
            return steps, outputs, 0
        lacking = _shortages(network, steps, outputs, spec)
        if lacking == (0, False):
            return steps, outputs, 0
        choices.append((lacking, steps))
    (count, _), steps = min(choices, key=lambda choice: choice[0])
    return steps, outputs, count


def _shortages(
    network: draft.Network,
    steps: Sequence[LoweredLayer],
    outputs: Sequence[int],
    spec: specs.Spec,
) -> tuple[int, bool]:
    """How many find no place for kernels or data; whether layers write over inputs."""
    layers = accelerator_layer.emulate_streaming([step.layer for step in steps])
    data = data_memory.plan(
        layers,
        [step.operands for step in steps],
        outputs,
        input_format=network.input_format,
        spec=spec,
    )
    kernels = memory.place_kernels(layers, spec).shortages
    return len(data.shortages) + len(kernels), data.overlaps


def _written(network: draft.Network) -> dict[str, tuple[int, ...]]:
    """The layers that write each tensor, the parts of a concatenation in order."""
    written: dict[str, tuple[int, ...]] = {network.inputs[0]: (INPUT,)}
    written |= {layer.output: (i,) for i, layer in enumerate(network.layers)}
    for each in network.concatenations:
        written[each.output] = tuple(
            index for name, _ in each.parts for index in written.get(name, ())
        )
    return written


def _placed(
    network: draft.Network,
    maps: Mapping[str, int],
    written: Mapping[str, tuple[int, ...]],
) -> Iterator[LoweredLayer]:
    if not all(each.is_possible for each in network.concatenations):
        return
    formed = [_form(layer, maps) for layer in network.layers]
    layers = [layer for layer in formed if layer is not None]
    if len(layers) < len(formed):
        return
    pairs = zip(network.layers, _with_sources(network, layers), strict=True)
    for asked, layer in pairs:
        yield LoweredLayer(
            name=asked.name,
            kind=asked.kind,
            layer=layer,
            operands=tuple(written[name] for name in asked.operands),
            graph_layers=asked.graph_layers,
            output=asked.output,
            weights=asked.weights,
            bias=asked.bias,
            flattened=(*asked.in_dim, asked.in_channels) if asked.flatten else None,
        )


def _with_sources(
    network: draft.Network, layers: Sequence[accelerator_layer.AcceleratorLayer]
) -> Iterator[accelerator_layer.AcceleratorLayer]:
    """The layers; each refers to an earlier one of its kernel, as the tool finds it.

    The tool keeps equal weights of equal shape, width and processors once.
    """
    firsts: dict[tuple[object, ...], int] = {}
    for index, (asked, layer) in enumerate(zip(network.layers, layers, strict=True)):
        places = (layer.processors, layer.output_processors)
        kernel = (asked.weights, layer.weight_bits, layer.flatten, *places)
        first = index if asked.weights is None else firsts.setdefault(kernel, index)
        if first < index:
            layer = dataclasses.replace(layer, weight_source=first)
        yield layer


def _form(
    asked: draft.Layer, maps: Mapping[str, int]
) -> accelerator_layer.AcceleratorLayer | None:
    """The accelerator layer of the same shapes; `None` where there is none.

    Padding that is not the same on both sides becomes the larger or the smaller side's,
    whichever gives the output's size: as many operations, but another result.
    """
    if asked.broadcasts or any(name not in maps for name in asked.operands):
        return None
    values = {name: getattr(asked, name) for name in _SHARED_FIELDS}
    if asked.activation in graph_view.BOUNDED_RELUS:
        # As many comparisons.
        values["activation"] = "ReLU"
    for choose in (max, min):
        try:
            layer = accelerator_layer.AcceleratorLayer(
                **values,
                operands=len(asked.operands),
                bias=asked.bias is not None,
                pad=(choose(asked.padding[0]), choose(asked.padding[1])),
                processors=maps[asked.operands[0]],
                output_processors=maps[asked.output],
            )
        except errors.GraphError:
            continue
        if layer.out_dim == asked.out_dim and layer.pooled_dim == asked.pooled_dim:
            return layer
    return None
