"""The integers are as near to the real numbers as docs/audio.md says."""

import pathlib

import pytest

from tests.audio import front_end_errors
from tfpipeline.audio import front_end

_PAGE = pathlib.Path(__file__).parents[2] / "docs" / "audio.md"


def stated(kind):
    """Waves -> what the page's table says of them, in its columns."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in _PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {kind} |")
    ]
    return {row[1]: [float(cell.split()[0]) for cell in row[2:]] for row in rows}


@pytest.mark.parametrize("kind", front_end.KINDS)
def test_errors_are_those_of_the_page(kind):
    expected = stated(kind)
    measured = front_end_errors.differences(kind)
    assert list(measured) == list(expected)
    for name, (snr, largest, steps, share, off) in measured.items():
        figures = [snr, largest, steps, 100 * share, off]
        # The waves are drawn by sines, which differ between C libraries by a bit.
        assert figures == pytest.approx(expected[name], rel=0.03, abs=0.01)
        # What the page says of tables and rounding.
        assert off <= (1 if name != "pure tones" else 7)
