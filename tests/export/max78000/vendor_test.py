"""The vendor's tool takes our files and computes what we say, byte for byte.

Its outcome is recorded in tests/golden/max78000_vendor; the tests marked `vendor` run
the tool itself.
"""

import numpy as np
import pytest

from export.max78000 import files, text
from tests.export.max78000 import vendor_networks, vendor_tool
from tests.golden.max78000_vendor import record
from tests.targets.max78000 import placement_check

_CASES = pytest.mark.parametrize("case", vendor_networks.CASES)
_MISSING = vendor_tool.missing()


def summary(report: str) -> str:
    return report.split("\nMEMORY MAP")[0]


@_CASES
def test_known_answers_are_those_that_the_tool_found(case):
    found, golden = record.prepare(case), record.read(case)
    assert golden["tool"] == text.TOOL
    assert record.digest(files.channels_first(found.sample)) == golden["input"]
    digests = [record.digest(files.channels_first(each)) for each in found.outputs]
    if not vendor_networks.CASES[case].logs_all:
        digests = digests[-1:]
    assert digests == golden["outputs"]
    assert summary(text.report(found)).splitlines() == golden["summary"]
    assert placement_check.violations(found.lowered, found.placed) == ()


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
@_CASES
def test_the_tool_takes_the_files_and_finds_the_same(case, tmp_path):
    folder = tmp_path / "files"
    files.write(folder, record.prepare(case), case)
    logs_all = vendor_networks.CASES[case].logs_all
    result = vendor_tool.run(folder, tmp_path / "synthesized", logs_all=logs_all)
    with np.load(folder / files.KNOWN_ANSWER_FILE) as known:
        expected = [known[f"layer_{i}"] for i in range(len(known.files) - 1)]
    expected = expected if logs_all else expected[-1:]
    for values, ours in zip(result.outputs, expected, strict=True):
        np.testing.assert_array_equal(values.reshape(ours.shape), ours)
    report = (folder / files.REPORT_FILE).read_text(encoding="utf-8")
    assert result.summary == summary(report)
