"""Files of other projects: each goes through, or is refused for a reason that is true.

TFPIPELINE_REAL_FILES names a folder of `.tflite` files, such as those of
tensorflow/tflite-micro, mlcommons/tiny, SiliconLabs/mltk and
STMicroelectronics/stm32ai-modelzoo (docs/verification.md has what became of them).
"""

import os
import pathlib
import re

import pytest

from tests import real_files

VARIABLE = "TFPIPELINE_REAL_FILES"

# What these files have that nothing here takes so far, or never will.
REASONS = re.compile(
    "|".join(
        (
            r"operator \d+ .*not supported; docs/ir\.md lists",
            r"operator \d+ .* is not supported, see docs/targets/tflm\.md",
            r"no activation has a slope",
            r"not full integer: operator \d+ .* float32",
            r"(input|output) .* must be int(8|16)",
            r"has float32 tensors",
            r"there must be one (input|output)",
            r"quantized to uint8, the form of TensorFlow 1",
            r"a batch of 1",
            r"the kernel and bias must be constants",
            r"must be a constant of integers",
            # Of operators that nothing but the interpreters runs here.
            r"(LSTM|SVDF) .* differ by \d+ LSB",
        )
    )
)


def _files():
    folder = os.environ.get(VARIABLE)
    if not folder:
        return [pytest.param(None, marks=pytest.mark.skip(f"{VARIABLE} is not set"))]
    return sorted(pathlib.Path(folder).rglob("*.tflite"))


@pytest.mark.vendor
@pytest.mark.parametrize("path", _files(), ids=lambda each: each and each.name)
def test_each_goes_through_or_is_refused_truly(path):
    found = real_files.outcomes(path)
    if found["interpreter"] != real_files.RUNS:
        pytest.skip("TensorFlow Lite Micro does not run it")
    assert found.pop("simulated") != real_files.OTHER
    for step, outcome in found.items():
        if outcome in (real_files.THROUGH, real_files.RUNS):
            continue
        assert REASONS.search(outcome), f"{step}: {outcome}"
        assert len(outcome.replace(str(path), "")) < 400
        assert "\n" not in outcome
