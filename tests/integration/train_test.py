"""The train driver from flags to files: a whole run, resumption, and wrong uses."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import folder_trees
from tests.integration import page_files
from tfpipeline import atomic_files, entry, errors, marked_folder, train
from tfpipeline.data import specs
from tfpipeline.ir import graph, serialize
from tfpipeline.jobs import classifier
from tfpipeline.models import registry
from tfpipeline.targets.gap8 import program_file
from tfpipeline.training import stages

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Small enough for a test, large enough that every stage moves weights.
_TINY = (
    "--dataset=procedural_objects",
    "--train_limit=600",
    "--model=cmsisnet",
    "--width=0.25",
    "--learning_rate=0.003",
    "--epochs=3",
    "--early_stopping_patience=0",
    "--qat_epochs=2",
    "--batch_size=32",
    "--random_crop=2",
    "--horizontal_flip",
    "--dropout=0.1",
    "--calibration_images=64",
    "--verification_images=256",
    "--consistency_tolerance=2.5",
)


def _run(*arguments: object) -> int:
    """Runs the driver in this process; returns its exit code."""
    with pytest.raises(SystemExit) as stopped:
        entry.start(
            train.main, "train", train.Command(), ["train", *map(str, arguments)]
        )
    return stopped.value.code


@pytest.mark.slow
def test_a_run_for_the_max78000(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "start_epoch: 1\nweight_bits: 8\noverrides:\n  conv2:\n    weight_bits: 4\n",
        encoding="utf-8",
    )
    folder = tmp_path / "run"
    arguments = [
        *(*_TINY, "--train_limit=300", "--qat_epochs=1"),
        *("--scheme=max78000", f"--quantization_policy={policy}"),
    ]
    assert _run(*arguments, f"--workdir={folder}") == 0
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    rows = {row["network"]: row for row in results["accuracy"]}
    # Every image gets the same class from the integers as from the fake quantization,
    # or the run fails.
    for split in ("validation_accuracy", "test_accuracy"):
        assert rows["MAX78000, QAT"][split] == rows["QAT, fake-quantized"][split]
    assert [(r["stage"], r["epoch"]) for r in _records(folder)] == [
        ("float", 1),
        ("qat", 1),
    ]
    # Output by output, and exactly.
    trained = results["exports"]["max78000"]["fake_quantized"]
    assert (trained["images"], trained["largest"]) == (60, 0)
    assert "max78000 against the fake-quantized" in (folder / "summary.txt").read_text()
    g = serialize.read(folder / "graph")
    bits = {x.name: g.tensors[x.weights].num_bits for x in g.layers if _weighted(x)}
    assert bits.pop("conv2") == 4
    assert set(bits.values()) == {8}
    assert folder_trees.ours(folder / "export" / "max78000") == [
        *("README.txt", "checkpoint.pth.tar", "known_answer.npz", "network.yaml"),
        *("report.txt", "sample_cmsisnet_procedural_objects.npy"),
    ]


@pytest.mark.slow
def test_a_run_for_the_gap8_in_both_widths(tmp_path):
    arguments = (
        *(*_TINY, "--train_limit=300", "--epochs=1", "--qat_epochs=1"),
        *("--scheme=gap8", "--export=gap8,gap8_8bit", f"--workdir={tmp_path}"),
    )
    assert _run(*arguments) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = {row["network"]: row for row in results["accuracy"]}
    for bits in ("16 bits", "8 bits"):
        assert f"GAP8 {bits}, PTQ" in rows
        for split in ("validation_accuracy", "test_accuracy"):
            trained = rows[f"GAP8 {bits}, QAT"][split]
            assert trained == rows[f"{bits}, fake-quantized"][split]
    stages = [record["stage"] for record in _records(tmp_path)]
    assert stages == ["float", "qat", "qat_8bit"]
    for name, num_bits in (("gap8", 16), ("gap8_8bit", 8)):
        folder = tmp_path / "export" / name
        p = program_file.read(folder / "program.npz")
        assert p.num_bits == num_bits
        assert results["exports"][name]["weight_bytes"] == p.weight_bytes
        assert results["exports"][name]["fake_quantized"]["largest"] < 0.01
        assert (folder / "cmsisnet_model.c").is_file()
    # The same command finds all of it done.
    before = (tmp_path / "results.json").read_bytes()
    assert _run(*arguments) == 0
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.slow
def test_a_run_in_two_number_formats_resumes_in_the_second(tmp_path):
    arguments = (
        *(*_TINY, "--train_limit=300", "--epochs=1", "--qat_epochs=1"),
        *("--consistency_tolerance=10", "--export=int8,int16x8"),
        f"--workdir={tmp_path}",
    )
    assert _run(*arguments) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = [row["network"] for row in results["accuracy"]]
    assert rows == [
        *("float32", "int8, PTQ", "QAT, fake-quantized", "int8, QAT"),
        *("int16x8, PTQ", "int16x8 fake-quantized", "int16x8, QAT"),
    ]
    stages = [record["stage"] for record in _records(tmp_path)]
    assert stages == ["float", "qat", "qat_int16x8"]
    g = serialize.read(tmp_path / "graph_int16x8")
    assert {g.tensors[layer.output].dtype for layer in g.layers} == {"int16"}
    verified = results["exports"]["int16x8"]
    # Fake quantization rounds in float32 what TFLite Micro rounds in integers.
    assert verified["logits_nmse"] < 1e-6
    same = verified["same_images"]
    assert same["tflite_micro"] == same["simulated"]
    assert "int16x8, on the same 60 test images:" in (
        tmp_path / "summary.txt"
    ).read_text(encoding="utf-8")

    file = tmp_path / "export" / "int16x8" / "model.tflite"
    model, other = file.read_bytes(), (tmp_path / "qat" / "weights.npz").stat()
    (tmp_path / "summary.txt").unlink()
    shutil.rmtree(tmp_path / "qat_int16x8")
    shutil.rmtree(tmp_path / "checkpoints" / "qat_int16x8")
    assert _run(*arguments) == 0
    assert file.read_bytes() == model
    # The stages before it were not trained again.
    assert (tmp_path / "qat" / "weights.npz").stat().st_mtime == other.st_mtime


@pytest.mark.slow
def test_a_run_with_kernels_of_4_bits(tmp_path):
    arguments = (
        *(*_TINY, "--train_limit=300", "--epochs=1", "--qat_epochs=1"),
        *("--consistency_tolerance=5", "--export=int4", "--nonormalize"),
        f"--workdir={tmp_path}",
    )
    assert _run(*arguments) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = {row["network"]: row for row in results["accuracy"]}
    assert list(rows) == ["float32", "int4, PTQ", "int4 fake-quantized", "int4, QAT"]
    stages = [record["stage"] for record in _records(tmp_path)]
    assert stages == ["float", "qat_int4"]
    g = serialize.read(tmp_path / "graph")
    kernels = [g.tensors[x.weights] for x in g.layers if _weighted(x)]
    assert {kernel.num_bits for kernel in kernels} == {4}
    verified = results["exports"]["int4"]
    assert set(verified["kernels"].values()) == {"int4"}
    assert len(verified["kernels"]) == len(kernels)
    assert verified["simulated_images"] == verified["same_images"]["images"] == 60
    assert verified["model_bytes"] == rows["int4, QAT"]["model_bytes"]
    text = (tmp_path / "summary.txt").read_text(encoding="utf-8")
    assert f"{len(kernels)} of {len(kernels)} kernels in 4 bits" in text
    # The same command finds all of it done.
    before = (tmp_path / "results.json").read_bytes()
    assert _run(*arguments) == 0
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "stages"),
    [
        (("--scheme=max78000", "--weight_bits=4"), ["qat_from_8", "qat"]),
        (("--export=int4",), ["qat_int4_from_8", "qat_int4"]),
    ],
)
def test_weights_get_fewer_bits_from_training_to_training(flags, stages, tmp_path):
    arguments = (
        *(*_TINY, "--train_limit=300", "--epochs=1", "--qat_epochs=1"),
        *("--qat_bits_schedule=8,4", "--consistency_tolerance=10"),
        *(*flags, f"--workdir={tmp_path}"),
    )
    assert _run(*arguments) == 0
    assert [r["stage"] for r in _records(tmp_path)] == ["float", *stages]
    g = serialize.read(tmp_path / "graph")
    kernels = [g.tensors[x.weights] for x in g.layers if _weighted(x)]
    assert {kernel.num_bits for kernel in kernels} == {4}
    # The second begins where the first ended, and not with the float network.
    records = {r["stage"]: r for r in _records(tmp_path)}
    stored = (tmp_path / "graph" / "graph.json").read_bytes()
    shutil.rmtree(tmp_path / stages[1])
    shutil.rmtree(tmp_path / "checkpoints" / stages[1])
    (tmp_path / "summary.txt").unlink()
    before = (tmp_path / stages[0] / "weights.npz").stat().st_mtime_ns
    assert _run(*arguments) == 0
    assert (tmp_path / stages[0] / "weights.npz").stat().st_mtime_ns == before
    assert (tmp_path / "graph" / "graph.json").read_bytes() == stored
    again = {r["stage"]: r for r in _records(tmp_path)}
    assert again[stages[1]]["loss"] == records[stages[1]]["loss"]


@pytest.mark.slow
def test_a_run_with_every_option_of_a_recipe_and_a_teacher(tmp_path):
    recipe = (
        *(*_TINY, "--train_limit=300", "--epochs=1", "--qat_epochs=1"),
        *("--ema_decay=0.9", "--cutout=4", "--cutmix_alpha=1", "--mixup_alpha=0.2"),
        *("--rand_augment=2,9", "--clip_norm=1", "--consistency_tolerance=10"),
    )
    first, second = (f"--workdir={tmp_path / name}" for name in ("first", "second"))
    assert _run(*recipe, "--model=resnet8", "--stochastic_depth=0.2", first) == 0
    teacher = f"--teacher={tmp_path / 'first'}"
    assert _run(*recipe, "--label_smoothing=0.1", teacher, second) == 0
    flags = json.loads((tmp_path / "second" / "run.json").read_text())["flags"]
    assert flags["teacher"] == "a run" and len(flags["teacher_sha256"]) == 64
    # Without the teacher it is another run.
    assert _run(*recipe, "--label_smoothing=0.1", second) == 2


def _weighted(layer):
    return isinstance(layer, graph.Weighted)


def _records(folder: pathlib.Path) -> list[dict]:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert _run(*_TINY, f"--workdir={folder}") == 0
    return folder


def test_a_run_leaves_what_the_docs_promise(whole_run):
    for name in (
        "run.json",
        "splits.json",
        "metrics.jsonl",
        "results.json",
        "summary.txt",
        "float/architecture.json",
        "float/weights.npz",
        "qat/architecture.json",
        "qat/weights.npz",
        "export/int8/model.tflite",
        "export/int8/verification.json",
    ):
        assert (whole_run / name).stat().st_size > 0, name
    assert list((whole_run / "tensorboard" / "qat").iterdir())
    assert not list(whole_run.rglob("*.tmp"))
    records = _records(whole_run)
    assert [(r["stage"], r["epoch"]) for r in records] == [
        ("float", 1),
        ("float", 2),
        ("float", 3),
        ("qat", 1),
        ("qat", 2),
    ]


def test_qat_starts_with_a_tenth_of_the_learning_rate(whole_run):
    records = _records(whole_run)
    rates = {record["stage"]: record["learning_rate"] for record in records}
    assert rates["float"] == pytest.approx(0.003, rel=1e-6)
    assert rates["qat"] == pytest.approx(0.0003, rel=1e-6)


def test_splits_are_recorded_and_disjoint(whole_run):
    record = json.loads((whole_run / "splits.json").read_text())
    validation = set(record["validation_indices"])
    calibration = set(record["calibration_indices"])
    assert (len(validation), len(calibration)) == (60, 64)
    assert not validation & calibration
    assert validation | calibration <= set(range(600))


def test_summary_names_every_step_and_its_cost(whole_run):
    text = (whole_run / "summary.txt").read_text()
    for part in (
        "float32",
        "int8, PTQ",
        "QAT, fake-quantized",
        "int8, QAT",
        "TensorFlow Lite Micro",
        "TFLite Micro against the fake-quantized network: at most ",
        "smallest arena",
        str(whole_run / "export" / "int8" / "model.tflite"),
    ):
        assert part in text


def test_integers_agree_with_fake_quantization(whole_run):
    verification = json.loads(
        (whole_run / "export" / "int8" / "verification.json").read_text()
    )
    same = verification["same_images"]
    # 120 test images here; each image is 0.83 points.
    assert abs(same["tflite_micro"] - same["fake_quantized"]) <= 3 / 120
    # Output by output, on all of the test images.
    trained = verification["fake_quantized"]
    assert trained["images"] == 120
    assert trained["largest"] <= trained["largest_allowed"] == 4
    # That of few images has its standard errors besides.
    assert trained["mean"] < trained["mean_allowed"] < 1.0
    results = json.loads((whole_run / "results.json").read_text())
    assert results["exports"]["int8"]["fake_quantized"] == trained
    assert verification["input"]["scale"] == 1 / 128
    assert verification["input"]["zero_point"] == 0


def test_the_same_command_again_prints_the_summary_and_does_nothing(whole_run, capfd):
    files = [path for path in whole_run.rglob("*") if path.name != "splits.json"]
    stamps = {path: path.stat().st_mtime_ns for path in files}
    assert _run(*_TINY, f"--workdir={whole_run}") == 0
    captured = capfd.readouterr()
    assert captured.out == (whole_run / "summary.txt").read_text()
    assert "this run is complete" in captured.err
    assert {path: path.stat().st_mtime_ns for path in files} == stamps


@pytest.mark.slow
def test_damage_in_a_complete_run_is_made_good_without_training(whole_run, capfd):
    before = folder_trees.files(whole_run)
    stamp = (whole_run / "qat" / "weights.npz").stat().st_mtime_ns
    damaged = {
        "export/int8/model.tflite": before["export/int8/model.tflite"][:3000],
        "summary.txt": b"",
        "metrics.jsonl": b"{",
    }
    for name, content in damaged.items():
        (whole_run / name).write_bytes(content)
    shutil.rmtree(whole_run / "graph")
    (whole_run / "export" / "notes.txt").write_text("mine")
    assert _run(*_TINY, f"--workdir={whole_run}") == 0
    error = capfd.readouterr().err
    assert "this run is complete" not in error
    after = folder_trees.files(whole_run)
    for name, content in damaged.items():
        assert f"{name} is not as this run wrote it" in error
        assert after[f"{name}.damaged1"] == content
    assert "graph/graph.json is gone, and is made again" in error
    assert after["export/notes.txt"] == b"mine"
    lasting = ("metrics.jsonl", *(n for n in before if n.startswith(("export", "gra"))))
    assert {name: after[name] for name in lasting} == {n: before[n] for n in lasting}
    results = [json.loads(each["results.json"]) for each in (before, after)]
    assert results[0]["accuracy"] == results[1]["accuracy"]
    assert results[0]["artifacts"].keys() == results[1]["artifacts"].keys()
    assert (whole_run / "qat" / "weights.npz").stat().st_mtime_ns == stamp
    assert _run(*_TINY, f"--workdir={whole_run}") == 0
    assert "this run is complete" in capfd.readouterr().err


def test_another_command_in_the_same_workdir_is_refused(whole_run, capfd):
    assert _run(*_TINY, "--epochs=4", f"--workdir={whole_run}") == 2
    error = capfd.readouterr().err
    assert "--epochs was 3 and is now 4" in error and "another --workdir" in error
    assert "Traceback" not in error


@pytest.mark.default_cases(1)
@pytest.mark.parametrize(
    ("export", "networks"), [("int8", 0), ("int8,int16x8", 1), ("int16x8,int4", 2)]
)
def test_as_many_networks_as_ever_stand_before_the_float_one(
    export, networks, monkeypatch, tmp_path
):
    # Fresh weights depend on what was built before them.
    built = []
    build = registry.build
    monkeypatch.setattr(
        registry, "build", lambda *a, **k: built.append(1) or build(*a, **k)
    )

    def stop(*_, **__):
        raise errors.TrainingError("here training would begin")

    monkeypatch.setattr(stages, "train_float", stop)
    # It leaves the fresh weights alone (rehearsal_test).
    monkeypatch.setattr(classifier, "_rehearse", lambda *_: None)
    assert _run(*_TINY, f"--export={export}", f"--workdir={tmp_path}") != 0
    assert len(built) == networks


def _start(folder: pathlib.Path) -> subprocess.Popen:
    command = (sys.executable, "-m", "tfpipeline.train", *_TINY, f"--workdir={folder}")
    return subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _kill_when(folder: pathlib.Path, pattern: str) -> None:
    process = _start(folder)
    deadline = time.monotonic() + 300
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_killed_twice_and_resumed_ends_with_the_same_weights(whole_run, tmp_path):
    _kill_when(tmp_path, "checkpoints/float/epoch-00002.npz")
    _kill_when(tmp_path, "checkpoints/qat/epoch-00001.npz")
    process = _start(tmp_path)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert "resuming the run" in output
    for name in ("float/weights.npz", "qat/weights.npz"):
        with np.load(whole_run / name) as left, np.load(tmp_path / name) as right:
            assert left.files == right.files
            for key in left.files:
                np.testing.assert_array_equal(left[key], right[key])
    assert (tmp_path / "export/int8/model.tflite").read_bytes() == (
        whole_run / "export/int8/model.tflite"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--dataset=cifar11",), ("--dataset", "cifar10", "procedural_objects")),
        (("--model=lenet",), ("--model", "cmsisnet", "facenet_")),
        (("--epochs=-1",), ("--epochs must be 0 or more; found -1",)),
        (("--epochs=0",), ("--epochs=0", "--model=FILE.keras")),
        (("--optimiser=adam",), ("--optimiser (did you mean --optimizer?)",)),
        (("--strategy=tpu",), ("--strategy", "mirrored")),
        (("--learning_rate=nan",), ("--learning_rate must be a finite number",)),
    ],
)
def test_a_wrong_flag_names_the_choices(arguments, parts, capfd):
    assert _run(*arguments) == 2
    error = capfd.readouterr().err
    for part in parts:
        assert part in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("--workdir=DIR",)),
        (("--workdir=w", "stray"), ("unexpected argument 'stray'",)),
        (("--workdir=w", "--weight_bits=4"), ("--weight_bits must be 8",)),
        (
            ("--workdir=w", "--export=elf"),
            ("--export takes int8, int16x8, int4, float32 with --scheme=int8",),
        ),
        (
            ("--workdir=w", "--quantization=none", "--export=int16x8"),
            ("no int16x8 network", "--export=float32"),
        ),
        (
            ("--workdir=w", "--scheme=max78000", "--export=int16x8"),
            ("--export takes max78000, float32",),
        ),
        (
            ("--workdir=w", "--quantization=none", "--export=int8"),
            ("--export=float32",),
        ),
        (
            ("--workdir=w", "--scheme=gap8", "--weight_bits=4"),
            ("--weight_bits must be 8 with --scheme=gap8", "--export=gap8_8bit"),
        ),
        (
            ("--workdir=w", "--scheme=gap8", "--model=facenet_v1", "--export=int8"),
            ("--export takes gap8, gap8_8bit, float32",),
        ),
        (
            ("--workdir=w", "--scheme=max78000", "--export=int8"),
            ("--export takes max78000, float32 with --scheme=max78000",),
        ),
        (
            ("--workdir=w", "--scheme=max78000", "--weight_bits=3"),
            ("--weight_bits must be one of 1, 2, 4, 8",),
        ),
        (("--workdir=w", "--scheme=max78000", "--nonormalize"), ("[-1, 127/128]",)),
        (
            ("--workdir=w", "--quantization_policy=absent.yaml"),
            ("--quantization_policy: cannot read absent.yaml: No such",),
        ),
        (
            ("--workdir=w", "--scheme=max78000", "--model=resnet8"),
            ("'resnet8' cannot run on max78000", "stride must be 1"),
        ),
        (
            ("--workdir=w", "--learning_rate_milestones=a,b"),
            ("whole numbers", "a,b"),
        ),
    ],
)
def test_a_wrong_combination_is_one_line(
    arguments, parts, capfd, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert _run(*arguments) == 2
    error = capfd.readouterr().err
    lines = [line for line in error.splitlines() if line.startswith("train: error:")]
    assert len(lines) == 1
    for part in parts:
        assert part in lines[0]
    assert not list(tmp_path.iterdir())


_OF_OTHERS = [
    *("run.json", "splits.json", "summary.txt", "results.json", "metrics.jsonl"),
    *("checkpoints/float/epoch-00001.npz", "export/int8/model.tflite"),
    *("float/weights.npz", "qat/weights.npz", "graph/graph.json", "tensorboard/a"),
]


@pytest.mark.parametrize("name", _OF_OTHERS)
def test_a_run_refuses_what_others_wrote(tmp_path, name, capfd):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('{"name": "mine"}')
    (tmp_path / "log.txt").write_text("of the shell")
    before = folder_trees.tree(tmp_path)
    assert _run(*_TINY, f"--workdir={tmp_path}") == 2
    error = capfd.readouterr().err
    [line] = [line for line in error.splitlines() if line.startswith("train: error:")]
    assert "--workdir" in line and len(line) < 400
    assert folder_trees.tree(tmp_path) == before


def test_a_run_takes_no_folder_of_an_export(tmp_path, capfd):
    marked_folder.write(tmp_path, {"model.tflite": b"TFL3"})
    before = folder_trees.tree(tmp_path)
    assert _run(*_TINY, f"--workdir={tmp_path}") == 2
    assert "holds what `export` wrote" in capfd.readouterr().err
    assert folder_trees.tree(tmp_path) == before


@pytest.mark.slow
def test_a_run_of_before_there_were_markers_goes_on(whole_run, tmp_path, monkeypatch):
    folder = shutil.copytree(whole_run, tmp_path / "run")
    shutil.rmtree(folder / "export")
    shutil.rmtree(folder / "qat")
    # Pages and answers came after markers did.
    later = ("report.html", "predictions.npz")
    for name in (".tfpipeline", "summary.txt", "results.json", *later):
        (folder / name).unlink()
    monkeypatch.setattr(atomic_files, "_WRITTEN", {})
    assert _run(*_TINY, f"--workdir={folder}") == 0
    for name in ("qat/weights.npz", "export/int8/model.tflite"):
        assert (folder / name).read_bytes() == (whole_run / name).read_bytes()


def test_absent_data_set_says_how_to_provide_it(capfd, tmp_path):
    code = _run(
        "--dataset=cifar10", f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}"
    )
    error = capfd.readouterr().err
    assert code == 2
    assert "cifar10" in error and "--data_dir" in error and "Traceback" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_unwritable_workdir_is_one_line(capfd, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    assert _run(*_TINY, f"--workdir={blocker}") == 2
    error = capfd.readouterr().err
    assert "cannot write" in error and "Traceback" not in error
    assert blocker.read_text() == "not a folder"


def test_debug_shows_the_traceback(capfd):
    assert _run("--debug") == 2
    assert "Traceback" in capfd.readouterr().err


def test_print_config_prints_the_resolved_run_and_stops(capfd):
    assert _run("--print_config", "--model=simplenet", "--seed=7") == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed["model"] == "simplenet" and printed["seed"] == 7
    assert printed["qat_learning_rate_divisor"] == 10


def _flagfiles() -> list[pathlib.Path]:
    """Of the driver, as they say; those in `reid` are train_descriptor's."""
    found = sorted((_ROOT / "experiments").rglob("*.flags"))
    others = re.compile(r"python -m (?!tfpipeline\.train )")
    return [
        path
        for path in found
        if path.parent.name != "reid" and not others.search(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize("path", _flagfiles(), ids=lambda path: path.name)
def test_every_flagfile_parses(path, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(page_files.write(tmp_path))
    assert _run(f"--flagfile={path}", "--print_config") == 0
    dataset = json.loads(capfd.readouterr().out)["dataset"]
    assert dataset in specs.DATASETS or pathlib.Path(dataset).is_file()


@pytest.mark.slow
def test_quantization_none_exports_float32(tmp_path):
    code = _run(
        *_TINY,
        "--epochs=1",
        "--quantization=none",
        "--export=float32",
        f"--workdir={tmp_path}",
    )
    assert code == 0
    assert (tmp_path / "export/float32/model.tflite").stat().st_size > 1000
    assert not (tmp_path / "qat").exists()
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["network"] for row in results["accuracy"]] == ["float32"]


@pytest.mark.slow
def test_quantization_ptq_exports_the_calibrated_network(tmp_path):
    code = _run(*_TINY, "--epochs=1", "--quantization=ptq", f"--workdir={tmp_path}")
    assert code == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["network"] for row in results["accuracy"]] == ["float32", "int8, PTQ"]
    record = results["exports"]["int8"]
    assert record["input"]["zero_point"] == 0 and record["input"]["scale"] == 1 / 128
