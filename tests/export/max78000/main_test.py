"""`python -m export --targets=max78000`: files, or one line that says why not."""

import pathlib

import numpy as np
import pytest

from export.max78000 import files
from tests import graph_builder, programs
from tests.export.max78000 import vendor_networks
from tfpipeline.ir import serialize
from tfpipeline.pictures import png_images
from tfpipeline.targets.max78000 import policy, quantize

ROOT = pathlib.Path(__file__).parents[3]
TFLITE = ROOT / "tests" / "golden" / "tflite_int8" / "plain_qat.tflite"


def run(*arguments):
    return programs.run("export", "--targets=max78000", *arguments)


def network(size=3):
    net = graph_builder.Builder((8, 8, 3), "small")
    net.conv(4, size, name="first")
    net.conv(4, size, name="second")
    net.flatten()
    net.dense(2, name="logits")
    return vendor_networks.randomized(net.build())


def test_a_float_graph_and_an_image(tmp_path):
    serialize.write(network(), tmp_path / "run" / "graph")
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    (tmp_path / "a.png").write_bytes(png_images.write(pixels))
    output = tmp_path / "out"
    done = run(
        f"--model={tmp_path / 'run'}",
        f"--output={output}",
        f"--sample={tmp_path / 'a.png'}",
        "--weight_bits=4",
        "--no_calibration",
    )
    assert done.returncode == 0, done.stderr
    assert "3 layers, 382 bytes of weights" in done.stdout
    assert "quantized after training" in done.stdout
    assert f"written    {output}" in done.stdout
    with np.load(output / files.KNOWN_ANSWER_FILE) as known:
        expected = pixels.transpose(2, 0, 1).astype(int) - 128
        np.testing.assert_array_equal(known["input"], expected)
    assert "quantization: 4" in (output / files.DESCRIPTION_FILE).read_text()


def test_bits_by_layer(tmp_path):
    serialize.write(network(), tmp_path / "run" / "graph")
    policy_file = tmp_path / "policy.yaml"
    flags = (f"--model={tmp_path / 'run'}", f"--quantization_policy={policy_file}")
    text = "{start_epoch: 1, weight_bits: 8, overrides: {second: {weight_bits: 2}}}"
    policy_file.write_text(text)
    done = run(*flags, f"--output={tmp_path / 'out'}", "--no_calibration")
    assert done.returncode == 0, done.stderr
    described = (tmp_path / "out" / files.DESCRIPTION_FILE).read_text()
    bits = [line[-1] for line in described.splitlines() if "quantization:" in line]
    assert bits == ["8", "2", "8"]
    policy_file.write_text(text.replace("second", "third"))
    done = run(*flags, f"--output={tmp_path / 'b'}", "--no_calibration")
    assert done.returncode == 2
    assert "weight bits for 'third', which is no layer with weights" in done.stderr


def test_an_integer_graph_as_it_is(tmp_path):
    q = quantize.quantize(network(), policy.Policy(weight_bits=2))
    serialize.write(q, tmp_path / "graph")
    done = run(f"--model={tmp_path / 'graph'}", f"--output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "quantized after training" not in done.stdout
    assert "quantization: 2" in (tmp_path / "out" / files.DESCRIPTION_FILE).read_text()
    again = run(
        f"--model={tmp_path / 'graph'}",
        f"--output={tmp_path / 'out'}",
        "--weight_bits=4",
    )
    assert again.returncode == 2
    assert "--weight_bits" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([f"--model={TFLITE}", "--output={out}"], "integers of another scheme"),
        (["--model={graph}", "--output={out}"], "and 1 more"),
        (["--model=facenet_v1", "--output={out}"], "network without weights"),
        (["--model={graph}", "--output={out}", "--sample=a.jpg"], "must be one of"),
        (["--model={graph}", "--output={out}", "--weight_bits=3"], "one of 1, 2, 4, 8"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(tmp_path, arguments, message):
    serialize.write(network(size=5), tmp_path / "graph")
    places = {"graph": tmp_path / "graph", "out": tmp_path / "out"}
    done = run(*(each.format(**places) for each in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
