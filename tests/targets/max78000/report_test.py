"""The vendor's printed text, literally."""

import dataclasses

import pytest

from tests.targets.max78000 import layer_chains, published_networks
from tfpipeline import errors
from tfpipeline.targets.max78000 import cost, report
from tfpipeline.targets.max78000 import spec as specs

# Origin: printed by ai8xize.py --verbose (ai8x-synthesis ab4f4c0) for FaceNet v1.
FACENET_V1 = """\
ESTIMATED LATENCY
Startup                   1
Layer 0              47,532
Layer 1              25,708
Layer 2              10,440
Layer 3               4,621
Layer 4                 997
Layer 5                 101
                 ==========
Total                89,400 cycles

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
Bias memory:   2 bytes out of 2,048 bytes total (0.1%)
"""


def test_facenet_v1_is_printed_as_by_the_vendor_tool():
    result = cost.estimate(published_networks.facenet("v1"))
    text = report.estimated_latency(result) + "\n" + report.summary(result)
    assert text == FACENET_V1


def test_names_and_streaming_are_marked():
    steps = [layer_chains.conv2d(4, name="front"), layer_chains.conv2d(4)]
    first, second = layer_chains.chain(3, (8, 8), steps)
    result = cost.estimate((dataclasses.replace(first, streaming=True), second))
    cycles = [int(line.latency_cycles["ai8x"]) for line in result.layers]
    assert report.estimated_latency(result).splitlines()[2:] == [
        f"Layer 0 (front){cycles[0]:18,} (est)",
        f"Layer 1  {cycles[1]:18,}",
        "                 ==========",
        f"Total{1 + sum(cycles):22,} cycles (est)",
    ]
    assert (
        report.summary_of_ops(result)
        .splitlines()[2]
        .startswith("  Layer 0 (front): 7,168 ops (6,912 macc; 256 comp;")
    )


def test_max78002_prints_its_own_sizes_and_no_latency():
    result = cost.estimate(published_networks.facenet("v1"), specs.MAX78002)
    assert report.resource_usage(result) == (
        "RESOURCE USAGE\n"
        "Weight memory: 16,972 bytes out of 2,396,160 bytes total (0.7%)\n"
        "Bias memory:   2 bytes out of 8,192 bytes total (0.0%)\n"
    )
    with pytest.raises(errors.UsageError, match="does not cover max78002"):
        report.estimated_latency(result)
