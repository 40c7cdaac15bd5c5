"""Random networks: the vendor's tool takes every one and computes the same."""

import numpy as np
import pytest

from export.max78000 import files
from tests.export.max78000 import random_networks, vendor_test, vendor_tool
from tests.targets.max78000 import placement_check
from tfpipeline import errors
from tfpipeline.targets.max78000 import spec as specs

_MISSING = vendor_tool.missing()
# Of the MAX78000's and of the MAX78002's, in parts of so many.
_PART = 20
_PIXELS = random_networks.FIRST_OF_PIXELS
_FIRSTS = {
    "max78000": range(0, _PIXELS + 60, _PART),
    "max78002": (*range(0, 60, _PART), *range(_PIXELS, _PIXELS + 20, _PART)),
}
_PARTS = [(name, first) for name, firsts in _FIRSTS.items() for first in firsts]


def _prepared(seed, spec):
    """The network and its places, checked; `None` of what the device cannot run."""
    try:
        found = random_networks.prepare(seed, spec)
    except errors.TargetError:
        return None
    assert placement_check.violations(found.lowered, found.placed) == ()
    return found


@pytest.mark.parametrize(
    ("seed", "turns", "streams", "overlaps"),
    [
        (0, True, False, False),
        (4, False, False, False),
        (20, False, True, False),
        (47, False, True, True),
    ],
)
def test_words_are_found_where_they_are_read(seed, turns, streams, overlaps):
    found = _prepared(seed, specs.MAX78000)
    assert any("/turned_" in step.name for step in found.lowered.steps) == turns
    assert found.lowered.layers[0].streaming == streams
    assert found.placed.data.overlaps == overlaps


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
@pytest.mark.parametrize(("name", "first"), _PARTS)
def test_the_tool_takes_random_networks_and_finds_the_same(name, first, tmp_path):
    for seed in range(first, first + _PART):
        found = _prepared(seed, specs.SPECS[name])
        if found is None:
            continue
        folder = tmp_path / str(seed)
        files.write(folder / "files", found, "random")
        result = vendor_tool.run(folder / "files", folder / "synthesized")
        for values, ours in zip(result.outputs, found.outputs, strict=True):
            expected = files.channels_first(ours)
            np.testing.assert_array_equal(
                values.reshape(expected.shape), expected, str(seed)
            )
        report = (folder / "files" / files.REPORT_FILE).read_text(encoding="utf-8")
        assert result.summary == vendor_test.summary(report), seed
