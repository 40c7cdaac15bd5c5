"""Classification: one label an image, cross entropy, the lowest validation loss."""

import dataclasses
from collections.abc import Callable, Mapping

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.data import pipeline, splits
from tfpipeline.data.preprocessing import SIGNED, Preprocessing
from tfpipeline.training import evaluation, loop
from tfpipeline.training import task as task_lib


@dataclasses.dataclass(frozen=True)
class Config:
    """How a network learns classes.

    Attributes:
        batch_size: images a step, over all replicas.
        augmentation: random transforms.
        label_smoothing: share of the target spread over all classes.
        preprocessing: what the network takes of a stored input.
    """

    batch_size: int
    augmentation: recipe.Augmentation
    label_smoothing: float
    preprocessing: Preprocessing = SIGNED


def task(
    stage: loop.StageConfig,
    config: Config,
    dataset: splits.Dataset,
    model: keras.Model,
    *,
    evaluated: keras.Model | None = None,
    after_epoch: Callable[[keras.Model], None] | None = None,
) -> task_lib.Task:
    """The task of giving each image its class.

    Args:
        stage: its seed orders the batches.
        config: see Config.
        dataset: train and validation are used, test is not.
        model: image to logits [N, classes].
        evaluated: a float32 twin of it with the same weight order, where there is one.
        after_epoch: see task.Task.

    Raises:
        TrainingError: the data are fewer than a batch.
    """
    if len(dataset.train) < config.batch_size:
        raise errors.TrainingError(
            f"batch_size {config.batch_size} is larger than the {len(dataset.train)} "
            "training images; choose a smaller --batch_size"
        )
    data = pipeline.source(
        dataset.train, config.augmentation, config.batch_size, config.preprocessing
    )
    forward = evaluation.forward_function(evaluated or model)

    def epoch(number: int) -> task_lib.Epoch:
        batches = pipeline.training_batches(data, seed=stage.seed, epoch=number)
        return task_lib.Epoch(batches, data.steps, data.steps * config.batch_size)

    def validate() -> dict[str, float]:
        split = dataset.validation
        logits = evaluation.logits(forward, split.inputs, config.preprocessing)
        return {
            "val_loss": evaluation.cross_entropy(logits, split.targets),
            "val_accuracy": evaluation.accuracy(logits, split.targets),
        }

    return task_lib.Task(
        epoch=epoch,
        steps_per_epoch=data.steps,
        loss=lambda logits, labels, _: _loss(logits, labels, config.label_smoothing),
        sums=("accuracy",),
        validate=validate,
        better=task_lib.lowest("val_loss"),
        evaluated=evaluated,
        after_epoch=after_epoch,
    )


def _loss(
    logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean cross entropy, and how many images are recognized."""
    entropy = keras.losses.categorical_crossentropy(
        tf.one_hot(labels, logits.shape[-1]),
        logits,
        from_logits=True,
        label_smoothing=label_smoothing,
    )
    return tf.reduce_mean(entropy), {"accuracy": correct(logits, labels)}


def correct(scores: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """How many rows of scores [N, classes] are largest at their labels, int [N]."""
    predicted = tf.argmax(scores, axis=-1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(predicted == labels, tf.float32))
