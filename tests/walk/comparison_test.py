"""What a page shows beside what was printed."""

import pytest

from tests.walk import comparison

_PRINTED = [
    "I0000 a log line",
    "latency   1.898 ms +-7 %",
    "----------------",
    "accuracy  77.10 %",
    "written   runs/a",
    "falls most at 'conv2d_1' 9 dB",
]


def _compared(*lines):
    return comparison.compare(tuple(enumerate(lines)), _PRINTED)


def test_equal_lines_with_others_between():
    same = _compared("latency   1.898 ms +-7 %", "...", "written   runs/a")
    assert same == comparison.Compared({}, {})


def test_other_numbers_and_widths_are_told():
    compared = _compared("latency  1,898.1 ms +-20 %", "-----", "accuracy  77.10 %")
    assert compared.absent == {}
    assert compared.other == {0: _PRINTED[1], 1: _PRINTED[2]}
    worst = _compared("falls most at 'dense' 12.5 dB, 'b' 3 dB")
    assert worst == comparison.Compared({}, {0: _PRINTED[-1]})


@pytest.mark.parametrize(
    "lines",
    [
        ("latency   1.898 s +-7 %",),
        # In another order.
        ("written   runs/a", "accuracy  77.10 %"),
        # Once printed, twice shown.
        ("accuracy  77.10 %", "accuracy  77.10 %"),
    ],
)
def test_what_was_not_printed_is_absent(lines):
    assert list(_compared(*lines).absent.values()) == [lines[-1]]
