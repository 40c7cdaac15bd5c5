"""The tables of "Face detection using MAX78000", copied from its slides.

Origin: the text of the slides (000_2d473a6caaac9748.txt), which lost the indentation
and gained blank lines. The slides call the table with 49,324 bytes "Further
quantization" and the one with 98,648 "Facenet v3"; fewer bits make fewer bytes, so the
first is v3 (4 bits) and the second v2 (8 bits).
"""

import pytest

from tests.targets.max78000 import published_networks
from tfpipeline.targets.max78000 import cost, report

OPS_V1 = """\
SUMMARY OF OPS
Hardware: 2,857,344 ops (2,741,056 macc; 116,288 comp; 0 add; 0 mul; 0 bitwise)
Layer 0: 867,328 ops (836,352 macc; 30,976 comp; 0 add; 0 mul; 0 bitwise)
Layer 1: 604,032 ops (557,568 macc; 46,464 comp; 0 add; 0 mul; 0 bitwise)
Layer 2: 580,800 ops (557,568 macc; 23,232 comp; 0 add; 0 mul; 0 bitwise)
Layer 3: 569,184 ops (557,568 macc; 11,616 comp; 0 add; 0 mul; 0 bitwise)
Layer 4: 234,400 ops (230,400 macc; 4,000 comp; 0 add; 0 mul; 0 bitwise)
Layer 5: 1,600 ops (1,600 macc; 0 comp; 0 add; 0 mul; 0 bitwise)
RESOURCE USAGE
Weight memory: 16,972 bytes out of 442,368 bytes total (3.8%)
Bias memory: 2 bytes out of 2,048 bytes total (0.1%)
"""
OPS_V2 = """\
SUMMARY OF OPS
Hardware: 9,666,944 ops (9,433,088 macc; 233,856 comp; 0 add; 0 mul; 0 bitwise)
Layer 0: 1,734,656 ops (1,672,704 macc; 61,952 comp; 0 add; 0 mul; 0 bitwise)
Layer 1: 2,323,200 ops (2,230,272 macc; 92,928 comp; 0 add; 0 mul; 0 bitwise)
Layer 2: 2,276,736 ops (2,230,272 macc; 46,464 comp; 0 add; 0 mul; 0 bitwise)
Layer 3: 2,253,504 ops (2,230,272 macc; 23,232 comp; 0 add; 0 mul; 0 bitwise)
Layer 4: 929,600 ops (921,600 macc; 8,000 comp; 0 add; 0 mul; 0 bitwise)
Layer 5: 148,736 ops (147,456 macc; 1,280 comp; 0 add; 0 mul; 0 bitwise)
Layer 6: 512 ops (512 macc; 0 comp; 0 add; 0 mul; 0 bitwise)
RESOURCE USAGE
Weight memory: 98,648 bytes out of 442,368 bytes total (22.3%)
Bias memory: 2 bytes out of 2,048 bytes total (0.1%)
"""
OPS_V3 = OPS_V2.replace("98,648", "49,324").replace("(22.3%)", "(11.1%)")

# Microseconds of each layer, and their total.
EXPECTED_TIMES = {
    "v2": ((1652.05, 851.84, 367.84, 169.40, 34.50, 5.52, 0.16), 3081.31),
    "v6": ((826.03, 348.48, 87.12, 33.88, 11.00, 1.00), 1307.51),
    "v7": ((206.51, 309.76, 96.80, 33.88, 11.00, 1.00), 658.95),
}


def _as_on_the_slide(text: str) -> list[str]:
    """Lines without indentation, blank lines and the padding of "Bias memory:"."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("version", "table"), [("v1", OPS_V1), ("v2", OPS_V2), ("v3", OPS_V3)]
)
def test_summary_is_the_slide(version, table):
    result = cost.estimate(published_networks.facenet(version))
    assert _as_on_the_slide(report.summary(result)) == table.splitlines()


@pytest.mark.parametrize("version", EXPECTED_TIMES)
def test_kernel_parallel_is_the_slide(version):
    rows, total = EXPECTED_TIMES[version]
    result = cost.estimate(published_networks.facenet(version))
    microseconds = [
        line.latency_cycles["kernel_parallel"] / result.spec.clock_hz * 1e6
        for line in result.layers
    ]
    assert tuple(round(value, 2) for value in microseconds) == rows
    assert round(1e6 * result.latency_seconds("kernel_parallel"), 2) == total
