"""`python -m export` with narrow and compressed weights, as a user runs it."""

import hashlib
import json
import pathlib

import pytest

from export.tflite import small_weights
from tests.export import main_test
from tfpipeline import errors
from tfpipeline.ir import from_tflite

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "experiments/cifar10/cmsisnet/model.tflite"


def test_writes_and_reports_a_file_of_4_bits(tmp_path):
    done = main_test.run(
        f"--model={MODEL}", "--weight_bits=4", f"--output={tmp_path / 'out'}"
    )
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "out" / "model.tflite").read_bytes()
    stored = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert stored["model_sha256"] == hashlib.sha256(data).hexdigest()
    assert stored["original_bytes"] == MODEL.stat().st_size
    assert f"model      {len(data):,} bytes, from {MODEL.stat().st_size:,}" in (
        done.stdout
    )
    assert f"arena      {stored['arena']['arena_bytes']:,} bytes" in done.stdout
    assert small_weights.FROM_INT8 in done.stdout
    # 91,168 weights in half a byte less.
    kernels = [
        t.num_elements
        for t in from_tflite.read(data).tensors.values()
        if t.dtype == "int8" and t.num_bits == 4
    ]
    assert len(kernels) == 7
    saved = MODEL.stat().st_size - len(data)
    assert 0.5 * sum(kernels) <= saved < 0.55 * sum(kernels)


@pytest.mark.slow
def test_compresses_weights_of_2_bits():
    made = small_weights.make(MODEL.read_bytes(), weight_bits=2, compress=True)
    lines = small_weights.report(made)
    assert len(made.tables) == sum(line.startswith("compressed") for line in lines) == 6
    assert len(made.model) < 0.45 * MODEL.stat().st_size
    assert made.arena.arena_bytes > made.original_arena.arena_bytes


def test_says_that_nothing_is_gained():
    golden = ROOT / "tests/golden/tflite_int8/plain_qat.tflite"
    made = small_weights.make(golden.read_bytes(), compress=True)
    assert made.model == golden.read_bytes()
    assert any("compressed nothing" in line for line in small_weights.report(made))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weight_bits=4", "--offline_plan"], "--offline_plan does not go with"),
        (
            ["--weight_bits=4", f"--float_model={MODEL}"],
            # The network is called by its folder, for `model` is what every run has.
            "is not the float network of 'cmsisnet': 'conv1' has no float weights",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, tmp_path):
    output = tmp_path / "out"
    done = main_test.run(f"--model={MODEL}", f"--output={output}", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not output.exists()


def test_different_results_are_an_error():
    with pytest.raises(errors.VerificationError, match="differ in 1 of 2 results"):
        small_weights._require_equal(
            "these", *(small_weights.np.array(v) for v in ([1, 2], [1, 3]))
        )
