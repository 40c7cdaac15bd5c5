"""What whole networks must be: types, concatenations, memories."""

from collections.abc import Iterator

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import buffers, spec, steps, violation

_TYPES = ("float32", "int8", "int16")


def _activation_names(g: graph.Graph) -> list[str]:
    return [name for name in graph.tensor_names(g) if name not in g.constants]


def _types(case: violation.Case) -> Iterator[violation.Breach]:
    for name in _activation_names(case.graph):
        dtype = case.graph.tensors[name].dtype
        if dtype not in _TYPES:
            yield f"tensor '{name}'", dtype


def _scales(case: violation.Case) -> Iterator[violation.Breach]:
    """Names the first tensor and how many there are: it is one decision, not many."""
    found = []
    for name in _activation_names(case.graph):
        quant = case.graph.tensors[name].quant
        if quant is not None and (any(quant.zero_point) or not _is_power(quant.scale)):
            found.append(name)
    if found:
        yield f"tensor '{found[0]}'", f"{len(found)} tensors with other scales"


def _is_power(scales: tuple[float, ...]) -> bool:
    return all(scale.hex().startswith("0x1.0000000000000p") for scale in scales)


def _axes(case: violation.Case) -> Iterator[violation.Breach]:
    for step in case.net.steps:
        layer = step.layers[0]
        if isinstance(layer, graph.Concat) and step.name == layer.name:
            yield step.subject, f"axis {layer.axis}"


def _copies(case: violation.Case) -> Iterator[violation.Breach]:
    for step in case.net.steps:
        layer = step.layers[0]
        if step.operation == steps.COPY and step.name != layer.name:
            size = steps.elements(step.result) * case.bits // 8
            yield (
                f"{layer.kind} '{layer.name}'",
                f"{size:,} bytes of '{step.inputs[0]}'",
            )


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
        rule="the activations that live at one time, each contiguous, must fit L2 with "
        "the weights of one output channel",
        fix="use a smaller input, earlier pooling, fewer channels or 8 bits",
        source="sdk; demo",
        check=_activations,
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
