"""Copies that turn one row of pixels, and those that tell joined pixels apart."""

import pytest

from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import joins, lowering


def _row_and_square():
    """A sum of what a line's and a plane's convolution make of one row."""
    net = graph_builder.Builder((1, 12, 8), "row")
    line = net.conv(8, (1, 3))
    net.conv(8, 3, source="input")
    net.join(graph.Add, line)
    return net


@pytest.mark.parametrize("last", ["sum", "plane", "line"])
def test_all_that_a_layer_reads_has_one_shape(last):
    net = _row_and_square()
    if last != "sum":
        net.conv(8, 3 if last == "plane" else (1, 3))
    lowered = lowering.lower(net.build())
    assert lowered.violations == ()
    steps = lowered.steps
    for step in steps:
        sources = [part for parts in step.operands for part in parts]
        if len(sources) > 1:
            dims = {steps[source].layer.out_dim for source in sources}
            assert dims == {step.layer.in_dim}
    assert sum("/turned_" in step.name for step in steps) == 1


def test_planes_need_no_copies():
    net = graph_builder.Builder((4, 12, 8), "plane")
    first = net.conv(8)
    net.join(graph.Add, net.conv(8, source="input"), source=first)
    names = [step.name for step in lowering.lower(net.build()).steps]
    assert not any("turned" in name for name in names)


def _dims(step, steps):
    return [steps[part].layer.out_dim for parts in step.operands for part in parts]


@pytest.mark.parametrize("rows", [3, 12])
def test_parts_of_joined_pixels_have_unequal_shapes(rows):
    """By which the tool tells them from channels; the copy costs nothing else."""
    net = graph_builder.Builder((12, 6, 8), "rows")
    first = net.conv(8)
    second = net.conv(8, source="input")
    if rows < 12:
        second = net.reshape(3, 6, 8, source=net.pool(source=second))
    net.conv(4, source=net.concat(second, source=first, axis=1))
    steps = lowering.lower(net.build()).steps
    reader = steps[-1]
    assert reader.layer.in_dim == (12 + rows, 6)
    assert (reader.layer.in_channels, len(reader.operands[0])) == (8, 2)
    assert len({*_dims(reader, steps)}) == 2
    turned = [step.name for step in steps if "turned" in step.name]
    assert len(turned) == (rows == 12)


def test_the_input_is_not_what_a_copy_gives_another_shape():
    """Its rows and columns are those of the first layer, whatever that says."""
    net = graph_builder.Builder((6, 5, 4), "both")
    net.conv(4, source=net.concat("input", source=net.conv(4), axis=1))
    steps = lowering.lower(net.build()).steps
    assert steps[0].layer.in_dim == (6, 5)
    assert _dims(steps[-1], steps) == [(5, 6), (6, 5)]


def test_wholes_of_another_kind_are_copied_before_they_are_joined():
    net = graph_builder.Builder((6, 5, 8), "nested")
    first, second = net.conv(8), net.conv(8, source="input")
    whole = net.concat(second, source=first, axis=1)
    other = net.concat(first, source=second, axis=1)
    net.conv(4, source=net.concat(other, source=whole))
    steps = lowering.lower(net.build()).steps
    (parts,) = steps[-1].operands
    assert [len(steps[part].operands[0]) for part in parts] == [2, 2]
    assert steps[-1].layer.in_channels == 16


def test_columns_and_single_pixels_are_not_joined():
    net = graph_builder.Builder((6, 5, 8), "columns")
    net.conv(4, source=net.concat("input", source="input", axis=2))
    (violation,) = lowering.lower(net.build()).violations
    assert (violation.id, violation.found) == ("MAX78000-CONCAT-03", "another axis")
    net = graph_builder.Builder((1, 1, 8), "pixels")
    net.conv(4, 1, source=net.concat("input", source=net.conv(8, 1), axis=1))
    (violation,) = lowering.lower(net.build()).violations
    assert (violation.id, violation.found) == ("MAX78000-CONCAT-03", "single pixels")


def test_wholes_that_are_parts_of_others_of_their_kind_alone_need_no_copies():
    net = graph_builder.Builder((6, 5, 8), "nested")
    parts = [net.conv(8, source="input") for _ in range(3)]
    inner = net.concat(parts[1], source=parts[0], axis=1)
    net.conv(4, source=net.concat(parts[2], source=inner, axis=1))
    steps = lowering.lower(net.build()).steps
    assert [step.name for step in steps if step.kind == joins.COPY] == [
        "layer4/turned_2"
    ]
