"""What whole networks must be: ends, order of data, types, concatenations, memories."""

from collections.abc import Iterator

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import buffers, spec, steps, violation

_TYPES = ("float32", "int8", "int16")
# Axes of a vector, of a line (one row of pixels) and of a plane, with the batch.
_RANKS = (2, 3, 4)


def _activation_tensors(case: violation.Case) -> Iterator[graph.Tensor]:
    if case.graph is not None:
        for name in graph.tensor_names(case.graph):
            if name not in case.graph.constants:
                yield case.graph.tensors[name]


def _ends(case: violation.Case) -> Iterator[violation.Breach]:
    net = case.net
    computed = {step.output for step in net.steps} | {join.output for join in net.joins}
    wrong = []
    if len(net.inputs) != 1:
        wrong.append(f"{len(net.inputs)} inputs")
    if not net.outputs:
        wrong.append("no result")
    if len(set(net.outputs)) < len(net.outputs):
        wrong.append("a result that is given twice")
    if not computed.issuperset(net.outputs):
        wrong.append("a result that no layer computes")
    if wrong:
        yield f"network '{net.name}'", " and ".join(wrong)


def _axes_of_data(case: violation.Case) -> Iterator[violation.Breach]:
    """Names the first tensor and how many there are: one layer gives many.

    The position of a value is found on the host.
    """
    layers = () if case.graph is None else case.graph.layers
    positions = {x.output for x in layers if isinstance(x, graph.Position)}
    found = [
        tensor
        for tensor in _activation_tensors(case)
        if len(tensor.shape) not in _RANKS and tensor.name not in positions
    ]
    if found:
        sizes = " x ".join(map(str, found[0].shape[1:]))
        yield f"tensor '{found[0].name}'", f"{sizes}, one of {len(found)}"


def _order(case: violation.Case) -> Iterator[violation.Breach]:
    if case.graph is None:
        return
    for layer in case.graph.layers:
        source = layer.inputs[0]
        if not isinstance(layer, graph.Reshape) or source not in case.net.shapes:
            continue
        before, after = (
            case.graph.tensors[name].shape for name in (source, layer.output)
        )
        found, lies = steps.chip_shape(after), case.net.shapes[source]
        is_flat = found == (steps.elements(lies), 1, 1)
        if found != lies and not (is_flat and _is_put_in_order(case.graph, layer)):
            yield f"{layer.kind} '{layer.name}'", f"{before} to {after}"


