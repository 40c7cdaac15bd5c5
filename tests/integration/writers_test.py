"""Whatever writes files replaces and removes its own only, wherever it is told to."""

import ast
import functools
import pathlib
import types
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from export.audio import beside
from export.c import files as c_files
from export.gap8 import files as gap8_files
from export.gap8 import network as gap8_network
from export.max78000 import files as max78000_files
from export.max78000 import network as max78000_network
from export.tflite import float32, verify
from export.tflm import bundle
from export.tflm import files as tflm_files
from tests import folder_trees, graph_builder, room_table
from tests.export import commands
from tests.export.c import random_graphs
from tests.export.gap8 import programs
from tests.identification import gap8_descriptor
from tfpipeline import atomic_files, errors, markers, run_folder
from tfpipeline.board import answers, kept_results, measurement, messages
from tfpipeline.compat import keras
from tfpipeline.configs import sound
from tfpipeline.data import (
    procedural,
    procedural_objects,
    request,
    tfds_download,
    tfds_source,
)
from tfpipeline.data.own import examples, stored_inputs
from tfpipeline.identification import network as identification
from tfpipeline.identification import people
from tfpipeline.ir import from_tflite, graph, serialize
from tfpipeline.models import table
from tfpipeline.networks import catalog as networks
from tfpipeline.quantization import storage
from tfpipeline.report.findings import evidence
from tfpipeline.report_pages import page
from tfpipeline.study.measures import records
from tfpipeline.targets.gap8 import (
    budget,
    fusion,
    l2_plan,
    plan_files,
    program_file,
)
from tfpipeline.training import checkpoints, progress

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "tflite_int8" / "plain_qat.tflite"
RECORD = {"flags": {"epochs": 3}, "data": {"fingerprint": "f"}}


@functools.cache
def model() -> bytes:
    return GOLDEN.read_bytes()


@functools.cache
def golden() -> graph.Graph:
    return from_tflite.read(model(), name="net")


@functools.cache
def spotter() -> graph.Graph:
    """A network that takes 49 frames of 10 coefficients."""
    net = graph_builder.Builder((49, 10, 1))
    net.conv(2)
    net.mean()
    return random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")


@functools.cache
def keras_network() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="input")
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs), name="net")


def _int8(folder: pathlib.Path) -> None:
    # What is told of the network takes seconds to find, and does not matter here.
    told = types.SimpleNamespace(model_sha256=verify.sha256(model()), to_dict=dict)
    verify.write(folder, model(), cast(verify.Verification, told))


def _float32(folder: pathlib.Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float32, "convert", lambda network: model())
        float32.export(keras_network(), folder)


def _front_end(folder: pathlib.Path) -> None:
    port = spotter().tensors[spotter().inputs[0]]
    beside.write(folder, sound.Sound("mfcc").value, "net", port)


@functools.cache
def _bundle() -> bundle.Bundle:
    return bundle.prepare(model(), "net")


@functools.cache
def _max78000() -> max78000_network.Network:
    return max78000_network.prepare(networks.load("cmsisnet"))


@functools.cache
def _gap8() -> gap8_network.Network:
    return gap8_network.from_program(programs.fire())


def _plan(folder: pathlib.Path) -> None:
    plan = l2_plan.plan(fusion.fuse(networks.load("cmsisnet")), bits=8)
    plan_files.write(folder, plan, budget.make(plan, 2))


# Module -> what makes it fill a folder: those that go by `marked_folder`.
FOLDERS: dict[str, Callable[[pathlib.Path], object]] = {
    "export/__main__.py": lambda folder: commands.run("c", GOLDEN, folder),
    "export/audio/beside.py": _front_end,
    "export/c/files.py": lambda folder: c_files.write(folder, golden(), "net"),
    "export/gap8/files.py": lambda folder: gap8_files.write(folder, _gap8()),
    "export/max78000/files.py": lambda folder: max78000_files.write(
        folder, _max78000(), "net"
    ),
    "export/tflite/float32.py": _float32,
    "export/tflite/verify.py": _int8,
    "export/tflm/files.py": lambda folder: tflm_files.write(folder, _bundle()),
    "tfpipeline/targets/gap8/plan_files.py": _plan,
}


