"""The table of formats."""

import numpy as np

from tests.targets.gap8 import float_networks
from tfpipeline.targets.gap8 import calibrate, program, q_report, quantize


def _program(name, num_bits=16):
    g = float_networks.NETWORKS[name]()
    ranges = calibrate.calibrate(g, float_networks.images(g, 4))
    return quantize.quantize(g, ranges, num_bits=num_bits)


def test_rows_say_what_the_layers_have():
    p = _program("fires")
    found = q_report.rows(p)
    assert [row.name for row in found] == [layer.name for layer in p.layers]
    assert found[1].kind == "Conv+relu+pool"
    for row, layer in zip(found, p.layers, strict=True):
        assert row.out_q + row.integer_bits == 15
        if isinstance(layer, program.Conv):
            assert row.norm == row.in_q + row.weight_q - row.out_q
            ends = np.isin(layer.weights, (-(2**15), 2**15 - 1))
            assert row.extremes == ends.sum()
        else:
            assert row.weight_q is row.bias_q is row.extremes is None


def test_lines_are_a_table_with_notes():
    p = _program("residual", 8)
    heading, titles, *table = q_report.lines(p)
    assert heading.startswith("residual: 8-bit fixed point, input Q7")
    assert titles.split()[:4] == ["layer", "kernel", "in", "w"]
    assert len(table) == len(p.layers) + len(p.notes)
    assert table[-1] == "Softmax 'layer10' is left to the host"
    (pool,) = (line for line in table if "AvgPool" in line)
    # 9 pixels times 28 of 256.
    assert pool.endswith("gain 0.98438")
