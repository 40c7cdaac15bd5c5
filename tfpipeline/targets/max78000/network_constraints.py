"""What pools, sums, concatenations and whole networks must be."""

from collections.abc import Iterator

from tfpipeline.targets.max78000 import draft, geometry, processor_maps, violation
from tfpipeline.targets.max78000 import spec as specs


def _pool(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if max(layer.pool) <= specs.MAX_POOL else violation.size(layer.pool)


def _pool_stride(layer: draft.Layer, spec: specs.Spec) -> str | None:
    stride = layer.pool_stride
    return None if max(stride) <= specs.MAX_POOL else violation.size(stride)


def _square_stride(layer: draft.Layer, spec: specs.Spec) -> str | None:
    rows, columns = layer.pool_stride
    # A line of pixels has one stride only.
    is_line = layer.in_dim[1] == 1 and layer.operator in ("conv1d", "passthrough")
    return None if is_line or rows == columns else violation.size(layer.pool_stride)


def _pool_padding(layer: draft.Layer, spec: specs.Spec) -> str | None:
    rows, columns = layer.pool_padding
    if layer.pool_padding == draft.NO_PADDING:
        return None
    return f"{rows[0]} and {rows[1]} rows, {columns[0]} and {columns[1]} columns"


def _pool_dilation(layer: draft.Layer, spec: specs.Spec) -> str | None:
    dilation = layer.pool_dilation
    return None if max(dilation) <= spec.max_pool_dilation else violation.size(dilation)


def _wide_pool(layer: draft.Layer, spec: specs.Spec) -> str | None:
    is_wide = layer.in_channels > spec.processors and layer.pools
    if not is_wide or spec.pools_wide_passthrough or layer.pooled_dim == (1, 1):
        return None
    behind = violation.size(layer.pooled_dim)
    return f"{layer.in_channels} channels, {behind} behind the pool"


def _same_channels(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.in_channels == layer.out_channels:
        return None
    return f"{layer.in_channels} to {layer.out_channels}"


def _eltwise(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return None if layer.eltwise in (None, *specs.ELEMENT_WISE) else layer.eltwise


def _operands(layer: draft.Layer, spec: specs.Spec) -> str | None:
    count = len(layer.operands)
    is_allowed = count in range(2, specs.MAX_OPERANDS + 1)
    return None if layer.eltwise is None or is_allowed else str(count)


def _broadcasts(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return "a constant or another shape" if layer.broadcasts else None


def _scales_activations(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return "one behind something else" if layer.scales == "activation" else None


def _scales_input(layer: draft.Layer, spec: specs.Spec) -> str | None:
    return "a layer that scales it" if layer.scales == "input" else None


def _in_flight(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.eltwise is None or not layer.convolves:
        return None
    if layer.operator != "conv2d":
        return layer.operator
    passes = 2 if len(layer.operands) == 2 else 1
    fits = layer.in_channels <= passes * spec.processors
    return None if fits else f"{layer.in_channels} channels"


def _pooled_sum(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.pool_first or len(layer.operands) <= specs.MAX_POOLED_OPERANDS:
        return None
    return str(len(layer.operands))


def _sum_with_bias(layer: draft.Layer, spec: specs.Spec) -> str | None:
    if layer.eltwise is None or layer.bias is None or spec.adds_with_bias:
        return None
    return "a bias"


def _parts(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    for each in network.concatenations:
        channels = [count for _, count in each.parts[:-1]]
        has_rest = any(count % specs.CONCAT_MULTIPLE for count in channels)
        if each.along == draft.CHANNELS and has_rest:
            yield each.subject, _listed(each)


def _passes(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    for each in network.concatenations:
        share = geometry.processors_of_pass(each.channels, spec)
        *channels, last = (count for _, count in each.parts)
        is_pass = last <= share and all(count == share for count in channels)
        is_pass |= each.along != draft.CHANNELS
        if each.channels > spec.processors and not is_pass:
            yield each.subject, f"{_listed(each)}, {share} in a pass"


def _equal_parts(
    network: draft.Network, spec: specs.Spec
) -> Iterator[violation.Breach]:
    for each in network.concatenations:
        if len({count for _, count in each.parts}) > 1:
            yield each.subject, _listed(each)


def _axis(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    for each in network.concatenations:
        if not each.is_possible:
            yield each.subject, each.along


def _places(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    writers = {layer.output: layer.subject for layer in network.layers}
    writers |= {each.output: each.subject for each in network.concatenations}
    for name in processor_maps.assign(network, spec).conflicts:
        yield writers.get(name, f"input '{name}'"), "several"


def _listed(each: draft.Concatenation) -> str:
    return "parts of " + ", ".join(str(count) for _, count in each.parts)


def _inputs(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    if len(network.inputs) != 1:
        yield network.subject, ", ".join(network.inputs)


def _layers(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    if len(network.layers) > spec.max_layers:
        yield network.subject, str(len(network.layers))


def _quadrant(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    maps = processor_maps.assign(network, spec).maps.values()
    together = 0
    for each in maps:
        together |= each
    if network.layers and 0 not in geometry.used_quadrants(together, spec):
        yield network.subject, f"processors {together:#018x}"


def _fifo(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    most = specs.FIFO_CHANNELS[network.input_format]
    if network.input_mode == "fifo" and network.in_channels > most:
        yield network.subject, f"{network.in_channels} in {network.input_format}"


def _fast_fifo(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    if network.input_mode != "fast_fifo" or not network.layers:
        return
    first = network.layers[0]
    if network.in_channels > specs.FAST_FIFO_CHANNELS[network.input_format]:
        yield network.subject, f"{network.in_channels} in {network.input_format}"
    if not first.convolves or first.output_width != specs.OUTPUT_WIDTHS[0]:
        yield first.subject, f"{first.operator}, {first.output_width} bits"


def _streams_from_fifo(
    network: draft.Network, spec: specs.Spec
) -> Iterator[violation.Breach]:
    streams = any(layer.streaming for layer in network.layers)
    if streams and network.input_mode == "memory":
        yield network.subject, "input in the data memory"


def _stream_start(
    network: draft.Network, spec: specs.Spec
) -> Iterator[violation.Breach]:
    streaming = [i for i, layer in enumerate(network.layers) if layer.streaming]
    is_start = streaming == list(range(len(streaming)))
    if not is_start or len(streaming) > specs.MAX_STREAMING_LAYERS:
        yield network.subject, f"layers {', '.join(map(str, streaming))}"


def _stream_end(network: draft.Network, spec: specs.Spec) -> Iterator[violation.Breach]:
    streaming = [layer for layer in network.layers if layer.streaming]
    # A 1x1 kernel streams as a padded 3x3 one.
    is_point = bool(streaming) and streaming[-1].kernel == (1, 1)
    if streaming and streaming[-1].padding == draft.NO_PADDING and not is_point:
        yield streaming[-1].subject, "no padding"


CONSTRAINTS = (
    violation.Constraint(
        id="POOL-01",
        applies_to="pools",
        rule="a pool must have 1 to 16 pixels a side",
        fix="pool in two steps, which is the same for equal windows without overlap",
        source=violation.BOTH,
        check=violation.each_pool(_pool),
    ),
    violation.Constraint(
        id="POOL-02",
        applies_to="pools",
        rule="the stride of a pool must be 1 to 16",
        fix="pool in two steps",
        source=violation.BOTH,
        check=violation.each_pool(_pool_stride),
    ),
    violation.Constraint(
        id="POOL-03",
        applies_to="pools",
        rule="the stride of a pool must be the same in both directions",
        fix="use equal strides",
        source=violation.BOTH,
        check=violation.each_pool(_square_stride),
    ),
    violation.Constraint(
        id="POOL-04",
        applies_to="pools",
        rule="a pool must not be padded",
        fix="use padding='valid', where the input's sides are multiples of the stride",
        source=violation.TOOL,
        check=violation.each_pool(_pool_padding),
    ),
    violation.Constraint(
        id="POOL-05",
        applies_to="pools",
        rule="the dilation of a pool must be at most {spec.max_pool_dilation}",
        fix="use a plain pool",
        source=violation.BOTH,
        check=violation.each_pool(_pool_dilation),
    ),
    violation.Constraint(
        id="POOL-06",
        applies_to="passthrough",
        rule="a pool without a convolution behind it must have at most 64 channels, "
        "unless it leaves one pixel",
        fix="put the pool in front of a convolution, which takes it in, or use fewer "
        "channels",
        source=violation.TOOL,
        check=violation.each_layer(_wide_pool, "passthrough"),
        devices=("max78000",),
    ),
    violation.Constraint(
        id="PASS-01",
        applies_to="passthrough",
        rule="a layer without weights must keep its channels",
        fix="use a 1x1 convolution to change them",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_same_channels, "passthrough"),
    ),
    violation.Constraint(
        id="NORM-01",
        applies_to="normalization",
        rule="a normalization must directly follow a convolution or dense layer, whose "
        "kernel takes it in",
        fix="move it there, in front of the ReLU or pool, and train again",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_scales_activations),
    ),
    violation.Constraint(
        id="NORM-02",
        applies_to="normalization",
        rule="the device's input is (pixel - 128) / 128, and nothing scales it",
        fix="leave the layer out and train with such inputs; Rescaling(1/128, -1) is "
        "that and may stay",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_scales_input),
    ),
    violation.Constraint(
        id="ELT-01",
        applies_to="element-wise",
        rule="the operation must be one of add, sub, or, xor",
        fix="replace it by a convolution or a sum",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_eltwise),
    ),
    violation.Constraint(
        id="ELT-02",
        applies_to="element-wise",
        rule="there must be 2 to 16 operands",
        fix="add in several steps",
        source=violation.MANUAL,
        check=violation.each_layer(_operands),
    ),
    violation.Constraint(
        id="ELT-03",
        applies_to="element-wise",
        rule="operands must be activations of the same shape",
        fix="put a constant into the bias of the convolution in front; bring operands "
        "to one shape by a 1x1 convolution",
        source=violation.DESCRIPTION,
        check=violation.each_layer(_broadcasts),
    ),
    violation.Constraint(
        id="ELT-04",
        applies_to="element-wise",
        rule="of the layers with weights only conv2d takes operands, of at most 64 "
        "channels, or 128 where there are two",
        fix="give the sum a layer of its own",
        source="manual; tool",
        check=violation.each_layer(_in_flight),
    ),
    violation.Constraint(
        id="ELT-05",
        applies_to="element-wise",
        rule="an operation in front of its layer's pool must have at most 2 operands",
        fix="pool the operands, or in a layer of its own",
        source=violation.MANUAL,
        check=violation.each_layer(_pooled_sum),
    ),
    violation.Constraint(
        id="ELT-06",
        applies_to="element-wise",
        rule="a convolution of operands must have no bias",
        fix="use use_bias=False, or give the sum a layer of its own",
        source="tool",
        check=violation.each_layer(_sum_with_bias),
        devices=("max78002",),
    ),
    violation.Constraint(
        id="CONCAT-01",
        applies_to="concatenation",
        rule="all parts but the last must be multiples of 4 channels",
        fix="use such channels in the layers in front",
        source=violation.MANUAL,
        check=_parts,
    ),
    violation.Constraint(
        id="CONCAT-02",
        applies_to="concatenation",
        rule="with more than 64 channels together, each part must be a pass of them",
        fix="use parts of equal channels, such as 64 and 64",
        source="tool: how several passes lie in the memory",
        check=_passes,
    ),
    violation.Constraint(
        id="CONCAT-03",
        applies_to="concatenation",
        rule="tensors must be concatenated along the channels, or along the first axis "
        "of pixels, of which one has several",
        fix="concatenate channels, or rows behind rows, or the input on the host",
        source="tool: it joins channels, or pixels behind pixels",
        check=_axis,
    ),
    violation.Constraint(
        id="CONCAT-04",
        applies_to="concatenation",
        rule="a tensor must have one place among the 64 processors",
        fix="put a 1x1 convolution in front of one of the concatenations or sums",
        source="tool: data that passes through stays with its processors",
        check=_places,
    ),
    violation.Constraint(
        id="CONCAT-05",
        applies_to="concatenation",
        rule="all parts must have the same number of channels",
        fix="use such channels in the layers in front",
        source=violation.TOOL,
        check=_equal_parts,
    ),
    violation.Constraint(
        id="NET-01",
        applies_to="networks",
        rule="there must be one input",
        fix="concatenate the inputs along the channels on the host",
        source=violation.DESCRIPTION,
        check=_inputs,
    ),
    violation.Constraint(
        id="NET-02",
        applies_to="networks",
        rule="there must be at most {spec.max_layers} layers; a pool or sum that a "
        "convolution takes in is free",
        fix="use fewer layers, or put pools and sums directly in front of convolutions",
        source=violation.TOOL,
        check=_layers,
    ),
    violation.Constraint(
        id="NET-03",
        applies_to="networks",
        rule="quadrant 0, the processors 0 to 15, must be used",
        fix="start the processor maps at 0",
        source=violation.TOOL,
        check=_quadrant,
    ),
    violation.Constraint(
        id="FIFO-01",
        applies_to="networks",
        rule="an input by the FIFO must have at most 16 channels in HWC, 4 in CHW",
        fix="use fewer channels, or load the data memory",
        source=violation.TOOL,
        check=_fifo,
    ),
    violation.Constraint(
        id="FIFO-02",
        applies_to="networks",
        rule="the fast FIFO takes at most 4 channels in HWC, 1 in CHW, into a first "
        "layer with weights and 8-bit outputs",
        fix="use the plain FIFO",
        source=violation.MANUAL,
        check=_fast_fifo,
    ),
    violation.Constraint(
        id="STREAM-04",
        applies_to="streaming layers",
        rule="a network that streams must take its input from a FIFO",
        fix="use the FIFO, or do not stream",
        source=violation.TOOL,
        check=_streams_from_fifo,
    ),
    violation.Constraint(
        id="STREAM-05",
        applies_to="streaming layers",
        rule="the first layers must stream, at most 8, without interruption",
        fix="stream from the first layer on",
        source=violation.MANUAL,
        check=_stream_start,
    ),
    violation.Constraint(
        id="STREAM-06",
        applies_to="streaming layers",
        rule="the last layer that streams must have padding",
        fix="use padding='same', or stream one layer less",
        source=violation.MANUAL,
        check=_stream_end,
        devices=("max78000",),
    ),
)
