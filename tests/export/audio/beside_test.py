"""Front ends beside exported networks, by flags and by the run."""

import json
import pathlib
import subprocess

import numpy as np
import pytest

from export.audio import beside, writer
from export.c import files as c_files
from export.tflite import from_graph
from tests import folder_trees, graph_builder
from tests.export import commands
from tests.export.c import compiler, random_graphs
from tfpipeline import errors
from tfpipeline.configs import sound
from tfpipeline.ir import serialize
from tfpipeline.simulate import execution

FILES = ("front_end.c", "front_end.h", "front_end.json", "front_end_test.c")


@pytest.fixture(scope="module")
def g():
    """A keyword spotter of one convolution."""
    net = graph_builder.Builder((49, 10, 1))
    net.conv(4)
    net.mean()
    return random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")


@pytest.fixture
def run(g, tmp_path):
    """The folder of a run with MFCC, and its network."""
    root = tmp_path / "kws"
    record = {"flags": {"front_end": "mfcc", "seed": 3}, "data": {"fingerprint": ""}}
    (root / "export" / "int8").mkdir(parents=True)
    (root / "run.json").write_text(json.dumps(record))
    (root / "export" / "int8" / "model.tflite").write_bytes(from_graph.to_bytes(g))
    return root


def written(folder):
    return [
        name for name in folder_trees.ours(folder) if name.startswith(beside.FOLDER)
    ]


@pytest.mark.parametrize("target", ["c", "tflm"])
def test_the_front_end_of_a_run_travels_with_its_network(target, run, tmp_path):
    for model in (run, run / "export" / "int8" / "model.tflite"):
        output = tmp_path / "out"
        lines = commands.run(target, model, output)
        [told] = [line.split()[2] for line in lines if line.startswith("front end ")]
        stem = told.removesuffix("front_end.h,")
        assert written(output) == [f"{stem}{name}" for name in FILES]
        stored = writer.read(output / f"{stem}front_end.json")
        assert stored == sound.Sound("mfcc").value


def test_flags_give_a_front_end_to_any_network(g, tmp_path):
    model = tmp_path / "net.tflite"
    model.write_bytes(from_graph.to_bytes(g))
    commands.run("c", model, tmp_path / "plain")
    assert not written(tmp_path / "plain")
    given = sound.Sound("log_mel", mel_bins=10)
    commands.run("c", model, tmp_path / "heard", sound=given)
    stored = tmp_path / "heard" / "front_end" / "net_front_end.json"
    assert writer.read(stored) == given.value


def test_a_front_end_of_another_shape_is_refused(g, tmp_path):
    model = tmp_path / "net.tflite"
    model.write_bytes(from_graph.to_bytes(g))
    with pytest.raises(errors.ExportError, match=r"\(1, 49, 10, 1\).*\(49, 40, 1\)"):
        commands.run("c", model, tmp_path / "out", sound=sound.Sound("log_mel"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["x", 3, {"a": 1}])
def test_a_damaged_run_is_told(run, value, tmp_path):
    record = json.loads((run / "run.json").read_text())
    record["flags"]["mel_bins"] = value
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(errors.DamagedFileError, match=r"run\.json is not"):
        commands.run("c", run, tmp_path / "out")


_MAIN = """\
#include "front_end/net_front_end.h"
#include "net.h"

#include <stdio.h>

static net_front_end_state state;
static int16_t samples[NET_FRONT_END_CLIP_SAMPLES];
static int8_t rows[NET_FRONT_END_FRAMES * NET_FRONT_END_FEATURES];

int main(void)
{
    int8_t scores[NET_OUTPUT_SIZE];
    while (fread(samples, sizeof samples, 1, stdin) == 1) {
        net_front_end_clip(&state, samples, rows);
        net_run(rows, scores);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""


@compiler.needs_gcc
def test_from_samples_to_scores_in_c(g, tmp_path):
    """What the page shows: the front end and the network, as one program."""
    stored = tmp_path / "graph.json"
    serialize.write(g, stored)
    given = sound.Sound("mfcc").value
    network = c_files.write(tmp_path / "c", g, "net")
    tensor = g.tensors[g.inputs[0]]
    for name, text in beside.contents(given, str(stored), "net", tensor).items():
        path = tmp_path / "c" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    main = tmp_path / "c" / "main.c"
    main.write_text(_MAIN)
    sources = [
        tmp_path / "c" / name
        for name in ("main.c", "net.c", "front_end/net_front_end.c")
    ]
    path = compiler.compile_program(sources, tmp_path / "run", *compiler.SANITIZERS)
    random = np.random.default_rng(1)
    clips = random.integers(-9_000, 9_000, (2, 16_000)).astype(np.int16)
    done = subprocess.run([path], input=clips.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    program = writer.prepare(given.value, "x", tensor)
    expected = execution.predict(g, program.features(clips))
    scores = np.frombuffer(done.stdout, np.int8).reshape(2, -1)
    np.testing.assert_array_equal(scores, expected.reshape(2, -1))
    assert network.name == "net"
    assert pathlib.Path(path).exists()
