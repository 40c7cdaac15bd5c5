"""One of several classes: cross entropy, and the share of examples that get theirs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds


def accuracy(outputs: npt.NDArray[Any], labels: npt.NDArray[np.integer]) -> float:
    """Share of rows of `outputs` [N, classes] whose first largest is at `labels` [N].

    Raises:
        UsageError: the numbers of rows differ, or there is a single class.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2 or len(outputs) != len(labels):
        raise errors.UsageError(
            f"outputs must be (N, classes >= 2) for {len(labels)} labels; found "
            f"{outputs.shape}"
        )
    return float(np.mean(np.argmax(outputs, axis=1) == labels))


def cross_entropy(
    outputs: kinds.FloatArray, labels: npt.NDArray[np.integer], head: head_lib.Head
) -> float:
    """Mean cross entropy (nats) of outputs [N, classes] with `labels` [N]."""
    rows = np.arange(len(labels))
    if head.function == head_lib.SOFTMAX:
        chosen = outputs[rows, labels].astype(np.float64)
        least = head_lib.LEAST_PROBABILITY
        return float(np.mean(-np.log(np.clip(chosen, least, 1 - least))))
    shifted = outputs.astype(np.float64) - outputs.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=-1))
    return float(np.mean(log_sum - shifted[rows, labels]))


def _examples(
    inputs: kinds.Array, targets: kinds.Array, data: kinds.Data
) -> kinds.Examples:
    del inputs, data
    return kinds.Examples(targets)


def _measure(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> dict[str, float | None]:
    del objective
    return {"accuracy": accuracy(outputs, examples.targets)}


KIND = kinds.TaskKind(
    name="classification",
    title="one of several classes",
    loss="classification",
    needs="class numbers",
    takes=lambda data: data.has_classes and data.num_classes > 1,
    outputs=lambda data: (data.num_classes,),
    functions=(head_lib.LINEAR, head_lib.SOFTMAX),
    findings="classes",
    examples=_examples,
    needs_every_class=True,
    weighs_classes=True,
    mixes_targets=True,
    decide=lambda outputs, objective: outputs.argmax(axis=-1),
    validation_loss=lambda outputs, examples, objective: cross_entropy(
        outputs, examples.targets, objective.head
    ),
    measure=_measure,
    figures=(kinds.Figure("accuracy", "accuracy"),),
)

# Of logits, as all networks by name have them.
OF_LOGITS = kinds.Objective(KIND, head_lib.Head(()))
