"""Answers of networks that nobody trained, one set a kind of task."""

import numpy as np

from tfpipeline.report.findings import answers, evidence
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

COUNT = 60


def _classes(random):
    targets = random.integers(0, 3, COUNT).astype(np.int32)
    outputs = random.normal(size=(COUNT, 3)) + 2 * np.eye(3)[targets]
    data = kinds.Data((4,), num_classes=3)
    return outputs, targets, data, head_lib.Head((3,))


def _yes_or_no(random):
    targets = random.integers(0, 2, COUNT).astype(np.int32)
    outputs = random.normal(size=(COUNT, 1)) + 2 * targets[:, None] - 1
    return outputs, targets, kinds.Data((4,), num_classes=2), head_lib.Head((1,))


def _labels(random):
    targets = random.integers(0, 2, (COUNT, 3)).astype(np.float32)
    outputs = random.normal(size=(COUNT, 3)) + 2 * targets - 1
    data = kinds.Data((4,), (3,), has_classes=False, is_zero_or_one=True)
    return outputs, targets, data, head_lib.Head((3,))


def _values(random):
    targets = random.normal(size=(COUNT, 2)).astype(np.float32)
    outputs = targets + random.normal(size=(COUNT, 2)) / 5
    data = kinds.Data((4,), (2,), has_classes=False)
    return outputs, targets, data, head_lib.Head((2,))


def _rebuilt(random):
    targets = random.integers(0, 2, COUNT).astype(np.int32)
    noise = random.normal(size=(COUNT, 4)) * (0.2 + 0.3 * targets[:, None])
    data = kinds.Data((4,), num_classes=2)
    return INPUTS + noise, targets, data, head_lib.Head((4,))


def _masks(random):
    targets = random.integers(0, 3, (COUNT, 4, 4)).astype(np.uint8)
    outputs = random.normal(size=(COUNT, 4, 4, 3)) + 2 * np.eye(3)[targets]
    targets[0, 0, 0] = 255
    data = kinds.Data((4,), (4, 4), num_classes=3, has_masks=True)
    return outputs, targets, data, head_lib.Head((4, 4, 3))


INPUTS = np.random.default_rng(7).normal(size=(COUNT, 4)).astype(np.float32)
KINDS = {
    "classification": _classes,
    "binary": _yes_or_no,
    "multi_label": _labels,
    "regression": _values,
    "reconstruction": _rebuilt,
    "segmentation": _masks,
}


def found(name):
    """Evidence, objective, outputs by form and examples of a kind's name."""
    outputs, targets, data, head = KINDS[name](np.random.default_rng(0))
    objective = kinds.Objective(tasks.named(name), head, data)
    examples = objective.examples(INPUTS, targets)
    module = answers.of_kind(objective.kind)
    worse = outputs + np.random.default_rng(1).normal(size=outputs.shape)
    outputs_of = {"float32": outputs, "int8": worse}
    forms = {
        form: module.kept(each, examples, objective)
        for form, each in outputs_of.items()
    }
    kept = evidence.Evidence(module.targets(examples), forms)
    return kept, objective, outputs_of, examples
