"""What a run learns, from its flags and its data."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.configs import run, task
from tfpipeline.data import splits
from tfpipeline.tasks import kind
from tfpipeline.training import objectives

_TARGETS = np.array([0] * 6 + [1] * 2, np.int32)
_BALANCED = run.Classes(class_weights="balanced")


def _dataset(targets, class_names):
    split = splits.Split(np.zeros((8, 4), np.float32), targets)
    return splits.Dataset(
        name="drawn",
        class_names=class_names,
        train=split,
        validation=split,
        test=split,
        train_indices=np.arange(8),
        validation_indices=np.arange(8),
    )


@pytest.mark.parametrize("name", ["auto", "classification", "binary"])
def test_weights_of_classes_are_counted_in_the_train_split(name):
    options = kind.Options(balances_classes=True)
    dataset = _dataset(_TARGETS, ("a", "b"))
    objective = objectives.of(name, options, dataset)
    assert objective.class_weights == (8 / (2 * 6), 8 / (2 * 2))
    plain = objectives.of(name, kind.Options(), dataset)
    assert plain.class_weights is None


@pytest.mark.parametrize("name", ["multi_label", "regression", "reconstruction"])
def test_what_has_no_classes_is_refused_with_the_flags(name):
    with pytest.raises(errors.UsageError, match=f"--task={name} has none"):
        run.Run(task=task.Task(name), classes=_BALANCED)


def test_what_turns_out_to_have_no_classes_is_refused():
    values = _dataset(np.linspace(0, 9, 8, dtype=np.float32)[:, None], ("u",))
    options = kind.Options(balances_classes=True)
    with pytest.raises(errors.UsageError, match="--task=regression has none"):
        objectives.of("auto", options, values)


def test_runs_without_weights_are_those_from_before_the_flag():
    assert "class_weights" not in run.Run().identity()
    assert run.Run(classes=_BALANCED).identity()["class_weights"] == "balanced"