def _outline(folder: pathlib.Path) -> None:
    serialize.write_outline(golden(), folder / "net.json")


def _metrics(folder: pathlib.Path) -> None:
    record = {
        **{"stage": "float", "epoch": 1, "best_epoch": 1, "loss": 0.5},
        **{"accuracy": 0.5, "images_per_second": 1.0, "seconds": 1.0},
    }
    progress.Progress(folder, "float", 1).end_epoch([record])


def _checkpoint(folder: pathlib.Path) -> None:
    weights = [np.zeros(3, np.float32)]
    checkpoints.save(folder, checkpoints.Checkpoint(1, weights, [], weights, ()))


def _person(folder: pathlib.Path) -> None:
    person = people.Person("Ann", np.zeros((1, 4), np.int16))
    known = people.People("net", 4).added(person)
    people.change(folder / "people.json", lambda current: known)


def _page(folder: pathlib.Path) -> None:
    if not (folder / "page.md").exists():
        (folder / "page.md").write_text(f"mine\n{table.BEGIN}\n{table.END}\nmine\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "render", lambda: "a table\n")
        table.update_page(folder / "page.md")


def _begin(folder: pathlib.Path) -> None:
    run_folder.begin(run_folder.RunFolder(folder), RECORD)


def _data(folder: pathlib.Path) -> None:
    config = procedural.config(2, 1)
    made = procedural.prepare(procedural_objects.ProceduralObjects, folder, config)
    tfds_source.open_prepared(made)


def _inputs(folder: pathlib.Path) -> None:
    asked = request.Request(cache_dir=folder)
    store = stored_inputs.Store(asked, "own", "own", is_on_disk=True)
    part = examples.of_arrays(np.ones((3, 2), np.float32), np.zeros(3, np.int32))
    store.inputs("train", part, np.arange(3))


def _answers(folder: pathlib.Path) -> None:
    greeting = messages.Greeting(True, bytes(16), 4, 4, 1, "net", "c", "PC")
    kept = answers.Answers(folder / "answers.jsonl", greeting)
    kept.add(answers.Answer(0, 0, b"1234", 5, 0.5))
    kept.flush()


def _board(folder: pathlib.Path) -> None:
    _begin(folder)
    of = {"board": "PC", "export": "c", "digest": "ab", "title": "inputs"}
    of |= {"inputs": 0, "differing": [], "figures": {}, "simulated": {}}
    of |= {"cycles": {}, "estimates": []}
    kept_results.add(run_folder.RunFolder(folder), of)


# Module -> what makes it write into a folder: those that write single files. Those of
# a run are beside each other in its folder, which the runs below write.
FILES: dict[str, Callable[[pathlib.Path], object]] = {
    "tfpipeline/board/answers.py": _answers,
    "tfpipeline/board/kept_results.py": _board,
    "tfpipeline/board/measurement.py": lambda folder: measurement.write(
        folder / "mine.json", measurement.Measurement("gap8", "a", "b", 2.0, {"m": 1.0})
    ),
    "tfpipeline/data/own/stored_inputs.py": _inputs,
    "tfpipeline/data/procedural.py": _data,
    "tfpipeline/identification/network.py": lambda folder: (
        identification.write_threshold(folder, 3, {})
    ),
    "tfpipeline/identification/people.py": _person,
    "tfpipeline/ir/serialize.py": lambda folder: serialize.write(golden(), folder),
    "tfpipeline/ir/serialize.py: outline": _outline,
    "tfpipeline/models/table.py": _page,
    "tfpipeline/quantization/storage.py": lambda folder: storage.save(
        keras_network(), folder
    ),
    "tfpipeline/report_pages/page.py": lambda folder: page.write(
        folder / "report.html", "Report", ()
    ),
    "tfpipeline/report/findings/evidence.py": lambda folder: evidence.write(
        folder / "predictions.npz",
        evidence.Evidence({}, {"float32": {"values": np.ones((2, 1), np.float32)}}),
        (0,),
        np.ones((1, 2), np.float32),
    ),
    "tfpipeline/run_folder.py": _begin,
    "tfpipeline/study/measures/records.py": lambda folder: records.write(
        folder / "records.jsonl", [records.Record("a", "float", "verify")]
    ),
    "tfpipeline/targets/gap8/program_file.py": lambda folder: program_file.write(
        folder / "program.npz", gap8_descriptor.descriptor()
    ),
    "tfpipeline/training/checkpoints.py": _checkpoint,
    "tfpipeline/training/progress.py": _metrics,
}
_TRAIN = "train_test.py: test_a_run_refuses_what_others_wrote"
_DESCRIPTOR = "train_descriptor_test.py: test_a_run_refuses_what_others_wrote"
_STUDY = "../study/reporting/results_test.py: test_files_of_others_stay"
# Modules that only commands make write, and where those are run among foreign files.
COMMANDS = {
    "tfpipeline/camera.py": "camera_test.py: test_wrong_uses_name_the_choices",
    "tfpipeline/study/reporting/results.py": _STUDY,
    "tfpipeline/study/running/steps.py": _STUDY,
    "tfpipeline/search/__main__.py": (
        "../search/search_test.py: test_files_of_others_stay"
    ),
    "tfpipeline/layer_error.py": "layer_error_test.py: test_files_of_others_stay",
    "tfpipeline/driver.py": _TRAIN,
    "tfpipeline/run_artifacts.py": _TRAIN,
    "tfpipeline/jobs/classifier.py": _TRAIN,
    "tfpipeline/jobs/descriptor.py": _DESCRIPTOR,
    "tfpipeline/training/descriptor_qat.py": _DESCRIPTOR,
    "tfpipeline/training/kept_stages.py": _TRAIN,
}


def refused(write: Callable[[pathlib.Path], object], folder: pathlib.Path) -> str:
    """The message of a writer that meets a foreign file, whose bytes must stay."""
    before = folder_trees.tree(folder)
    with pytest.raises(errors.PipelineError) as raised:
        write(folder)
    after = folder_trees.tree(folder)
    assert {name: after[name] for name in before} == before
    message = str(raised.value)
    assert len(message) < 400 and "\n" not in message
    return message


@pytest.fixture
def new_process(monkeypatch):
    """Forgets what this process wrote, as the next command does."""
    return lambda: monkeypatch.setattr(atomic_files, "_WRITTEN", {})


@pytest.mark.parametrize("module", FOLDERS)
def test_a_writer_of_a_folder_takes_a_new_one_and_its_own(module, tmp_path):
    write, folder = FOLDERS[module], tmp_path / "out"
    write(folder)
    first = folder_trees.files(folder)
    assert len(first) > 1 and markers.NAME in first
    (folder / "notes").write_text("mine")
    write(folder)
    assert folder_trees.files(folder) == {**first, "notes": b"mine"}


@pytest.mark.parametrize("module", FOLDERS)
def test_a_writer_of_a_folder_refuses_what_others_wrote(module, tmp_path):
    write, folder = FOLDERS[module], tmp_path / "out"
    write(folder)
    names = sorted(set(folder_trees.files(folder)) - {markers.NAME})
    for number, name in enumerate(names):
        other = tmp_path / str(number)
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("somebody's")
        assert str(other) in refused(write, other)
        assert len(folder_trees.files(other)) == 1
    (folder / names[0]).write_text("edited")
    assert f"{names[0]} was edited" in refused(write, folder)


@pytest.mark.parametrize("module", FILES)
def test_a_writer_of_files_writes_its_own_again(module, tmp_path, new_process):
    FILES[module](tmp_path)
    first = folder_trees.files(tmp_path)
    new_process()
    FILES[module](tmp_path)
    again = folder_trees.files(tmp_path)
    assert {name: again[name] for name in first} == first


@pytest.mark.parametrize("module", FILES)
def test_a_writer_of_files_refuses_what_others_wrote(module, tmp_path, new_process):
    write = FILES[module]
    write(tmp_path / "out") if module != "tfpipeline/models/table.py" else None
    names = set(folder_trees.files(tmp_path / "out")) - {markers.NAME}
    names = {n for n in names if not n.startswith("tensorboard/") and ".lock" not in n}
    assert names or module == "tfpipeline/models/table.py"
    if module == "tfpipeline/data/procedural.py":
        # Of the folder that TFDS makes whole, a file is enough.
        names = {next(n for n in names if n.endswith(".txt") or "dataset_info" in n)}
        names.add("procedural_objects/.config/metadata.json")
    new_process()
    for number, name in enumerate(sorted(names)):
        other = tmp_path / str(number)
        (other / name).parent.mkdir(parents=True)
        (other / name).write_bytes(b"somebody's")
        if module == "tfpipeline/training/checkpoints.py":
            # Set aside: a damaged checkpoint must not stop the training.
            write(other)
            assert (other / f"{name}.damaged1").read_bytes() == b"somebody's"
        else:
            refused(write, other)


def test_a_page_without_its_lines_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("mine")
    refused(_page, tmp_path)


def test_a_download_refuses_what_others_wrote(tmp_path):
    (tmp_path / "cifar10" / ".config").mkdir(parents=True)
    (tmp_path / "cifar10" / ".config" / "metadata.json").write_text('{"mine": 1}')
    refused(
        lambda folder: tfds_download.prepare("cifar10", folder, "https://x.invalid/"),
        tmp_path,
    )


def test_the_lock_of_the_people_leaves_another_file_of_its_name(tmp_path):
    (tmp_path / ".people.json.lock").write_text("somebody's")
    _person(tmp_path)
    assert (tmp_path / ".people.json.lock").read_text() == "somebody's"


def test_people_behind_a_link_are_changed_and_the_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "people.json").symlink_to(tmp_path / "real" / "people.json")
    _person(tmp_path)
    assert (tmp_path / "people.json").is_symlink()
    assert people.read(tmp_path / "real" / "people.json").names == ("Ann",)


