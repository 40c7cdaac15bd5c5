"""The descriptor's job from flags to figures, resumed, extended and misused."""

import functools
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import folder_trees
from tfpipeline import (
    atomic_files,
    descriptor_forms,
    driver,
    errors,
    run_artifacts,
    run_folder,
    run_lock,
    train_descriptor,
)
from tfpipeline.compat import keras
from tfpipeline.configs import descriptor, fields, recipe
from tfpipeline.configs.network import Network
from tfpipeline.data import people, verification_sets
from tfpipeline.identification import matching, network
from tfpipeline.ir import serialize
from tfpipeline.jobs import descriptor as job
from tfpipeline.keras_networks import float_twin
from tfpipeline.models import registry
from tfpipeline.quantization import storage
from tfpipeline.readers import from_gap8, from_keras
from tfpipeline.study.measures import verification
from tfpipeline.targets.gap8 import program_file
from tfpipeline.training import (
    descriptor_stage,
    kept_stages,
    loop,
    progress,
    stages,
)

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SMALL = descriptor.DescriptorRun(
    people=descriptor.People(
        image_side=32, photographs=3, test_folds=(0, 1), validation_folds=(4,)
    ),
    network=Network("reid_squeezenet", width=0.1),
    training=recipe.Training(epochs=2, patience=0, precision="float32"),
    batches=descriptor.Batches(people=6, images=3, groups_per_person=1),
    loss=descriptor.Loss(lifted_weight=0.5),
    optimizer=recipe.Optimizer(
        learning_rate=0.003, schedule="cosine", weight_decay_mode="decoupled"
    ),
    augmentation=recipe.Augmentation(
        random_crop=2, horizontal_flip=True, color_jitter=0.1
    ),
    quantization=descriptor.Quantization(calibration_images=16, epochs=1),
    max_false_accept_rate=0.05,
)


def _changed(config: descriptor.DescriptorRun, **flags) -> descriptor.DescriptorRun:
    """The config with other values of some flags."""
    return fields.replaced(config, flags)


def _source() -> people.People:
    """The photographs of `_SMALL`, by the arguments of the driver's own call."""
    return verification_sets.load(
        _SMALL.people.dataset, data_dir=None, pairs=None, side=32, photographs=3
    )


