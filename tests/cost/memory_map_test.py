"""The map of the arena and the table of peaks, character for character."""

import pytest

from tests.cost import mlperf_tiny
from tfpipeline import errors
from tfpipeline.cost import liveness, memory_map, memory_plan


def test_peaks_of_visual_wake_words():
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    comparison = memory_map.compare(network.buffers())
    assert memory_map.format_peaks(comparison) == (
        "activation memory          bytes       KiB  over the bound\n"
        "lower bound               55,296      54.0\n"
        "tfpipeline                55,296      54.0  +0.0 %  (proven smallest)\n"
        "tflm_greedy               73,728      72.0  +33.3 %"
    )


def test_peaks_of_nothing():
    text = memory_map.format_peaks(memory_map.compare(()))
    assert text.splitlines()[1].split() == ["lower", "bound", "0", "0.0"]


def test_map():
    plan = memory_plan.Plan(
        "by hand",
        (
            liveness.Buffer("image", 64, 0, 1),
            liveness.Buffer("conv", 128, 1, 2),
            liveness.Buffer("scores", 10, 2, 2),
        ),
        (128, 0, 176),
    )
    assert memory_map.format_map(plan, ["conv", "dense"], columns=12) == (
        "by hand: 192 bytes\n"
        "   0 (input)          64  ........0000\n"
        "   1 conv            192  111111110000\n"
        "   2 dense           144  11111111...2\n"
        "\n"
        "sign      offset       bytes  times      buffer\n"
        "   0         128          64  0-1        image\n"
        "   1           0         128  1-2        conv\n"
        "   2         176          16  2-2        scores"
    )


def test_small_buffers_stay_visible():
    plan = memory_plan.Plan(
        "by hand",
        (liveness.Buffer("small", 16, 0, 0), liveness.Buffer("large", 1600, 0, 0)),
        (0, 16),
    )
    row = memory_map.format_map(plan, [], columns=10).splitlines()[1]
    assert row.split()[-1] == "0111111111"


def test_every_live_buffer_of_mlperf_tiny_is_drawn():
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    comparison = memory_map.compare(network.buffers())
    names = [step.name for step in network.steps()]
    lines = memory_map.format_map(comparison.ours, names).splitlines()
    assert lines[0] == "tfpipeline: 55,296 bytes"
    # Time 3, the third layer, is where the bound is reached: no column is free.
    assert lines[4].split()[:3] == ["3", "layer2", "55,296"]
    assert "." not in lines[4].split()[3]
    assert len(lines) == 1 + (1 + len(names)) + 2 + len(network.buffers())


@pytest.mark.parametrize("names, columns", [([], 10), (["conv"], 0)])
def test_missing_steps_and_columns_are_refused(names, columns):
    plan = memory_plan.Plan("by hand", (liveness.Buffer("a", 1, 0, 1),), (0,))
    with pytest.raises(errors.UsageError, match="one step for each time after 0"):
        memory_map.format_map(plan, names, columns=columns)
