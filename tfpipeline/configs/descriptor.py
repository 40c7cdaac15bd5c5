"""A run of tfpipeline.train_descriptor: everything that decides what it does."""

import dataclasses
from typing import Annotated, Any

from tfpipeline import descriptor_forms, errors
from tfpipeline.configs import fields, images, recipe
from tfpipeline.configs import teacher as teachers
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.configs.network import Network
from tfpipeline.data import specs

# Networks whose output is a descriptor.
MODELS = ("reid_squeezenet",)
# What may differ between two commands that mean the same run.
_NOT_PART_OF_A_RUN = (
    *("workdir", "data_dir", "pairs"),
    # By their pixels, which are in the fingerprint of the data.
    "unlabeled",
    # Of a trained network, at any later time.
    *("evaluate", "max_false_accept_rate"),
    # Of stages behind the float network, which keep them by themselves.
    *("qat_epochs", "qat_learning_rate_divisor"),
)
# Flags that earlier runs did not have, and what those runs did. With these values they
# are no part of what makes a run the same, so that such runs can be resumed.
_ADDED = {
    "early_stopping_patience": 0,
    "precision": "float32",
    "strategy": "default",
    "learning_rate_milestones": [],
    "learning_rate_decay": 0.1,
    "momentum": 0.9,
    "nesterov": False,
}


@dataclasses.dataclass(frozen=True)
class People(fields.Config):
    """Photographs of people, and the pairs that are verified."""

    dataset: Annotated[
        str,
        Flag(
            "Photographs and pairs. The procedural ones need no download.",
            choices=specs.VERIFICATION,
        ),
    ] = "procedural_faces"
    data_dir: images.DataDir = None
    pairs: Annotated[str | None, Flag("The file pairs.txt (--dataset=lfw).")] = None
    image_side: Annotated[
        int,
        Flag(
            f"Side of the network's square input; smaller divisors of {specs.LFW_SIDE} "
            "for quick runs.",
            low=31,
        ),
    ] = specs.LFW_SIDE
    photographs: Annotated[
        int, Flag("Of each made-up person (--dataset=procedural_faces).", low=2)
    ] = 12
    test_folds: Annotated[
        tuple[int, ...],
        Flag(
            "Folds to test on, counted from 0; training leaves out everyone in them.",
            low=0,
        ),
    ] = (0, 1, 2, 3, 4)
    validation_folds: Annotated[
        tuple[int, ...],
        Flag(
            "Folds, left out of training as well, that choose the best epoch and the "
            "threshold. If not given, the last epoch is taken, and the threshold of a "
            "test fold is chosen on the other test folds.",
            low=0,
        ),
    ] = ()
    min_images: Annotated[
        int, Flag("Train on people with at least this many photographs.", low=1)
    ] = 2

    @property
    def held_out(self) -> tuple[int, ...]:
        """Folds that training must know nobody of."""
        return (*self.test_folds, *self.validation_folds)

    def check(self) -> None:
        """Checks that folds go together, and that images become smaller evenly."""
        for name in ("test_folds", "validation_folds"):
            # As a set: order and repetition say nothing.
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        both = sorted(set(self.test_folds) & set(self.validation_folds))
        if both:
            raise errors.UsageError(
                "--test_folds and --validation_folds must share none; found in both: "
                f"{', '.join(map(str, both))}"
            )
        if not self.test_folds:
            raise errors.UsageError("--test_folds must name at least one fold")
        if len(self.test_folds) == 1 and not self.validation_folds:
            raise errors.UsageError(
                "--test_folds of a single fold needs --validation_folds, which its "
                "threshold is chosen on"
            )
        if specs.LFW_SIDE % self.image_side:
            raise errors.UsageError(
                f"--image_side must be a divisor of {specs.LFW_SIDE}; found "
                f"{self.image_side}"
            )


@dataclasses.dataclass(frozen=True)
class Batches(fields.Config):
    """What a batch and an epoch hold."""

    people: Annotated[
        int, Flag("Different people in a batch.", low=2, name="people_per_batch")
    ] = 16
    images: Annotated[
        int, Flag("Photographs of each of them.", low=2, name="images_per_person")
    ] = 4
    groups_per_person: Annotated[
        int,
        Flag(
            "An epoch has at most this many groups of --images_per_person photographs "
            "of one person.",
            low=1,
        ),
    ] = 8


