"""Every command that the documents show is executed, or at least fully resolved."""

import json
import pathlib
import re
import shlex
import subprocess

import numpy as np
import pytest

from export.c import emulation
from export.tflite import from_graph
from tests import programs
from tests.export.gap8 import files_test as gap8_files_test
from tests.identification import gap8_descriptor
from tests.integration import page_files
from tfpipeline import entry, identify, train, train_descriptor
from tfpipeline.identification import network
from tfpipeline.ir import from_tflite, serialize
from tfpipeline.networks import catalog as networks
from tfpipeline.pictures import png_images
from tfpipeline.study.measures import verification
from tfpipeline.targets.gap8 import program_file

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGES = sorted(
    [
        _ROOT / "README.md",
        _ROOT / "BUILD.md",
        *(_ROOT / "docs").rglob("*.md"),
        *(_ROOT / "experiments").rglob("*.md"),
        *(_ROOT / "experiments").rglob("*.flags"),
    ]
)


def _commands() -> list[tuple[str, str]]:
    """(page, command) of every command shown, in a block or as `make x`."""
    found = []
    for page in _PAGES:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".flags":
            text = re.sub(r"^#( |$)", "", text, flags=re.MULTILINE)
        text = text.replace("\\\n", " ")
        lines = {line.strip() for line in text.splitlines()}
        lines |= set(re.findall(r"`(make [a-z-]+)`", text))
        for line in sorted(lines):
            # `tests/gap_quantization` runs those of a stranger's repository.
            if "FaceReID/" in line:
                continue
            if re.match(r"(make [a-z-]+|python -m [\w.]+ .*)$", line):
                found.append((str(page.relative_to(_ROOT)), line))
    return found


_COMMANDS = sorted({command for _, command in _commands()})
_EXPORTS = [c for c in _COMMANDS if c.startswith("python -m export ")]


def test_every_export_command_is_run():
    names = {"int8", "int16x8", "max78000", "max78002", "gap8", "c", "tflm"}
    for command in _EXPORTS:
        flagfile = re.search(r"--flagfile=(\S+)", command)
        text = f" {(_ROOT / flagfile[1]).read_text()}" if flagfile else command
        [targets] = re.findall(r"\s--targets=(\S+)", text)
        assert set(targets.split(",")) <= names, command


def test_the_pages_show_the_commands_that_matter():
    for start in (
        "make demo",
        "make test",
        "python -m tfpipeline.train",
        "python -m tfpipeline.estimate",
        "python -m tfpipeline.layer_error",
        "python -m export",
    ):
        assert any(command.startswith(start) for command in _COMMANDS), start


