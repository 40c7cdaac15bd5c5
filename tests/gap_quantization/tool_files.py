"""Networks in the files that gap_quantization would write of them."""

import json

import numpy as np

from export.gap8 import layer_records
from tests import graph_builder
from tests.targets.gap8 import float_networks
from tfpipeline.ir import graph, serialize
from tfpipeline.targets.gap8 import calibrate, quantize


def every_kind():
    """All kinds of layers that the tool and the chip share, and a matrix product."""
    net = graph_builder.Builder((12, 10, 2), "kinds")
    whole = net.conv(6, 3, stride=2, padding="valid")
    net.conv(4, 1)
    first = net.pool(2, stride=1)
    net.conv(4, 3, source=whole)
    net.pool(2, stride=1)
    net.concat(first)
    skip = net.depthwise(3)
    net.conv(8, 1, relu=False)
    net.join(graph.Add, skip, clamp=graph.RELU)
    net.flatten()
    net.dense(5, relu=False)
    return float_networks.with_values(net.build())


def program_of(g, num_bits=16):
    """The integers of a graph, by our own calibration."""
    images = float_networks.images(g, 4)
    return quantize.quantize(g, calibrate.calibrate(g, images), num_bits=num_bits)


def write_every_kind(folder):
    """Writes `every_kind`: `layers`, and `graph` beside it; returns the integers."""
    g = every_kind()
    p = program_of(g)
    write(folder / "layers", p)
    serialize.write(g, folder / "graph")
    return p


def write(folder, p, *, stale=0):
    """The tool's files of a program's layers.

    Args:
        folder: that gets them.
        p: the integers.
        stale: how much `out_frac_bits` and `b_frac_bits` are too high.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for layer in p.layers:
        fields = layer_records.record(p, layer)
        if not fields:
            continue
        for key in ("out_frac_bits", "b_frac_bits") if "weight" in fields else ():
            fields[key] = [fields[key][0] + stale]
        (folder / f"{layer.name}.json").write_text(json.dumps(fields))


def assert_equal(found, expected):
    """Programs alike but for their names and notes."""
    assert found.num_bits == expected.num_bits
    assert found.tensors == expected.tensors
    for ours, theirs in zip(found.layers, expected.layers, strict=True):
        assert type(ours) is type(theirs)
        for field in ours.__dataclass_fields__:
            np.testing.assert_array_equal(
                getattr(ours, field), getattr(theirs, field), err_msg=field
            )
