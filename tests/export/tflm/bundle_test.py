"""The bundle's files against the network that they come from."""

import hashlib
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from tflite_micro import runtime

from export import literal_limits
from export.harness import firmware_files
from export.tflite import from_graph, offline_plan
from export.tflm import bundle, files, mps2, operators
from tests.export import tflite_graphs
from tests.ir import tflite_models
from tfpipeline import disk, errors, markers
from tfpipeline.ir import tflite_file

ROOT = pathlib.Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
INT8 = (GOLDEN / "tflite_int8/residual_qat.tflite").read_bytes()
INT16 = (GOLDEN / "tflite_int16/residual.tflite").read_bytes()
LABELS = ('a "quoted" one', "back\\slash", "what??/", "Zürich", "", "f", "g", "h")


@pytest.fixture(scope="module")
def int8():
    program = tflite_file.parse(INT8)
    elements = int(np.prod(program.tensors[program.outputs[0]].shape))
    labels = [LABELS[i] if i < len(LABELS) else f"{i}" for i in range(elements)]
    return bundle.prepare(INT8, "8 bit/Residual", labels=labels)


@pytest.fixture(scope="module")
def int16():
    return bundle.prepare(INT16, "class")


@pytest.fixture(scope="module", params=["int8", "int16"])
def made(request):
    return request.getfixturevalue(request.param)


def numbers(text, name):
    """The array of this name."""
    found = re.search(rf"\b{name}\[\w*\] = \{{(.*?)\}};", text, re.DOTALL)
    return [int(each, 0) for each in found[1].replace(",", " ").split()]


def constant(text, name):
    return re.search(rf"\b{name}(?:\[\w*\])? =\s+(.*?);", text, re.DOTALL)[1]


def test_the_data_is_the_file(made):
    texts = files.texts(made)
    assert bytes(numbers(texts["model_data.cc"], "kModel")) == made.model
    assert f"kModelBytes = {len(made.model)};" in texts["model_data.h"]
    assert hashlib.sha256(made.model).hexdigest() in texts["model_data.cc"]
    assert "alignas(16) const unsigned char kModel" in texts["model_data.cc"]


def test_operators_are_the_network_s_and_no_others(made):
    text = files.texts(made)["model_ops.h"]
    kinds = {operator.name for operator in made.program.operators}
    expected = {operators.KERNELS[kind].method for kind in kinds}
    calls = re.findall(r"resolver\.(Add\w+)\(\)", text)
    assert sorted(calls) == calls == sorted(expected)
    assert f"MicroMutableOpResolver<{len(kinds)}>" in text


def test_input_and_output(made):
    text = files.texts(made)["model_io.h"]
    for role, tensor in {**made.inputs, **made.outputs}.items():
        assert constant(text, f"{role}Type") == f"std::{tensor.dtype}_t"
        assert numbers(text, f"k{role}Shape") == list(tensor.shape)
        assert int(constant(text, f"k{role}Rank")) == len(tensor.shape)
        assert int(constant(text, f"k{role}Elements")) == np.prod(tensor.shape)
        scale = constant(text, f"k{role}Scale").removesuffix("f")
        assert np.float32(scale) == np.float32(tensor.scales[0])
        assert int(constant(text, f"k{role}ZeroPoint")) == tensor.zero_points[0]


def test_golden_outputs_are_the_interpreter_s(made):
    texts = files.texts(made)
    micro = runtime.Interpreter.from_bytes(made.model, arena_size=2**20)
    text = texts["model_golden.cc"]
    image = np.array(numbers(text, "kInput0"), made.inputs["Input"].dtype)
    assert np.unique(image).size > 100, "the whole range is tried"
    micro.set_input(image.reshape(made.inputs["Input"].shape), 0)
    micro.invoke()
    output = numbers(text, "kOutput0")
    np.testing.assert_array_equal(output, micro.get_output(0).reshape(-1))
    assert np.unique(output).size > 1
    assert "kNumGoldens = 1;" in texts["model_golden.h"]
    assert '{"random", kInput0, kOutput0}' in text


def test_arena(made):
    text = files.texts(made)["model_arena.h"]
    found = {
        name: int(constant(text, f"k{name}"))
        for name in (
            "ArenaBytes32",
            "ArenaBytes64",
            "ArenaBytesMeasured",
            "HeadBytesMeasured",
            "TailBytesMeasured",
            "HeadBytesGreedyPlan",
            "HeadBytesOurPlan",
        )
    }
    plan = offline_plan.make(made.model)
    assert found["HeadBytesGreedyPlan"] == plan.greedy_bytes
    assert found["HeadBytesGreedyPlan"] == found["HeadBytesMeasured"]
    assert found["HeadBytesOurPlan"] == plan.head_bytes
    assert found["ArenaBytes32"] < found["ArenaBytes64"] < found["ArenaBytesMeasured"]
    assert found["ArenaBytesMeasured"] % 16 == 0
    assert constant(text, "kFileBringsOurPlan") == "false"