def _files(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.json")}


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """Drawing people takes two seconds, and the tests need the same ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            verification_sets, "load", functools.cache(verification_sets.load)
        )
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("descriptor")
    config = _changed(_SMALL, workdir=str(folder))
    return config, folder, train_descriptor.run(config)


@pytest.mark.slow
def test_a_run_leaves_network_graph_and_figures(finished):
    _, folder, results = finished
    assert _files(folder) == {
        *("run.json", "splits.json", "results.json"),
        *("float/architecture.json", "float/history.json", "graph/graph.json"),
    }
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert results == json.loads((folder / "results.json").read_text())
    record = results["verification"]["float"]
    assert [fold["fold"] for fold in record["folds"]] == [0, 1]
    assert [fold["pairs"] for fold in record["folds"]] == [60, 60]
    summary = (folder / "summary.txt").read_text()
    assert f"{record['accuracy']:.4f}" in summary


@pytest.mark.slow
def test_training_saw_nobody_of_a_held_out_fold(finished):
    _, folder, results = finished
    source = _source()
    trained = json.loads((folder / "splits.json").read_text())["train_positions"]
    folds = people.folds_of_people(source.labels, source.pairs, len(source.names))
    seen = folds[source.labels[trained]]
    assert set(seen) == {people.NO_FOLD, 2, 3}
    assert results["images"] == len(trained) == 48 * 3


@pytest.mark.slow
def test_figures_are_those_of_the_stored_network(finished):
    _, folder, results = finished
    g = serialize.read(folder / "graph")
    assert g.tensors[g.outputs[0]].shape == (1, 512)
    # Computed anew from the files, by the protocol's own definition.
    source = _source()
    pairs = source.pairs
    images = (source.images.astype(np.float32) - 128) / 128
    rows = np.asarray(storage.load(folder / "float")(images, training=False))
    distances = verification.squared_distances(rows, pairs.first, pairs.second)
    for fold in results["verification"]["float"]["folds"]:
        chosen, tested = pairs.folds == 4, pairs.folds == fold["fold"]
        threshold = verification.best_threshold(distances[chosen], pairs.same[chosen])
        # Another batch size adds in another order.
        assert threshold == pytest.approx(fold["threshold"], rel=1e-3)
        right = (distances[tested] <= threshold) == pairs.same[tested]
        assert right.mean() == pytest.approx(fold["accuracy"], abs=1 / 60)


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again_for_other_forms(finished, monkeypatch):
    config, folder, results = finished
    weights = (folder / "float" / "weights.npz").read_bytes()
    monkeypatch.delattr(loop, "train")
    forms = ("float", "gap8_8", "gap8_16")
    found = train_descriptor.run(_changed(config, evaluate=forms))
    assert list(found["verification"]) == ["float", "gap8_16", "gap8_8"]
    assert found["verification"]["float"] == results["verification"]["float"]
    assert (folder / "float" / "weights.npz").read_bytes() == weights


@pytest.mark.slow
def test_the_application_gets_integers_and_a_threshold(finished):
    config, folder, _ = finished
    train_descriptor.run(_changed(config, evaluate=("gap8",)))
    kept = network.load(folder)
    assert (kept.side, kept.length) == (32, 512)
    source = _source()
    pairs = source.pairs.take(config.people.validation_folds)
    rows = kept.describe(source.images)
    distances = verification.squared_distances(rows, pairs.first, pairs.second)
    record = json.loads((folder / "export/gap8" / network.THRESHOLD_FILE).read_text())
    assert record["chosen_on"] == "validation" and record["chosen_on_folds"] == [4]
    assert record["pairs"] == 60 and record["max_false_accept_rate"] == 0.05
    accepted = distances <= kept.threshold
    assert kept.threshold == matching.choose_threshold(distances, pairs.same, 0.05)
    assert record["true_accept_rate"] == accepted[pairs.same].mean()
    assert record["false_accept_rate"] == accepted[~pairs.same].mean()


@pytest.mark.slow
def test_another_rate_gives_another_threshold(finished):
    config, folder, _ = finished
    config = _changed(config, evaluate=("gap8",))
    first = train_descriptor.run(_changed(config, max_false_accept_rate=0))
    low = network.load(folder).threshold
    again = train_descriptor.run(_changed(config, max_false_accept_rate=1))
    assert low < network.load(folder).threshold
    assert first["verification"] == again["verification"]


@pytest.mark.slow
def test_both_widths_are_trained_behind_a_finished_run(finished, tmp_path):
    config, folder, results = finished
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    forms = ("gap8_8bit_qat", "gap8_qat")
    config = _changed(config, workdir=str(copy), evaluate=forms)
    found = train_descriptor.run(config)["verification"]
    assert {"float", *map(descriptor_forms.stored_name, forms)} <= set(found)
    assert found["float"] == results["verification"]["float"]
    records = (copy / "metrics.jsonl").read_text().splitlines()
    stages = [json.loads(record)["stage"] for record in records]
    assert stages == ["float", "float", "gap8_8_qat", "gap8_16_qat"]

    # What the application gets are the trained network's integers.
    kept = network.load(copy / "export" / "gap8_16_qat")
    stored = from_gap8.read(
        storage.load(copy / "gap8_16_qat"), name=config.network.model
    )
    assert program_file.fingerprint(stored) == kept.fingerprint
    assert kept.threshold is not None
    # The first convolution, which holds the normalization, stayed as it was.
    g = descriptor_forms.for_raw_pixels(serialize.read(copy / "graph"))
    [first] = [layer for layer in g.layers if g.inputs[0] in layer.inputs]
    twin = from_keras.read(float_twin.extract(storage.load(copy / "gap8_16_qat")))
    [trained] = [layer for layer in twin.layers if twin.inputs[0] in layer.inputs]
    # Folding batch normalization in Keras and in the graph rounds differently.
    np.testing.assert_allclose(
        twin.constants[trained.weights], g.constants[first.weights], rtol=1e-5
    )

    with pytest.raises(errors.UsageError, match="--qat_epochs was 1 and is now 2"):
        train_descriptor.run(_changed(config, qat_epochs=2))


@pytest.mark.slow
def test_a_killed_quantized_training_ends_with_the_same_weights(finished, tmp_path):
    config, folder, _ = finished
    weights = []
    for name, kill in (("whole", False), ("cut", True)):
        shutil.copytree(folder, tmp_path / name)
        run = _changed(
            config,
            workdir=str(tmp_path / name),
            evaluate=("gap8_8bit_qat",),
            qat_epochs=2,
        )
        if kill:
            with pytest.MonkeyPatch.context() as patch:
                # Comes after the first checkpoint.
                patch.setattr(progress.Progress, "end_epoch", _interrupt)
                with pytest.raises(KeyboardInterrupt):
                    train_descriptor.run(run)
            assert not (tmp_path / name / "gap8_8_qat" / "weights.npz").exists()
        train_descriptor.run(run)
        weights.append((tmp_path / name / "gap8_8_qat" / "weights.npz").read_bytes())
    assert weights[0] == weights[1]


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_other_flags_in_the_same_folder_are_refused(finished):
    config, _, _ = finished
    with pytest.raises(errors.UsageError, match="--epochs was 2 and is now 3"):
        train_descriptor.run(_changed(config, epochs=3))
    with pytest.raises(errors.UsageError, match="--precision was None and is now 'b"):
        train_descriptor.run(_changed(config, precision="bfloat16"))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("early_stopping_patience", 0, 3),
        ("precision", "float32", "auto"),
        ("strategy", "default", "mirrored"),
        ("learning_rate_decay", 0.1, 0.5),
        ("learning_rate_milestones", [], [3]),
        ("momentum", 0.9, 0.5),
        ("nesterov", False, True),
    ],
)
def test_flags_that_came_later_leave_earlier_runs_the_same(name, old, new):
    assert fields.identity(_SMALL)[name] == old
    assert name not in _SMALL.identity()
    other = _changed(_SMALL, **{name: new})
    assert other.identity() == {**_SMALL.identity(), name: new}


@pytest.mark.slow
def test_the_best_epoch_is_kept_when_training_stops_early(tmp_path):
    # Without movement the first epoch is never surpassed.
    stopping = _changed(
        _SMALL,
        workdir=str(tmp_path),
        epochs=6,
        early_stopping_patience=1,
        learning_rate=0.0,
    )
    results = train_descriptor.run(stopping)
    assert results["best_epoch"] == 1 and results["epochs"] < 6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"test_folds": (0,), "validation_folds": ()}, "needs --validation_folds"),
        ({"test_folds": (0, 4)}, "must share none; found in both: 4"),
        ({"test_folds": ()}, "must name at least one fold"),
        (
            {"validation_folds": (), "early_stopping_patience": 3},
            "--early_stopping_patience needs --validation_folds",
        ),
    ],
)
def test_folds_that_do_not_go_together(fields, message):
    with pytest.raises(errors.UsageError, match=message):
        _changed(_SMALL, **fields)


@pytest.mark.slow
def test_a_fold_that_is_not_there(tmp_path):
    config = _changed(_SMALL, test_folds=(5, 6), workdir=str(tmp_path))
    with pytest.raises(errors.UsageError, match=r"has folds 0 to 4; found 5, 6"):
        train_descriptor.run(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "--workdir=DIR is missing"),
        ("--workdir=x --test_folds=a,b", "takes whole numbers, as in 0,1,2"),
        ("--workdir=x --dataset=lfw", "--dataset=lfw needs --pairs=FILE"),
    ],
)
@pytest.mark.slow
def test_wrong_flags_are_one_line(flags, message, tmp_path):
    done = subprocess.run(
        (sys.executable, "-m", "tfpipeline.train_descriptor", *shlex.split(flags)),
        cwd=tmp_path,
        env={"PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("train_descriptor: error: ") and message in last
    assert not list(tmp_path.iterdir())


def _lambda(image):
    x = keras.layers.Lambda(lambda value: value * value, name="square")(image)
    return keras.layers.Dense(8, name="last")(keras.layers.Flatten()(x))


def _average(image):
    x = keras.layers.AveragePooling2D(4, name="reads")(image)
    return keras.layers.Dense(8, name="last")(keras.layers.Flatten()(x))


def _six(image):
    x = keras.layers.Conv2D(3, 3, strides=8, name="six")(image)
    return keras.layers.Flatten()(keras.layers.ReLU(6.0)(x))


def _sum_of_three(image):
    convolutions = [
        keras.layers.Conv2D(3, 1, strides=8, name=f"conv{i}")(image) for i in range(3)
    ]
    return keras.layers.Flatten()(keras.layers.Add(name="sum")(convolutions))


def _two(image):
    x = keras.layers.Conv2D(3, 1, strides=8)(image)
    return [keras.layers.Flatten(name="a")(x), keras.layers.Flatten(name="b")(x)]


def _good(image):
    x = keras.layers.Conv2D(3, 3, strides=8, activation="relu")(image)
    return keras.layers.Dense(8)(keras.layers.Flatten()(x))


def _builder(network_of):
    def build(*_, **__):
        image = keras.Input((32, 32, 1), name="image")
        return keras.Model(image, network_of(image), name="net")

    return build


@pytest.mark.parametrize(
    ("network_of", "form", "message"),
    [
        (_lambda, "float", "'square'"),
        (_two, "float", "'a', 'b'"),
        (_six, "gap8", "cannot be written as gap8: .*'six'"),
        (_average, "gap8_qat", "cannot be written as gap8_qat: .*'reads'"),
        (_six, "gap8_8bit", "cannot be written as gap8_8bit: .*'six'"),
        (_sum_of_three, "gap8_8bit_qat", "cannot be written as gap8_8bit_qat: .*'sum'"),
        (_six, "gap8_single", "cannot be written as gap8_single: .*'six'"),
    ],
)
def test_what_cannot_be_had_is_refused_before_the_first_epoch(
    network_of, form, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(registry, "build", _builder(network_of))
    monkeypatch.setattr(kept_stages, "train", None)
    config = _changed(_SMALL, workdir=str(tmp_path), evaluate=(form,))
    with pytest.raises(errors.PipelineError, match=message) as caught:
        train_descriptor.run(config)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_rehearsal_leaves_the_fresh_weights_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "build", _builder(_good))
    config = _changed(_SMALL, evaluate=descriptor_forms.NAMES)
    source = _source()
    _, split = descriptor_stage.training_split(source, config.people.held_out, 2)
    stages.set_up_tensorflow(config.seed)
    expected = descriptor_stage.build(config.network, source)
    stages.set_up_tensorflow(config.seed)
    job._rehearse(config, source, split, run_folder.RunFolder(tmp_path))
    fresh = descriptor_stage.build(config.network, source)
    assert [x.name for x in fresh.layers] == [x.name for x in expected.layers]
    for one, other in zip(fresh.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("was_begun", [False, True])
def test_a_second_process_stops_before_it_writes(was_begun, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "build", _builder(_good))
    config = _changed(_SMALL, workdir=str(tmp_path))
    if was_begun:
        record = {"flags": config.identity(), "data": {"fingerprint": "f"}}
        run_folder.begin(run_folder.RunFolder(tmp_path), record)
    with run_lock.held(tmp_path):
        before = folder_trees.files(tmp_path)
        with pytest.raises(errors.UsageError, match=f"in use by process {os.getpid()}"):
            train_descriptor.run(config)
        assert folder_trees.files(tmp_path) == before


@pytest.mark.parametrize("name", ["results.json", "summary.txt", "float/history.json"])
def test_a_run_refuses_what_others_wrote(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    config = _changed(_SMALL, workdir=str(tmp_path))
    with pytest.raises(errors.ForeignFileError, match="which no run wrote there"):
        train_descriptor.run(config)
    assert folder_trees.files(tmp_path) == {name: b"mine"}


def test_a_form_of_an_earlier_start_that_is_damaged_is_asked_for_again(tmp_path):
    config = _changed(_SMALL, workdir=str(tmp_path))
    folder = run_folder.RunFolder(tmp_path)
    record = {"flags": config.identity(), "data": {"fingerprint": "f"}}
    run_folder.begin(folder, record)
    program = folder.export("gap8") / program_file.FILE_NAME
    atomic_files.write_bytes(program, b"integers")
    results = {"verification": {"float": {}, descriptor_forms.stored_name("gap8"): {}}}
    driver.finish(folder, results, "figures\n")
    assert job.with_damaged(config, folder) == config
    program.write_bytes(b"cut")
    run_folder.begin(folder, record, run_artifacts.restore)
    assert job.with_damaged(config, folder).forms == ("float", "gap8")


@pytest.mark.slow
def test_an_edited_result_stays_beside_the_one_that_is_made_again(
    finished, tmp_path, monkeypatch
):
    config, folder, results = finished
    copy = shutil.copytree(folder, tmp_path / "run")
    config = _changed(config, workdir=str(copy))
    monkeypatch.setattr(atomic_files, "_WRITTEN", {})
    # Other tests add forms to the finished run.
    verification = train_descriptor.run(config)["verification"]
    assert verification["float"] == results["verification"]["float"]
    (copy / "summary.txt").write_text("my notes")
    monkeypatch.setattr(atomic_files, "_WRITTEN", {})
    assert train_descriptor.run(config)["verification"] == verification
    assert (copy / "summary.txt.damaged1").read_text() == "my notes"
    assert (copy / "summary.txt").read_text() == (folder / "summary.txt").read_text()
