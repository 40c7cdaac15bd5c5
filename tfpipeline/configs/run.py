"""A run of tfpipeline.train: everything that decides what it does."""

import dataclasses
from typing import Annotated, Any

from tfpipeline import errors, number_formats
from tfpipeline.configs import fields, recipe
from tfpipeline.configs import teacher as teachers
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.configs.images import Images
from tfpipeline.configs.network import Network
from tfpipeline.configs.quantization import Quantization
from tfpipeline.configs.task import Task

NO_WEIGHTS, BALANCED = "none", "balanced"

# What may differ between two commands that mean the same run.
_NOT_PART_OF_A_RUN = ("workdir", "data_dir", "memory_limit", "cache_dir")


@dataclasses.dataclass(frozen=True)
class Classes(fields.Config):
    """How a network learns classes."""

    batch_size: Annotated[int, Flag("Images a step, over all devices.", low=1)] = 128
    label_smoothing: recipe.LabelSmoothing = 0.0
    class_weights: Annotated[
        str,
        Flag(
            "What an example's class weighs in the loss of training (classification, "
            "binary). balanced: N / (classes * examples of the class), counted in the "
            "train split, so that rare classes count as much as frequent ones.",
            choices=(NO_WEIGHTS, BALANCED),
            is_later=True,
        ),
    ] = NO_WEIGHTS


@dataclasses.dataclass(frozen=True)
class Run(fields.Config):
    """A run; the defaults are those of the flags."""

    images: Annotated[Images, Group("data")] = Images()
    network: Annotated[Network, Group("network")] = Network()
    task: Annotated[Task, Group("task")] = Task()
    training: Annotated[recipe.Training, Group("training")] = recipe.Training()
    classes: Annotated[Classes, Group("training")] = Classes()
    optimizer: Annotated[recipe.Optimizer, Group("training")] = recipe.Optimizer()
    teacher: Annotated[teachers.OfClasses, Group("teacher")] = teachers.OfClasses()
    augmentation: Annotated[recipe.Augmentation, Group("augmentation")] = (
        recipe.Augmentation()
    )
    quantization: Annotated[Quantization, Group("quantization")] = Quantization()
    seed: recipe.Seed = 0
    strategy: recipe.Strategy = "default"
    workdir: recipe.Workdir = None

    @property
    def float_epochs(self) -> int:
        """Most epochs of float training, by the policy or else by the flag."""
        return self.quantization.start_epoch or self.training.epochs

    @property
    def balances_classes(self) -> bool:
        """Whether rare classes weigh more in the loss."""
        return self.classes.class_weights == BALANCED

    def check(self) -> None:
        """Checks what is decided in two places."""
        if self.network.is_detector and not self.task.may_read_boxes:
            raise errors.UsageError(
                f"--model={self.network.model} is a detector, whose outputs are boxes: "
                "train it with --task=detection"
            )
        if self.float_epochs:
            self.optimizer.require_room(self.float_epochs)
        elif not self.network.has_weights:
            raise errors.UsageError(
                "--epochs=0 leaves the float network as it is, which needs one that "
                "has weights: --model=FILE.keras, with --start=weights"
            )
        if self.balances_classes:
            self.task.require_classes_to_weigh()
        if self.augmentation.mixes:
            self.task.require_targets_to_mix()
        self.training.require_one_device(self.strategy)
        scheme = number_formats.scheme_named(self.quantization.scheme)
        if scheme.needs_signed_pixels and not self.images.is_signed:
            raise errors.UsageError(
                f"--scheme={scheme.name} needs pixels in [-1, 127/128]: leave "
                "--nonormalize and --input_range out"
            )

    def identity(self) -> dict[str, Any]:
        """What makes a run the same run, as JSON values by flag."""
        return {
            **fields.identity(self, without=_NOT_PART_OF_A_RUN),
            **self.network.source_identity(),
            **self.teacher.source_identity(),
            "export": list(self.quantization.exports),
        }