def test_our_plan_in_the_file():
    model = from_graph.to_bytes(tflite_graphs.visual_wake_words())
    planned = bundle.prepare(model, "wake words", with_plan=True)
    assert planned.model == offline_plan.with_plan(model) != model
    saved = planned.plan.greedy_bytes - planned.plan.head_bytes
    assert saved == 18_432
    assert planned.measured.head_bytes == planned.plan.head_bytes
    assert planned.arm.head_bytes == planned.plan.head_bytes
    text = files.texts(planned)["model_arena.h"]
    assert constant(text, "kFileBringsOurPlan") == "true"
    # What the file without the plan gives.
    micro = runtime.Interpreter.from_bytes(model, arena_size=2**20)
    micro.set_input(planned.cases[0].inputs[0], 0)
    micro.invoke()
    np.testing.assert_array_equal(micro.get_output(0), planned.cases[0].outputs[0])
    # A file that has a plan keeps it, asked for or not.
    again = bundle.prepare(planned.model, "wake words")
    assert (again.model, again.is_planned) == (planned.model, True)


@pytest.mark.parametrize("place", ["input", "between", "output"])
def test_values_that_last_are_refused(place):
    def remember(model):
        graph = model.subgraphs[0]
        last = len(graph.operators) - 1
        index = {
            "input": graph.inputs[0],
            "between": graph.operators[0].outputs[0],
            "output": graph.operators[last].outputs[0],
        }[place]
        graph.tensors[index].isVariable = True

    with pytest.raises(errors.ExportError, match="is a variable, which lasts"):
        bundle.prepare(tflite_models.edited(INT16, remember), "net")


def test_labels_and_names_are_spelled_as_cpp_reads_them(int8, int16, tmp_path):
    assert (int8.name, int16.name) == ("model_8_bit_residual", "model_class")
    files.write(tmp_path, int8)
    (tmp_path / "print.cc").write_text(
        '#include <cstdio>\n#include "model_io.h"\nint main() {\n'
        "for (const char* label : model_8_bit_residual::kLabels) std::puts(label);\n}\n"
    )
    compiler(tmp_path, "print.cc", "-trigraphs", "-o", "print")
    printed = subprocess.run(tmp_path / "print", capture_output=True, check=True)
    assert printed.stdout.decode().split("\n")[:-1] == list(int8.labels)
    text = files.texts(int16)["model_io.h"]
    assert "kNumLabels = 0;" in text
    assert "kLabels" not in text


def compiler(folder, *arguments):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
    done = subprocess.run(
        ("g++", *flags, *arguments), cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_sources_compile_without_a_warning(made, tmp_path):
    files.write(tmp_path, made)
    for source in ("model_data.cc", "model_golden.cc"):
        compiler(tmp_path, "-c", source)
    (tmp_path / "headers.cc").write_text(
        '#include "model_arena.h"\n#include "model_data.h"\n#include "model_golden.h"\n'
        f"static_assert({made.name}::kArenaBytes == {made.host.arena_bytes});\n"
        f"static_assert({made.name}::kArenaBytes % 16 == 0);\n"
    )
    compiler(tmp_path, "-c", "headers.cc")
    size = subprocess.run(("nm", "-S", "model_data.o"), cwd=tmp_path, capture_output=1)
    assert f"{len(made.model):016x} R" in size.stdout.decode()


def test_the_folder(made, tmp_path):
    folder = tmp_path / "bundle"
    files.write(folder, made)
    assert (folder / files.MODEL_FILE).read_bytes() == made.model
    folders = {mps2.FOLDER, firmware_files.FOLDER, f"{firmware_files.FOLDER}/boards"}
    expected = {files.MODEL_FILE, *folders, *files.texts(made)}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    found.remove(markers.NAME)
    assert found == expected
    readme = (folder / "README.md").read_text()
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE)
        for name in re.findall(r"`(.*?)`", row)
    }
    assert {name.split("/")[0] for name in found} - {"README.md"} == {
        name.rstrip("/") for name in listed
    }


def test_the_same_network_gives_the_same_folder(int8, tmp_path):
    files.write(tmp_path / "bundle", int8)
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")}
    name = int8.name.removeprefix("model_")
    files.write(
        tmp_path / "bundle", bundle.prepare(int8.model, name, labels=int8.labels)
    )
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_nothing_stays_of_a_folder_that_could_not_be_written(
    made, tmp_path, monkeypatch
):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_new", full)
    with pytest.raises(errors.StorageError, match="No space left"):
        files.write(tmp_path / "bundle", made)
    assert not (tmp_path / "bundle").exists()


def test_a_file_larger_than_any_flash_is_refused_before_it_is_read():
    with pytest.raises(errors.ExportError) as caught:
        bundle.prepare(bytes(literal_limits.MAX_BYTES + 1), "net")
    assert "16,777,217 bytes" in str(caught.value)
    assert len(str(caught.value)) < 400