def _is_put_in_order(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether only layers whose weights can be permuted read a layer's output."""
    readers = (each for each in g.layers if layer.output in each.inputs)
    return all(isinstance(each, (graph.Dense, graph.Reshape)) for each in readers)


def _zeros(case: violation.Case) -> Iterator[violation.Breach]:
    for step in case.net.steps:
        if isinstance(step.layer, graph.Pad):
            yield step.subject, f"{step.layer.padding}"


def _types(case: violation.Case) -> Iterator[violation.Breach]:
    for tensor in _activation_tensors(case):
        if tensor.dtype not in _TYPES:
            yield f"tensor '{tensor.name}'", tensor.dtype


def _scales(case: violation.Case) -> Iterator[violation.Breach]:
    """Names the first tensor and how many there are: it is one decision, not many."""
    found = [
        tensor.name
        for tensor in _activation_tensors(case)
        if tensor.quant is not None
        and (any(tensor.quant.zero_point) or not _is_power(tensor.quant.scale))
    ]
    if found:
        yield f"tensor '{found[0]}'", f"{len(found)} tensors with other scales"


def _is_power(scales: tuple[float, ...]) -> bool:
    return all(scale.hex().startswith("0x1.0000000000000p") for scale in scales)


def _axes(case: violation.Case) -> Iterator[violation.Breach]:
    for step in case.net.steps:
        if isinstance(step.layer, graph.Concat):
            yield step.subject, f"axis {step.layer.axis}"


def _copies(case: violation.Case) -> Iterator[violation.Breach]:
    for join in case.net.joins:
        for number in join.copied:
            part = join.parts[number]
            size = steps.elements(case.net.shapes[part]) * case.bits // 8
            yield f"Concat '{join.name}'", f"{size:,} bytes of '{part}'"


def _activations(case: violation.Case) -> Iterator[violation.Breach]:
    for each in case.plan.shortages:
        yield (
            f"layer '{each.step}'",
            f"{each.needed_bytes:,} bytes of {each.available_bytes:,}",
        )


def _tilings(case: violation.Case) -> Iterator[violation.Breach]:
    for each in case.plan.tilings:
        yield (
            f"layer '{each.step}'",
            f"{each.traffic_bytes:,} bytes, read in {each.tiles} tiles of "
            f"{each.channels} output channels, {each.window_bytes:,} bytes of L2 at "
            "a time",
        )


def _l3(case: violation.Case) -> Iterator[violation.Breach]:
    size = sum(buffers.weight_bytes(step, case.bits) for step in case.net.steps)
    if size > spec.L3_BYTES:
        yield f"network '{case.net.name}'", f"{size:,} bytes"


CONSTRAINTS = (
    violation.Constraint(
        id="NET-01",
        applies_to="networks",
        rule="a network must have one input, and results that its layers compute, each "
        "another tensor",
        fix="give it one input, such as a concatenation of several",
        source="the exported programs",
        check=_ends,
    ),
    violation.Constraint(
        id="DATA-01",
        applies_to="tensors",
        rule="data must have rows, columns and channels, or columns and channels (one "
        "row), or be a vector",
        fix="put the axes beyond rows and columns into the channels",
        source="the exported programs",
        check=_axes_of_data,
    ),
    violation.Constraint(
        id="DATA-02",
        applies_to="reshapes",
        rule="a reshape must leave the planes of all channels as they lie in CHW, or "
        "flatten in front of linear layers alone, whose weights can be put in order",
        fix="flatten in front of Dense, or reduce the planes to one pixel before",
        source="the order of the chip's data",
        check=_order,
    ),
    violation.Constraint(
        id="PAD-02",
        applies_to="zeros",
        rule="zeros must stand around rows and columns, in front of convolutions alone",
        fix="use the padding of the layers behind, or a convolution",
        source="sdk, AutoTiler",
        check=_zeros,
    ),
    violation.Constraint(
        id="TYPE-01",
        applies_to="tensors",
        rule="activations must be float32 (to be quantized), int8 or int16",
        fix="convert the network with int8 or int16 activations",
        source="sdk 3.1, kernels `_fps` and `_fp`",
        check=_types,
    ),
    violation.Constraint(
        id="TYPE-02",
        applies_to="tensors",
        rule="scales must be powers of two and zero points 0 for the chip's fixed "
        "point; other integers are quantized again",
        fix="quantize for gap8 from float, or expect other rounding",
        source="demo; sdk 3.1, kernels",
        check=_scales,
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="CAT-01",
        applies_to="concatenations",
        rule="tensors must be concatenated along the channels, which lie one after "
        "another, and constants not at all",
        fix="concatenate channels",
        source="demo; sdk, stacked tensors",
        check=_axes,
    ),
    violation.Constraint(
        id="CAT-02",
        applies_to="concatenations",
        rule="a part that the network is given, or that lies in another concatenation, "
        "is copied, since a tensor has one contiguous place",
        fix="give it a 1x1 convolution of its own, or accept the copy",
        source="sdk, stacked tensors",
        check=_copies,
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="L2-01",
        applies_to="memories",
        rule="the activations that live at one time, each contiguous, should fit L2 "
        "with the weights of one output channel; else there is no plan of L2, and the "
        "AutoTiler keeps some of them in L3",
        fix="use a smaller input, earlier pooling, fewer channels or 8 bits",
        source="sdk, AutoTiler; its MobileNets",
        check=_activations,
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="L2-02",
        applies_to="memories",
        rule="a kernel should fit L2 beside the activations; others are read from L3 "
        "while their layer runs",
        fix="use fewer channels, or accept the traffic",
        source="sdk, AutoTiler; demo",
        check=_tilings,
        level=violation.WARNING,
    ),
    violation.Constraint(
        id="L3-01",
        applies_to="memories",
        rule=f"weights and biases must fit the {spec.L3_BYTES:,} bytes of L3",
        fix="use fewer channels or 8 bits",
        source="sdk",
        check=_l3,
    ),
)
