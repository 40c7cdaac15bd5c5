"""What a network learns, as a value: a `TaskKind` and all that asks it.

A new kind is a module with a `KIND` here, its loss in `training/tasks`, and a place in
`catalog.ALL`. Whoever trains, deploys, verifies or reports asks the kind, through the
`Objective` of a run.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.tasks import head as head_lib

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class Data:
    """What is known of a data set's examples without looking at them one by one.

    Attributes:
        input_shape: of one input.
        target_shape: of one target; () for class numbers and single values.
        has_classes: whether targets are class numbers.
        num_classes: names of classes, or of labels; 0 where there are none.
        is_zero_or_one: whether the targets are all 0 or 1.
        normal_class: class number of what is no anomaly.
        has_boxes: whether targets are boxes of objects, see `detection.objects`.
        has_masks: whether targets are class numbers of pixels.
    """

    input_shape: tuple[int, ...]
    target_shape: tuple[int, ...] = ()
    has_classes: bool = True
    num_classes: int = 0
    is_zero_or_one: bool = False
    normal_class: int = 0
    has_boxes: bool = False
    has_masks: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """What a network's outputs are compared with.

    Attributes:
        targets: [N, ...]; int32 [N] where they are classes.
        labels: bool [N], which examples are anomalies, where the kind asks that.
    """

    targets: Array
    labels: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: npt.NDArray[np.integer]) -> "Examples":
        """The examples at `indices` [M], in that order."""
        labels = None if self.labels is None else self.labels[indices]
        return Examples(self.targets[indices], labels)


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a network on examples.

    Attributes:
        name: in results.json, behind the split's.
        title: in tables.
        is_share: whether it is a part of one, printed in percent.
        is_better_higher: else a lower one is.
    """

    name: str
    title: str
    is_share: bool = True
    is_better_higher: bool = True

    def text(self, value: float | None) -> str:
        """The value as it is printed; a dash where it could not be measured."""
        if value is None:
            return "-"
        return f"{100 * value:.2f} %" if self.is_share else f"{value:.4g}"

    def cost(self, value: float | None, reference: float | None) -> str:
        """What lies between two values: points of a share, else percent of the value.

        Args:
            value: of a form of the network.
            reference: of the float network.
        """
        if value is None or reference is None:
            return "-"
        if self.is_share:
            return f"{100 * (value - reference):+.2f}"
        return f"{100 * (value / reference - 1):+.2f} %" if reference else "-"


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user decides about a task.

    Attributes:
        label_smoothing: share of the target spread over all classes.
        threshold: probability from which an answer is yes.
        huber_delta: difference from which the loss grows linearly, in units of the
            (standardized) targets; 0 for the mean squared error.
        standardizes: whether targets are learned with mean 0 and deviation 1.
        balances_classes: whether rare classes weigh more in the loss of training.
        box_weight: of the loss of boxes beside that of scores.
        crops_per_picture: of an epoch of a detector's training.
    """

    label_smoothing: float = 0.0
    threshold: float = 0.5
    huber_delta: float = 0.0
    standardizes: bool = False
    balances_classes: bool = False
    box_weight: float = 1.0
    crops_per_picture: int = 1


@dataclasses.dataclass(frozen=True)
class Hits:
    """Right answers that are no values beside targets.

    Attributes:
        right: of them; may be below 0 where wrong ones count against them.
        total: that there are.
        unit: what they are.
    """

    right: int
    total: int
    unit: str


@dataclasses.dataclass(frozen=True)
class Scaling:
    """`target = learned * deviation + mean`, by output.

    Attributes:
        mean: of the training targets.
        deviation: their standard deviation, 1 where it is zero.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def learned(self, targets: FloatArray) -> npt.NDArray[np.float32]:
        """Targets [N, K] as the network learns them."""
        mean, deviation = np.array(self.mean), np.array(self.deviation)
        return np.asarray((targets - mean) / deviation, np.float32)

    def restored(self, outputs: FloatArray) -> npt.NDArray[np.float64]:
        """Outputs [N, K] of the network in the units of the targets."""
        mean, deviation = np.array(self.mean), np.array(self.deviation)
        return np.asarray(outputs * deviation + mean, np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class TaskKind:
    """A kind of task.

    Attributes:
        name: of `--task`.
        title: one line for `--help` and documents.
        loss: module in training/tasks with the loss, of TensorFlow; see
            `training.tasks.supervised`.
        needs: what the targets of a data set must be, in words.
        takes: whether targets of these traits can be learned.
        outputs: traits of the data -> shape of an example's outputs.
        built_with: traits of the data -> what networks are built with, their number of
            outputs or of classes; None for as many as the outputs have values.
        functions: those that may end the network; () for any.
        findings: module in `report/findings` that says what a run keeps of the answers
            and what they tell, and in `report/run_pages` that shows it.
        examples: (inputs float32 as the network takes them, targets of the data set,
            traits) -> what outputs are compared with.
        trains_on: (targets of the data set, traits) -> positions to train on; None for
            all.
        learns_inputs: whether the input is the target.
        reads_numbers: whether whole numbers are values and no classes.
        reads_boxes: whether targets are boxes, and pictures are read at their own size.
        needs_every_class: whether training must see each class.
        weighs_classes: whether an example is of one class, which may have a weight in
            the loss.
        mixes_targets: whether examples may be mixed with each other, and so their
            targets; the loss then has a function `shares`.
        decide: (outputs, objective) -> answers of the targets' type and shape; None
            where outputs are values.
        hits: (outputs, examples, objective) -> right answers, where `decide` has none.
        validation_loss: (outputs, examples, objective) -> what training minimizes, on
            validation examples, in float64.
        measure: (outputs, examples, objective) -> figures; None for one that these
            examples cannot give.
        figures: those of `measure`, the most telling first.
        best: figure of an epoch that tells the best one, and whether higher is better.
    """

    name: str
    title: str
    loss: str
    needs: str
    takes: Callable[[Data], bool]
    outputs: Callable[[Data], tuple[int, ...]]
    functions: tuple[str, ...]
    findings: str
    examples: Callable[[Array, Array, Data], Examples]
    decide: Callable[[FloatArray, "Objective"], Array] | None
    validation_loss: Callable[[FloatArray, Examples, "Objective"], float]
    measure: Callable[[FloatArray, Examples, "Objective"], dict[str, float | None]]
    figures: tuple[Figure, ...]
    trains_on: Callable[[Array, Data], npt.NDArray[np.int64] | None] = (
        lambda targets, data: None
    )
    learns_inputs: bool = False
    reads_numbers: bool = False
    reads_boxes: bool = False
    needs_every_class: bool = False
    weighs_classes: bool = False
    built_with: Callable[[Data], int] | None = None
    hits: Callable[[FloatArray, Examples, "Objective"], Hits] | None = None
    mixes_targets: bool = False
    best: tuple[str, bool] = ("val_loss", False)

    def num_outputs(self, data: Data) -> int:
        """What a network is built with for data of these traits."""
        if self.built_with is not None:
            return self.built_with(data)
        return math.prod(self.outputs(data))

    def figure(self, name: str) -> Figure:
        """The figure called `name`."""
        return next(each for each in self.figures if each.name == name)

    def require_classes_to_weigh(self) -> None:
        """Raises a UsageError where an example is not of one class."""
        if not self.weighs_classes:
            raise errors.UsageError(
                f"--class_weights=balanced weighs the classes of examples, of which "
                f"--task={self.name} has none: leave it out"
            )

    def require_targets_to_mix(self) -> None:
        """Raises a UsageError where targets have no shares."""
        if not self.mixes_targets:
            raise errors.UsageError(
                "--mixup_alpha and --cutmix_alpha mix classes or labels, of which "
                f"--task={self.name} has none: leave them out"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
    """A kind of task as a run has it.

    Attributes:
        kind: of the task.
        head: of the network.
        data: traits of the data set.
        options: of the user.
        scaling: of standardized targets.
        class_weights: what an example of each class weighs in the loss of training;
            None for one, whatever the class.
    """

    kind: TaskKind
    head: head_lib.Head
    data: Data = Data(())
    options: Options = Options()
    scaling: Scaling | None = None
    class_weights: tuple[float, ...] | None = None

    @property
    def num_outputs(self) -> int:
        """What the network is built with; see `TaskKind.num_outputs`."""
        return self.kind.num_outputs(self.data)

    def examples(self, inputs: Array, targets: Array) -> Examples:
        """What outputs are compared with.

        Args:
            inputs: float32 [N, ...], as the network takes them.
            targets: of the data set, [N, ...].

        Raises:
            DataError: targets that cannot be learned.
        """
        return self.kind.examples(inputs, targets, self.data)

    def to_dict(self) -> dict[str, Any]:
        """What readers of outputs must know, as JSON; {} for logits of classes."""
        record: dict[str, Any] = {"name": self.kind.name, "head": self.head.function}
        if record == {"name": "classification", "head": head_lib.LINEAR}:
            return {}
        if self.kind.decide is not None and head_lib.SIGMOID in self.kind.functions:
            record["threshold"] = self.options.threshold
        if self.head.layout is not None:
            record["maps"] = self.head.layout.to_dict()
            record["box_weight"] = self.options.box_weight
        if self.scaling is not None:
            record["mean"] = list(self.scaling.mean)
            record["deviation"] = list(self.scaling.deviation)
        return record

    def restored(self, outputs: FloatArray) -> FloatArray:
        """Outputs [N, ...] in the units of the targets."""
        return outputs if self.scaling is None else self.scaling.restored(outputs)

    def measure(
        self, outputs: FloatArray, examples: Examples
    ) -> dict[str, float | None]:
        """Figures of real outputs [N, ...] on as many examples."""
        return self.kind.measure(outputs, examples, self)

    def main(self, outputs: FloatArray, examples: Examples) -> tuple[Figure, float]:
        """The most telling figure that the examples can give, and its value."""
        measured = self.measure(outputs, examples)
        for figure in self.kind.figures:
            value = measured[figure.name]
            if value is not None:
                return figure, value
        raise ValueError(f"no figure of {self.kind.name} was measured")