# Calls that change the disk, of whatever they are a method.
_METHODS = {
    *("write_text", "write_bytes", "unlink", "rmdir", "mkdir", "makedirs", "touch"),
    *("symlink_to", "hardlink_to", "rename", "renames", "removedirs", "truncate"),
    *("savez", "savez_compressed", "savetxt", "tofile", "savefig", "save", "dump"),
    *("create_file_writer", "download_and_prepare", "mkstemp", "mkdtemp", "chmod"),
    *("TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile", "FileHandler"),
    *("save_weights", "export", "save_model", "extractall", "copyfileobj", "memmap"),
}
_OF_MODULES = {
    "os": ("replace", "remove", "link", "symlink", "mkfifo", "open"),
    "shutil": ("copy", "copy2", "copyfile", "copytree", "move", "rmtree"),
}
# Called so, modules that write by the sanctioned ones, and the name of a folder.
_OURS = {
    *("checkpoints.save", "float32_export.export", "storage.save"),
    *("folder.export", "self.export"),
}
# The modules that all writing goes through.
_SANCTIONED = {
    *("tfpipeline/disk.py", "tfpipeline/markers.py"),
    *("tfpipeline/atomic_files.py", "tfpipeline/marked_folder.py"),
}
_WRITING = {
    *("atomic_files.open_for_replace", "atomic_files.write_bytes"),
    *("atomic_files.write_text", "atomic_files.write_json", "marked_folder.write"),
}
_STREAM = "to a stream in memory"
_TEMPORARY = "in a temporary folder of its own"
# Module -> call -> why it replaces and removes nothing of others.
_EXCEPTIONS = {
    "export/c/host.py": {"write_text": _TEMPORARY},
    "export/gap8/nntool_files.py": {"save": _STREAM},
    "export/max78000/files.py": {"save": _STREAM, "savez_compressed": _STREAM},
    "export/tflite/int8.py": {"os.open": "of the null device"},
    "tfpipeline/compat.py": {"os.open": "of the null device"},
    "tfpipeline/data/own/stored_inputs.py": {
        "mkdir": "a folder that was not there",
        "memmap": "to read",
        **dict.fromkeys(
            ("open", "os.replace", "unlink"),
            "by a name of this process, in a folder that it has marked",
        ),
    },
    "tfpipeline/data/own/tfds_builders.py": {
        "download_and_prepare": "TFDS makes a new folder; see tfds_source.require_free",
    },
    "tfpipeline/data/procedural.py": {
        "download_and_prepare": "TFDS makes a new folder; see tfds_source.require_free",
    },
    "tfpipeline/data/procedural_faces.py": {"save": _STREAM},
    "tfpipeline/data/procedural_objects.py": {"save": _STREAM},
    "tfpipeline/data/tfds_download.py": {
        "download_and_prepare": "TFDS makes a new folder; see tfds_source.require_free"
    },
    "tfpipeline/identification/people.py": {
        "mkdir": "a folder that was not there",
        "open": "the lock, to append nothing to",
    },
    "tfpipeline/ir/serialize.py": {
        "savez_compressed": _STREAM,
        "unlink": "of a file whose name is its own digest",
    },
    "tfpipeline/keras_networks/float_twin.py": {"rename": "of layers"},
    "tfpipeline/leftovers.py": {
        "TemporaryDirectory": _TEMPORARY,
        **dict.fromkeys(
            ("unlink", "shutil.rmtree"),
            "of a process that has ended, by a name that says so",
        ),
    },
    "tfpipeline/own_networks/saved_model_child.py": {"write_bytes": _TEMPORARY},
    "tfpipeline/pictures/png_images.py": {"save": _STREAM},
    "tfpipeline/pictures/sample_arrays.py": {"save": _STREAM},
    "tfpipeline/python_api/given.py": dict.fromkeys(
        ("TemporaryDirectory", "save", "savez"), _TEMPORARY
    ),
    "tfpipeline/quantization/storage.py": {"savez": _STREAM},
    "tfpipeline/readers/keras3_child.py": dict.fromkeys(
        ("savez", "write_text"), _TEMPORARY
    ),
    "tfpipeline/readers/keras3_files.py": {"write_bytes": _TEMPORARY},
    "tfpipeline/readers/keras3_opening_child.py": {"save": _TEMPORARY},
    "tfpipeline/report/layer_errors.py": {"savefig": _STREAM},
    "tfpipeline/run_lock.py": {
        "mkdir": "a folder that was not there",
        **dict.fromkeys(
            ("os.open", "truncate", "unlink"), "a lock; the file of others stays"
        ),
    },
    "tfpipeline/streams.py": {"os.open": "of the null device"},
    "tfpipeline/targets/ethosu/vela.py": {"write_bytes": _TEMPORARY},
    "tfpipeline/targets/gap8/program_file.py": {"savez_compressed": _STREAM},
    "tfpipeline/targets/tflm/job_server.py": {"os.open": _TEMPORARY},
    "tfpipeline/targets/tflm/pool.py": dict.fromkeys(
        ("TemporaryFile", "mkdir", "savez", "write_bytes", "write_text"),
        _TEMPORARY,
    ),
    "tfpipeline/targets/tflm/worker.py": dict.fromkeys(
        ("savez", "write_text"), _TEMPORARY
    ),
    "tfpipeline/untrusted/content.py": {"os.open": "to read, of `open`'s own flags"},
    "tfpipeline/training/checkpoints.py": {
        "savez": "to a stream of atomic_files",
        "unlink": "of a checkpoint, by its content",
    },
    "tfpipeline/training/progress.py": {
        "create_file_writer": "TensorBoard's files have new names each time"
    },
    "tfpipeline/report/findings/evidence.py": {"savez_compressed": _STREAM},
    "tfpipeline/report_pages/page.py": {"savefig": _STREAM, "save": _STREAM},
    "tfpipeline/search/studies.py": {"mkdir": "a folder that was not there"},
    "tfpipeline/study/measures/records.py": {"savez": _STREAM},
    "tfpipeline/study/running/steps.py": {"mkdir": "a folder that was not there"},
}


