"""The exported folder, from a network and from the command's arguments."""

import dataclasses
import hashlib
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest

from export.gap8 import files, network
from tests import folder_trees, graph_builder
from tests.export import commands
from tests.export.c import compiler
from tests.targets.gap8 import networks
from tfpipeline import errors
from tfpipeline.ir import from_tflite, serialize
from tfpipeline.targets.gap8 import kernels, program_file, simulate

SHAPE = (17, 17, 1)
_GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden"
INTEGERS = _GOLDEN / "tflite_int8" / "residual_qat.tflite"


def fire_graph(**changes):
    """A fire network with random weights."""
    net = graph_builder.Builder(SHAPE, "Fire Net")
    net.conv(3, 1, relu=False)
    net.conv(6, 3, stride=2, padding="valid")
    net.pool(3, stride=2)
    networks.fire(net, 2, 3, False)
    net.mean()
    g = net.build()
    random = np.random.default_rng(0)
    constants = {
        name: random.normal(0, 0.5, values.shape).astype(np.float32)
        for name, values in g.constants.items()
    }
    return dataclasses.replace(g, constants=constants, **changes)


def images(count=5):
    random = np.random.default_rng(1)
    return random.uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "gap8"
    found = network.from_float(fire_graph(), images())
    files.write(folder, found)
    return folder, found


def names(folder):
    return set(folder_trees.ours(folder))


def test_all_files_are_there_and_the_readme_names_them(exported):
    folder, found = exported
    assert found.name == "fire_net"
    listed = {name.split("/")[0] for name in names(folder)} - {"README.txt"}
    readme = (folder / "README.txt").read_text()
    table = readme.split("\n\n")[2]
    assert {line.split("  ")[0].strip("/") for line in table.splitlines()} == listed
    assert all(len(line) < 120 for line in readme.splitlines())
    assert len([n for n in names(folder) if n.startswith("nntool/calibration/")]) == 5


def test_known_answers_are_the_simulations(exported):
    folder, found = exported
    p = program_file.read(folder / program_file.FILE_NAME)
    described = json.loads((folder / "known_answers" / "answers.json").read_text())
    assert described["samples"] == network.KNOWN_ANSWERS
    assert described["from"] == "images"
    count = p.input.num_elements
    for index in range(network.KNOWN_ANSWERS):
        data = (folder / "known_answers" / f"input_{index}.bin").read_bytes()
        image = np.frombuffer(data, "<i2", count).reshape(1, *p.input.shape)
        np.testing.assert_array_equal(image[0], found.samples[index])
        for precision in kernels.PRECISIONS:
            expected = simulate.outputs_readable(p, image, precision)[p.outputs[0]]
            file = folder / "known_answers" / f"output_{index}.{precision}.bin"
            output = np.frombuffer(file.read_bytes(), "<i2", expected.size)
            np.testing.assert_array_equal(output, expected.ravel())
            digest = hashlib.sha256(expected.tobytes()).hexdigest()
            assert described["output_sha256"][precision][index] == digest


@compiler.needs_gcc
def test_the_c_meets_its_known_answers(exported, tmp_path):
    folder, _ = exported
    sources = sorted((folder / "c").glob("*.c"))
    path = compiler.compile_program(sources, tmp_path / "test")
    assert subprocess.run([path], timeout=60).returncode == 0


@compiler.needs_gcc
def test_headers_compile_and_tell_offsets_apart(exported, tmp_path):
    folder, found = exported
    main = tmp_path / "main.c"
    lines = [f'#include "{name}"' for name in sorted(names(folder)) if "/" not in name]
    main.write_text("\n".join(line for line in lines if line.endswith('.h"')) + "\n")
    options = ("-fsyntax-only", "-Wno-unused-const-variable", "-Wno-unused-variable")
    compiler.compile_program([main], tmp_path / "none", f"-I{folder}", *options)
    text = (folder / "fire_net_l2_plan.h").read_text()
    assert f"#define FIRE_NET_L2_BYTES {found.plan.peak_bytes}" in text
    defined = dict(re.findall(r"#define FIRE_NET_L2_(\S+) (\d+)", text))
    for time, step in enumerate(found.plan.net.steps):
        if not step.weight_elements:
            assert f"STEP{time}_WEIGHTS" not in defined
            continue
        bias = int(defined[f"STEP{time}_BIAS"]) - int(defined[f"STEP{time}_WEIGHTS"])
        assert bias == 2 * step.weight_elements
    # The second part of the concatenation lies behind the first.
    first, second = (
        time
        for time, step in enumerate(found.plan.net.steps)
        if found.plan.net.places[step.output].buffer
        not in (step.output, *found.plan.net.outputs)
    )
    size = found.plan.net.steps[first].result
    distance = int(defined[f"STEP{second}_OUTPUT"]) - int(
        defined[f"STEP{first}_OUTPUT"]
    )
    assert distance == 2 * np.prod(size)