@pytest.mark.parametrize("command", [c for c in _COMMANDS if c.startswith("make ")])
def test_make_target_exists_and_is_explained(command):
    target = command.split()[1]
    done = subprocess.run(
        ("make", "--dry-run", target), cwd=_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    explained = subprocess.run(
        ("make", "help"), cwd=_ROOT, capture_output=True, text=True
    )
    assert re.search(rf"^{target}\s", explained.stdout, re.MULTILINE)


def _start(program, *arguments):
    """Exit code of a program whose module is `program`."""
    name = program.__name__.rpartition(".")[2]
    with pytest.raises(SystemExit) as stopped:
        entry.start(program.main, name, program.Command(), [name, *arguments])
    return stopped.value.code


@pytest.mark.parametrize(
    "command", [c for c in _COMMANDS if c.startswith("python -m tfpipeline.train ")]
)
def test_train_command_resolves(command, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(page_files.write(tmp_path))
    arguments = shlex.split(command)[3:]
    assert _start(train, *arguments, "--print_config") == 0
    assert "qat_epochs" in capfd.readouterr().out


@pytest.mark.parametrize(
    "command",
    [c for c in _COMMANDS if c.startswith("python -m tfpipeline.train_descriptor ")],
)
def test_train_descriptor_command_resolves(command, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(page_files.write(tmp_path))
    arguments = shlex.split(command)[3:]
    assert _start(train_descriptor, *arguments, "--print_config") == 0
    printed = capfd.readouterr().out
    if arguments == ["--help"]:
        assert "--people_per_batch" in printed
        return
    config = json.loads(printed)
    assert config["workdir"] is not None
    # LFW cannot be read without.
    assert config["dataset"] == "procedural_faces" or "--pairs=" in command


@pytest.mark.parametrize(
    "command",
    [c for c in _COMMANDS if c.startswith("python -m tfpipeline.merge_folds ")],
)
def test_merge_folds_command_runs(command, tmp_path):
    arguments = shlex.split(command)[2:]
    [runs] = [a[7:].split(",") for a in arguments if a.startswith("--runs=")]
    for fold, run in enumerate(runs):
        result = verification.Verification(
            (verification.Fold(fold, 1.0, 0.5, 600),), 0.5, 0.1
        )
        record = {"verification": {"float": result.record()}}
        path = tmp_path / run / "results.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))
    done = programs.run(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0.5000" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        # A child process imports TensorFlow to convert it.
        pytest.param(c, marks=[pytest.mark.slow] * ("saved_model" in c))
        for c in _COMMANDS
        if c.startswith("python -m tfpipeline.estimate")
    ],
)
def test_estimate_command_runs(command, tmp_path):
    g = from_tflite.read_file(_ROOT / "experiments/cifar10/cmsisnet/model.tflite")
    serialize.write(g, tmp_path / "graph")
    arguments = shlex.split(command.replace("runs/demo", str(tmp_path)))[2:]
    page_files.write(tmp_path)
    if "saved_model_folder" in command:
        page_files.saved_model(tmp_path)
    done = programs.run(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    "command", [c for c in _COMMANDS if c.startswith("python -m tfpipeline.plan ")]
)
def test_plan_command_runs(command, tmp_path):
    done = programs.run(*shlex.split(command.replace("runs/plan", str(tmp_path)))[2:])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "l2_map.svg").exists()


def test_identify_commands_run(tmp_path, capfd, monkeypatch):
    """In the order of their use, with pictures and a network of 8 x 8 pixels."""
    monkeypatch.chdir(tmp_path)
    start = "python -m tfpipeline.identify "
    verbs = list(identify.VERBS)
    commands = sorted(
        (shlex.split(c)[3:] for c in _COMMANDS if c.startswith(start)),
        key=lambda arguments: verbs.index(arguments[0]),
    )
    assert {arguments[0] for arguments in commands} == set(verbs)
    [folder] = {a[10:] for each in commands for a in each if a.startswith("--network=")}
    export = pathlib.Path(folder, "export", "gap8")
    program_file.write(export / "program.npz", gap8_descriptor.descriptor())
    network.write_threshold(export, 1, {})
    images = [a[9:] for each in commands for a in each if a.startswith("--images=")]
    for index, path in enumerate(path for each in images for path in each.split(",")):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 1), np.uint8)
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(png_images.write(pixels))
    for arguments in commands:
        with pytest.raises(SystemExit) as stopped:
            entry.start(
                identify.VERBS,
                "identify",
                identify.Command(),
                ["identify", *arguments],
            )
        assert stopped.value.code == 0
    out = capfd.readouterr().out
    # The page's people, in the page's words.
    page = (_ROOT / "docs" / "reidentification.md").read_text(encoding="utf-8")
    for line in out.splitlines():
        assert line in page or "squared distance" in line
    assert out.count("squared distance") == 3