def _calls(tree: ast.AST) -> tuple[set[str], set[str]]:
    """What a module calls that writes: by the sanctioned modules, and by itself."""
    sanctioned, raw = set(), set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner, last = _names(node.func)
        name = f"{owner}.{last}"
        if name in _WRITING:
            sanctioned.add(name)
        elif last == "open" and owner != "os":
            modes = [*node.args, *(k.value for k in node.keywords if k.arg == "mode")]
            texts = [m.value for m in modes if isinstance(m, ast.Constant)]
            if any(isinstance(t, str) and set(t) & set("wax+") for t in texts):
                raw.add("open")
        elif last in _OF_MODULES.get(owner, ()):
            raw.add(name)
        elif last in _METHODS and name not in _OURS:
            raw.add(last)
    return sanctioned, raw


def _names(function: ast.expr) -> tuple[str, str]:
    """What a function is called, and what it is taken of where that has a name."""
    if isinstance(function, ast.Attribute):
        of = function.value
        owner = getattr(of, "id", "") or getattr(of, "attr", "")
        return owner, function.attr
    return "", function.id if isinstance(function, ast.Name) else ""


@functools.cache
def _modules() -> dict[str, tuple[set[str], set[str]]]:
    return {
        str(source.path): _calls(source.tree) for source in room_table.read().sources
    }