def test_the_float_network_comes_back(exported):
    folder, _ = exported
    read = from_tflite.read_file(folder / "nntool" / "fire_net.tflite")
    assert len(read.layers) == len(fire_graph().layers)
    image = np.load(folder / "nntool" / "calibration" / "3.npy")
    np.testing.assert_array_equal(image, images()[3].transpose(2, 0, 1))


def test_files_are_the_same_each_time_and_replace_older_ones(exported, tmp_path):
    folder, found = exported
    files.write(tmp_path / "again", dataclasses.replace(found, name="older"))
    files.write(tmp_path / "again", found)
    assert names(tmp_path / "again") == names(folder)
    for name in names(folder):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_command_quantizes_and_exports_integers_again(tmp_path):
    serialize.write(fire_graph(), tmp_path / "run" / "graph")
    np.savez(tmp_path / "images.npz", images=images())
    arguments = {"calibration": str(tmp_path / "images.npz"), "weight_bits": 8}
    lines = commands.run(
        *("gap8", tmp_path / "run", tmp_path / "out"), precision="single", **arguments
    )
    assert lines[0].startswith("model      7 layers of 8 bits")
    assert "single precision" in lines[2]
    p = program_file.read(tmp_path / "out" / program_file.FILE_NAME)
    assert p.num_bits == 8
    again = commands.run("gap8", tmp_path / "out", tmp_path / "again")
    assert any("random input" in line for line in again)
    stored = program_file.read(tmp_path / "again" / program_file.FILE_NAME)
    assert program_file.fingerprint(stored) == program_file.fingerprint(p)
    assert not (tmp_path / "again" / "nntool").exists()


def test_command_takes_a_runs_integers_and_its_float_graph(tmp_path):
    run = tmp_path / "run"
    serialize.write(fire_graph(), run / "graph")
    np.savez(tmp_path / "images.npz", images=images())
    given = {"calibration": str(tmp_path / "images.npz")}
    commands.run("gap8", run, run / "export" / "gap8_8bit", weight_bits=8, **given)
    lines = commands.run("gap8", run, tmp_path / "out", **given)
    assert "layers of 8 bits" in lines[0]
    assert (tmp_path / "out" / "nntool" / "fire_net.tflite").is_file()
    lines = commands.run("gap8", run, tmp_path / "wide", weight_bits=16, **given)
    assert "layers of 16 bits" in lines[0]
    with pytest.raises(errors.UsageError, match="integers of 8 bits already"):
        commands.run("gap8", tmp_path / "out", tmp_path / "no", weight_bits=16, **given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"calibration": None}, "give --calibration=DATA"),
        ({"weight_bits": 4}, "16 and 8 bits; found --weight_bits=4"),
        ({"calibration": "absent.npz"}, "absent.npz"),
        ({"model": "reid_squeezenet"}, "network without weights"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_use_is_said(tmp_path, arguments, message):
    serialize.write(fire_graph(), tmp_path / "graph")
    np.savez(tmp_path / "images.npz", images=images())
    given = {
        "model": str(tmp_path / "graph"),
        "output": tmp_path / "out",
        "calibration": str(tmp_path / "images.npz"),
        **arguments,
    }
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        commands.run("gap8", given.pop("model"), given.pop("output"), **given)
    assert not (tmp_path / "out").exists()


def test_integers_of_another_target_are_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="integers of another target"):
        commands.run("gap8", INTEGERS, tmp_path / "out", calibration="images.npz")