@pytest.mark.slow
def test_the_page_draws_the_pictures_that_its_commands_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (_ROOT / "docs" / "reidentification.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "reidentification.md", "exec"), {})
    found = set(re.findall(r"runs/faces/\w+\.png", page))
    assert found and all(pathlib.Path(path).is_file() for path in found)


def test_gap8_export_commands_run(tmp_path):
    """In the page's order: the second reads what the first has written."""
    commands = [c for _, c in _commands() if "--targets=gap8" in c]
    run = tmp_path / "run" / "export" / "float32"
    run.mkdir(parents=True)
    (run / "model.tflite").write_bytes(
        from_graph.to_bytes(gap8_files_test.fire_graph())
    )
    (tmp_path / "images").mkdir()
    for index in range(3):
        random = np.random.default_rng(index)
        pixels = random.integers(0, 256, gap8_files_test.SHAPE, np.uint8)
        file = tmp_path / "images" / f"{index}.png"
        file.write_bytes(png_images.write(pixels))
    # Those that read a float network first.
    for command in sorted(commands, key=lambda each: "--calibration" not in each):
        command = command.replace("=procedural_objects", f"={tmp_path / 'images'}")
        command = command.replace("runs/demo", str(tmp_path / "run"))
        command = command.replace("runs/gap8", str(tmp_path / "gap8"))
        done = programs.run(*shlex.split(command)[2:])
        assert done.returncode == 0, done.stderr
        assert "generator calls" in done.stdout
    assert (tmp_path / "gap8_single" / "program.npz").is_file()


@pytest.mark.parametrize("command", [c for c in _EXPORTS if "--targets=max78000" in c])
def test_max78000_export_command_runs(command, tmp_path):
    serialize.write(networks.load("facenet_v7"), tmp_path / "run" / "graph")
    command = command.replace("runs/demo_max78000", str(tmp_path / "run"))
    command = command.replace("runs/max78000", str(tmp_path / "files"))
    # The graph of a run has the device's integers; this one is of real numbers.
    done = programs.run(*shlex.split(command)[2:], "--no_calibration")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "files" / "network.yaml").exists()


@pytest.mark.emulated
@pytest.mark.skipif(bool(emulation.missing_tools(["cortex-m4"])), reason="no emulator")
@pytest.mark.parametrize(
    # Of files that are there; what the others name, examples make before.
    "command",
    [c for c in _EXPORTS if "--targets=c " in c and "--model=experiments/" in c],
)
def test_c_export_command_runs(command, tmp_path):
    command = command.replace("runs/c", str(tmp_path / "c"))
    done = programs.run(*shlex.split(command)[2:])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all known answers met") == command.count("cortex-m")


@pytest.mark.parametrize("command", [c for c in _EXPORTS if "--targets=tflm" in c])
def test_tflm_export_command_runs(command, tmp_path):
    command = command.replace("runs/tflm", str(tmp_path / "tflm"))
    done = programs.run(*shlex.split(command)[2:])
    assert done.returncode == 0, done.stderr
    # What the page shows is what comes out, but the folder.
    page = (_ROOT / "docs" / "targets" / "tflm.md").read_text(encoding="utf-8")
    assert done.stdout.rsplit("written", 1)[0] in page


@pytest.mark.slow
def test_demo_flagfile_runs_and_its_file_passes_export(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(_ROOT)
    folder = tmp_path / "demo"
    arguments = (
        "--flagfile=experiments/demo/demo.flags",
        "--train_limit=1000",
        "--epochs=2",
        "--qat_epochs=1",
        "--verification_images=256",
        "--consistency_tolerance=3",
        f"--workdir={folder}",
    )
    assert _start(train, *arguments) == 0
    # Of the run above, and of files that are here; not of a reader's own.
    commands = [c for c in _EXPORTS if "--targets=int8" in c and "runs/demo" in c]
    layers = "python -m tfpipeline.layer_error "
    commands += [c for c in _COMMANDS if c.startswith(layers) and "FOLDER" not in c]
    for command in commands:
        command = command.replace("runs/demo", str(folder))
        command = command.replace("=runs/", f"={tmp_path}/")
        done = programs.run(*shlex.split(command)[2:])
        assert done.returncode == 0, f"{command}: {done.stderr}"
    for name in ("checked", "int4", "compressed"):
        assert (tmp_path / name / "verification.json").exists()
    assert (folder / "layer_error.png").stat().st_size > 10_000
