"""Stages in a run's folder: found again as they were kept, or named as damaged."""

import json

import numpy as np
import pytest

from tests import folder_trees
from tfpipeline import errors, run_artifacts, run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.training import checkpoints, kept_stages, loop, stages, strategies
from tfpipeline.training import task as task_lib


def _network() -> keras.Model:
    stages.set_up_tensorflow(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="sum")])


def _task() -> task_lib.Task:
    points = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    sums = points.sum(axis=1, keepdims=True)
    batches = tf.data.Dataset.from_tensor_slices((points, sums)).batch(4)
    return task_lib.Task(
        epoch=lambda number: task_lib.Epoch(lambda part: batches, 4, 16),
        steps_per_epoch=4,
        loss=lambda out, sums, _: (tf.reduce_mean(tf.square(out - sums)), {}),
    )


def _train(folder, name="float", **options) -> kept_stages.Trained:
    stage = loop.StageConfig(
        name=name, epochs=2, optimizer=recipe.Optimizer(), patience=0, seed=1
    )
    network = _network()
    return kept_stages.train(
        stage,
        network,
        _task(),
        folder,
        tf.distribute.get_strategy(),
        rebuild=_network,
        **options,
    )


def test_what_is_kept_is_found(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    assert kept_stages.find(folder, "float") is None
    trained = _train(folder)
    again = kept_stages.find(folder, "float")
    assert (again.best_epoch, again.stage) == (trained.best_epoch, "float")
    assert again.history == trained.history
    for left, right in zip(
        trained.model.get_weights(), again.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    assert again.record() == {
        "best_epoch": 2,
        "epochs": 2,
        "seconds": sum(record["seconds"] for record in trained.history),
    }


@pytest.mark.slow
def test_records_of_earlier_stages_stand_before(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    first = _train(folder)
    _train(folder, "qat", earlier=first.history)
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["float"] * 2 + ["qat"] * 2


def test_a_worker_that_is_not_the_chief_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "is_chief", lambda strategy: False)
    trained = _train(run_folder.RunFolder(tmp_path))
    assert trained.best_epoch == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["[]", "{}", '{"best_epoch": 1}'])
def test_a_damaged_history_is_named(tmp_path, content):
    folder = run_folder.RunFolder(tmp_path)
    _train(folder)
    path = tmp_path / "float" / "history.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(errors.StorageError, match="is not a stage's history; remove"):
        kept_stages.find(folder, "float")


def test_a_stage_cut_before_its_history_is_written_ends_with_the_same(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    trained = _train(folder)
    (tmp_path / "float" / "history.json").unlink()
    assert kept_stages.find(folder, "float") is None
    again = _train(folder)
    assert (again.best_epoch, again.history) == (trained.best_epoch, trained.history)


@pytest.mark.default_cases(2)
@pytest.mark.parametrize(
    ("name", "content"),
    [("history.json", b"[]"), ("weights.npz", b""), ("architecture.json", None)],
)
def test_a_damaged_stage_is_made_again_from_its_checkpoints(name, content, tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    record = {"flags": {}, "data": {"fingerprint": "f"}}
    run_folder.begin(folder, record)
    trained = _train(folder)
    kept = folder_trees.files(tmp_path / "float")
    path = tmp_path / "float" / name
    path.unlink() if content is None else path.write_bytes(content)
    newest = checkpoints.newest_path(folder.checkpoints("float"))
    newest.write_bytes(newest.read_bytes()[:500])
    assert run_folder.begin(folder, record, run_artifacts.restore)
    assert kept_stages.find(folder, "float") is None
    again = _train(folder)
    np.testing.assert_array_equal(
        again.model.get_weights()[0], trained.model.get_weights()[0]
    )
    after = folder_trees.files(tmp_path / "float")
    assert after["weights.npz"] == kept["weights.npz"]
    assert after.pop(f"{name}.damaged1", None) == content
    assert after.keys() == kept.keys()
    assert kept_stages.find(folder, "float") is not None


def test_lost_metrics_are_those_of_the_stages(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    _train(folder, "qat", earlier=_train(folder).history)
    before = folder.metrics.read_bytes()
    kept_stages.restore_metrics(folder, [])
    assert folder.metrics.read_bytes() == before
    folder.metrics.unlink()
    kept_stages.restore_metrics(folder, ["float", "qat", "absent"])
    assert folder.metrics.read_bytes() == before