def test_every_module_that_writes_is_tested_here():
    writing = {name for name, (sanctioned, _) in _modules().items() if sanctioned}
    known = {name.partition(":")[0] for name in (*FOLDERS, *FILES, *COMMANDS)}
    # The files of one are TFDS's, and the other's are written while they are hashed.
    known -= {"tfpipeline/data/procedural.py", "tfpipeline/data/own/stored_inputs.py"}
    assert writing - _SANCTIONED == known
    for place in COMMANDS.values():
        file, _, name = place.partition(": ")
        text = (ROOT / "tests" / "integration" / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, place


def test_no_module_writes_by_itself():
    found = {
        name: raw
        for name, (_, raw) in _modules().items()
        if raw and name not in _SANCTIONED
    }
    assert found == {name: set(calls) for name, calls in _EXCEPTIONS.items()}


@pytest.mark.parametrize(
    ("code", "sanctioned", "raw"),
    [
        ("atomic_files.write_text(path, text)", {"atomic_files.write_text"}, set()),
        ("marked_folder.write(path, {})", {"marked_folder.write"}, set()),
        ("(folder / 'a').write_text('')", set(), {"write_text"}),
        ("path.open('w')", set(), {"open"}),
        ("open(path, mode='ab')", set(), {"open"}),
        ("path.open('rb')", set(), set()),
        ("open(path)", set(), set()),
        ("text.replace('a', 'b')", set(), set()),
        ("os.replace(a, b)", set(), {"os.replace"}),
        ("shutil.rmtree(folder)", set(), {"shutil.rmtree"}),
        ("shutil.which('make')", set(), set()),
        ("job.folder.export(name)", set(), set()),
        ("np.savez(path, a=1)", set(), {"savez"}),
    ],
)
def test_what_counts_as_writing(code, sanctioned, raw):
    assert _calls(ast.parse(code)) == (sanctioned, raw)
