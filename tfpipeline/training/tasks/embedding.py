"""Embedding: descriptors of people, batches of several photographs of each.

What remains is the network from image to descriptor. Training runs on that network with
a head of classes on it (descriptor_heads), which is left behind.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor, recipe
from tfpipeline.data import identity_batches, parts, pipeline, splits
from tfpipeline.data.preprocessing import SIGNED
from tfpipeline.training import descriptor_heads, evaluation, loop, teachers
from tfpipeline.training import task as task_lib
from tfpipeline.training.tasks import classification

# The class of photographs without labels.
_NOBODY = -1


@dataclasses.dataclass(frozen=True)
class Config:
    """How a network learns descriptors.

    Attributes:
        people: of a batch, over all replicas.
        images: of each of them.
        groups_per_person: see identity_batches.epoch_order.
        loss: what is minimized.
        augmentation: random transforms.
        raw_pixels: whether the network takes pixels 0 to 255; normalized ones if not.
        taught: what a teacher says of the photographs, where there is one.
    """

    people: int
    images: int
    groups_per_person: int
    loss: descriptor.Loss
    augmentation: recipe.Augmentation
    raw_pixels: bool = False
    taught: teachers.OfDescriptors | None = None

    def __post_init__(self) -> None:
        if self.people < 2 or self.images < 2:
            raise errors.UsageError(
                "a batch needs two people and two images of each, or there are no "
                f"pairs. Received: {self.people} and {self.images}"
            )

    @property
    def unlabeled_per_batch(self) -> int:
        """Photographs of a batch that nobody is named on."""
        if self.taught is None or not len(self.taught.unlabeled):
            return 0
        return self.taught.config.unlabeled_per_batch

    @property
    def teacher_length(self) -> int | None:
        """Values of a descriptor of the teacher; None without one."""
        return None if self.taught is None else self.taught.descriptors.shape[1]

    def order(self, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """The batches of an epoch (counted from 0), see identity_batches."""
        return identity_batches.epoch_order(
            labels,
            people=self.people,
            images=self.images,
            groups_per_person=self.groups_per_person,
            seed=seed,
            epoch=epoch,
        )


def task(
    stage: loop.StageConfig,
    config: Config,
    split: splits.Split,
    network: keras.Model,
    *,
    validate: Callable[[], dict[str, float]] | None = None,
    evaluated: keras.Model | None = None,
    frozen: Sequence[tf.Variable] = (),
    replicas: int = 1,
) -> task_lib.Task:
    """The task of telling people apart by descriptors.

    The trained model is `network` with the head of `descriptor_heads.with_head`. Each
    of several replicas sees the pairs of its own part of the people.

    Args:
        stage: its seed orders the batches.
        config: see Config.
        split: photographs and the class of each, 0 to the number of people less one.
        network: image to descriptor; what is kept.
        validate: its `val_accuracy` decides which epoch is the best. None: the last.
        evaluated: a float32 twin of the network, where there is one.
        frozen: variables of `network` that stay as they are.
        replicas: devices that share a batch.

    Raises:
        DataError: fewer people than a batch needs.
        UsageError: the people of a batch cannot be shared out.
    """
    _require_shared(config.people, replicas)
    orders = (
        config.order(split.targets, stage.seed, number)
        for number in range(stage.epochs)
    )
    counts = [len(order) for order in orders]
    if min(counts) == 0:
        raise errors.DataError("an epoch has no batch; choose fewer --people_per_batch")
    labeled, (split, beside) = split, _with_teacher(config, split)
    data = pipeline.source(
        split,
        config.augmentation,
        config.people * config.images + config.unlabeled_per_batch,
        beside=beside,
    )

    def epoch(number: int) -> task_lib.Epoch:
        order = config.order(labeled.targets, stage.seed, number)
        examples = order.size
        order = _with_unlabeled(config, order, len(labeled), stage.seed, number)

        def batches(part: parts.Part) -> tf.data.Dataset:
            made = pipeline.ordered_batches(
                data, order, seed=stage.seed, epoch=number, part=part
            )
            if config.raw_pixels:
                made = made.map(lambda images, labels: (as_raw(images), labels))
            return made

        margin = config.loss.margin_in(number)
        return task_lib.Epoch(batches, len(order), examples, {"margin": margin})

    return task_lib.Task(
        epoch=epoch,
        # The number of batches differs a little between epochs.
        steps_per_epoch=math.ceil(sum(counts) / stage.epochs),
        loss=functools.partial(_loss, config),
        sums=("accuracy",),
        validate=validate or dict,
        better=task_lib.highest("val_accuracy") if validate else task_lib.latest,
        kept=network,
        evaluated=evaluated,
        frozen=frozen,
    )


def _require_shared(people: int, replicas: int) -> None:
    if people % replicas or people < 2 * replicas:
        raise errors.UsageError(
            "--people_per_batch must be a multiple of the number of devices that share "
            f"a batch, and at least twice as many. Received: {people} people for "
            f"{replicas} devices"
        )


def _with_teacher(
    config: Config, split: splits.Split
) -> tuple[splits.Split, np.ndarray | None]:
    """The photographs with the unlabeled ones behind them, and what is said of both."""
    taught = config.taught
    if taught is None:
        return split, None
    if not len(taught.unlabeled):
        return split, taught.descriptors
    nobody = np.full(len(taught.unlabeled), _NOBODY, np.int32)
    both = splits.Split(
        np.concatenate((split.inputs, taught.unlabeled)),
        np.concatenate((split.targets, nobody)),
    )
    return both, np.concatenate((taught.descriptors, taught.of_unlabeled))


def _with_unlabeled(
    config: Config, order: np.ndarray, num_labeled: int, seed: int, epoch: int
) -> np.ndarray:
    """Batches with unlabeled photographs at their ends, each about as often."""
    count = config.unlabeled_per_batch
    if not count or config.taught is None:
        return order
    generator = np.random.default_rng([seed, epoch, 0x0B])
    available = len(config.taught.unlabeled)
    rounds = -(-len(order) * count // available)
    drawn = np.concatenate([generator.permutation(available) for _ in range(rounds)])
    drawn = drawn[: len(order) * count].reshape(len(order), count)
    return np.concatenate((order, num_labeled + drawn), axis=1)


def _loss(
    config: Config,
    outputs: Sequence[tf.Tensor],
    targets: Any,
    values: Mapping[str, tf.Tensor],
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """The loss, and how many photographs the head recognizes."""
    taught = config.taught
    descriptors, scores = outputs[:2]
    labels, wanted = (targets, None) if taught is None else targets
    if config.unlabeled_per_batch:
        # They stand at the end.
        named = config.people * config.images
        own, scores, labels = descriptors[:named], scores[:named], labels[:named]
    else:
        own = descriptors
    loss = descriptor_heads.total(config.loss, own, scores, labels, values["margin"])
    sums = {"accuracy": classification.correct(scores, labels)}
    if taught is None:
        return loss, sums
    factors = taught.config
    # Behind the layer that gives descriptors the teacher's length, where there is one.
    compared = outputs[2] if len(outputs) > 2 else descriptors
    of_teacher = factors.cosine_weight * teachers.cosine(compared, wanted)
    of_teacher += factors.distance_weight * teachers.relational(descriptors, wanted)
    return (1 - factors.weight) * loss + factors.weight * of_teacher, sums


def as_raw(images: tf.Tensor) -> tf.Tensor:
    """Normalized pixels (augmentation.to_input) as 0 to 255 again, exactly."""
    return images * 128.0 + 128.0


def describer(
    network: keras.Model, *, raw_pixels: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """`network` as a function uint8 [N, S, S, 1] to float32 [N, D]."""
    forward = evaluation.forward_function(network)

    def taken(images):
        return forward(as_raw(images) if raw_pixels else images)

    return lambda images: evaluation.logits(taken, images, SIGNED)