@dataclasses.dataclass(frozen=True)
class Loss(fields.Config):
    """What training minimizes."""

    name: Annotated[
        str,
        Flag(
            "lifted: cross entropy and the lifted structured loss; cross_entropy: that "
            "alone; arcface: cross entropy of cosines with an angular margin.",
            choices=("lifted", "cross_entropy", "arcface"),
            name="loss",
        ),
    ] = "lifted"
    lifted_weight: Annotated[
        float, Flag("Factor of the lifted structured loss.", low=0.0)
    ] = 1.0
    lifted_margin: Annotated[float, Flag("Its margin, as a distance.", low=0.0)] = 1.0
    label_smoothing: recipe.LabelSmoothing = 0.0
    arcface_scale: Annotated[float, Flag("Factor of the cosines.", low=1e-3)] = 32.0
    arcface_margin: Annotated[float, Flag("Angular margin, radians.", low=0.0)] = 0.5
    arcface_warmup_epochs: Annotated[
        int,
        Flag(
            "Epochs without margin, and as many in which it grows: from scratch the "
            "full margin does not train.",
            low=0,
        ),
    ] = 5

    def check(self) -> None:
        """Smoothed targets are of logits."""
        if self.name == "arcface" and self.label_smoothing:
            raise errors.UsageError("--label_smoothing does not go with --loss=arcface")

    def margin_in(self, epoch: int) -> float:
        """The angular margin of an epoch (counted from 0), radians."""
        warmup = self.arcface_warmup_epochs
        if epoch >= 2 * warmup:
            return self.arcface_margin
        return self.arcface_margin * max(0, epoch - warmup + 1) / (warmup + 1)


@dataclasses.dataclass(frozen=True)
class Quantization(fields.Config):
    """Forms of the trained network, and how they come about."""

    calibration_images: recipe.CalibrationImages = 256
    epochs: recipe.QatEpochs = 5
    learning_rate_divisor: recipe.QatLearningRateDivisor = 10.0

    def identity(self) -> dict[str, Any]:
        """What makes a quantization-aware stage the same, beside the run."""
        return fields.identity(self, without=("calibration_images",))


@dataclasses.dataclass(frozen=True)
class DescriptorRun(fields.Config):
    """A run; the defaults are those of the flags."""

    people: Annotated[People, Group("data")] = People()
    network: Annotated[Network, Group("network")] = Network("reid_squeezenet")
    training: Annotated[recipe.Training, Group("training")] = recipe.Training(
        epochs=40, patience=0, precision="float32"
    )
    batches: Annotated[Batches, Group("training")] = Batches()
    loss: Annotated[Loss, Group("training")] = Loss()
    optimizer: Annotated[recipe.Optimizer, Group("training")] = recipe.Optimizer(
        schedule="cosine", weight_decay_mode="decoupled"
    )
    augmentation: Annotated[recipe.Augmentation, Group("augmentation")] = (
        recipe.Augmentation()
    )
    teacher: Annotated[teachers.OfDescriptors, Group("teacher")] = (
        teachers.OfDescriptors()
    )
    quantization: Annotated[Quantization, Group("quantization")] = Quantization()
    seed: recipe.Seed = 0
    strategy: recipe.Strategy = "default"
    evaluate: Annotated[
        tuple[str, ...],
        Flag(
            "Form of the network to verify; again for a finished run too. One of "
            f"{', '.join(descriptor_forms.NAMES)}.",
            check=descriptor_forms.named,
            group="output",
            repeats=True,
        ),
    ] = (descriptor_forms.FLOAT,)
    max_false_accept_rate: Annotated[
        float,
        Flag(
            "The threshold for tfpipeline.identify accepts at most this share of the "
            "pairs of two people that it is chosen on.",
            low=0.0,
            high=1.0,
            group="output",
        ),
    ] = 0.01
    workdir: recipe.Workdir = None

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of --evaluate by their names of today."""
        return tuple(map(descriptor_forms.named, self.evaluate))

    def check(self) -> None:
        """Checks what is decided in two places."""
        if self.network.model not in MODELS:
            raise errors.UsageError(
                f"--model must be one of {', '.join(MODELS)}, whose output is a "
                f"descriptor; found '{self.network.model}'"
            )
        if self.training.patience and not self.people.validation_folds:
            raise errors.UsageError(
                "--early_stopping_patience needs --validation_folds, which say whether "
                "an epoch is better than those before it"
            )
        if not self.training.epochs:
            raise errors.UsageError("--epochs must be 1 or more; found 0")
        if self.augmentation.mixes:
            raise errors.UsageError(
                "--mixup_alpha and --cutmix_alpha mix classes, and a descriptor is of "
                "one person: leave them out"
            )
        self.training.require_one_device(self.strategy)
        if self.teacher.unlabeled is not None and self.strategy != "default":
            raise errors.UsageError(
                "--unlabeled goes with one device: leave --strategy out"
            )
        self.optimizer.require_room(self.training.epochs)

    def identity(self) -> dict[str, Any]:
        """What makes a run the same run, as JSON values by flag."""
        flat = {
            **fields.identity(self, without=_NOT_PART_OF_A_RUN),
            **self.teacher.source_identity(),
        }
        return {
            name: value
            for name, value in flat.items()
            if not (name in _ADDED and value == _ADDED[name])
        }
