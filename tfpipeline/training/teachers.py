"""Teachers: trained networks whose answers another network learns to give.

A teacher is read as every network of a user is (own_networks: architectures and
weights, no code out of files), and asked once, for each training picture as it is
stored. What it says is then a target like any other: an epoch costs no more than
without it, and is the same whenever it is trained.
"""

import dataclasses
import logging

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import teacher as configs
from tfpipeline.data import preprocessing as preprocessing_lib
from tfpipeline.models import forms
from tfpipeline.own_networks import loading
from tfpipeline.quantization import storage
from tfpipeline.tasks import head as head_lib
from tfpipeline.training import embedding_losses, evaluation

_LOG = logging.getLogger(__name__)
_BATCH = 50
# ITU-R BT.601 luma, as in data/augmentation.
_LUMA = (0.299, 0.587, 0.114)


@dataclasses.dataclass(frozen=True, eq=False)
class OfClasses:
    """What a teacher says of the training split.

    Attributes:
        probabilities: float32 [N, classes], at `temperature`.
        temperature: that logits are divided by.
        weight: share of the loss.
    """

    probabilities: np.ndarray
    temperature: float
    weight: float


@dataclasses.dataclass(frozen=True, eq=False)
class OfDescriptors:
    """What a teacher says of the training photographs.

    Attributes:
        descriptors: float32 [N, D], of length one.
        unlabeled: further photographs as the network takes them, uint8 [M, S, S, 1].
        of_unlabeled: float32 [M, D], their descriptors.
        config: factors of the losses.
    """

    descriptors: np.ndarray
    unlabeled: np.ndarray
    of_unlabeled: np.ndarray
    config: configs.OfDescriptors


def load(form: forms.Form) -> keras.Model:
    """The network of a file, of a function, or of a run's float training.

    Raises:
        UsageError: it takes no pictures, or gives several outputs.
        PipelineError: it cannot be read.
    """
    if form.kind is forms.Kind.FOLDER:
        model, notes = storage.load(configs.run_stage(form)), ()
    else:
        model, notes = loading.load(form)
    for note in notes:
        _LOG.info("the teacher: %s", note)
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if (
        len(shapes) != 1
        or len(shapes[0]) != 3
        or shapes[0][2] not in (1, 3)
        or len(model.outputs) != 1
    ):
        raise errors.UsageError(
            f"the teacher '{form.title}' must take one picture, gray or RGB, and give "
            f"one output; it takes {shapes} and gives {len(model.outputs)}"
        )
    return model


def answers(
    model: keras.Model,
    pictures: np.ndarray,
    preprocessing: preprocessing_lib.Preprocessing,
    *,
    mirrored: bool = False,
) -> np.ndarray:
    """What a teacher gives for pictures.

    Args:
        model: from `load`.
        pictures: uint8 [N, H, W, 1 or 3].
        preprocessing: what the teacher takes of pixels.
        mirrored: whether the answer is the mean of those for a picture and its mirror.

    Returns:
        float32 [N, ...].
    """
    height, width, channels = model.input_shape[1:]
    size = (height or pictures.shape[1], width or pictures.shape[2])
    forward = evaluation.forward_function(model)

    def answer(stored: np.ndarray) -> np.ndarray:
        images = _with_channels(tf.cast(stored, tf.float32), channels)
        if tuple(images.shape[1:3]) != size:
            # Pixels stay whole numbers, as in a picture of that size.
            images = tf.image.resize(images, size, antialias=True)
            images = tf.clip_by_value(tf.round(images), 0.0, 255.0)
        images = (images - preprocessing.zero) * preprocessing.scale
        found = forward(images)
        if mirrored:
            found = (found + forward(tf.reverse(images, (2,)))) / 2.0
        return found.numpy()

    return np.concatenate(
        [
            answer(pictures[start : start + _BATCH])
            for start in range(0, len(pictures), _BATCH)
        ]
    )


def of_classes(
    model: keras.Model,
    head: head_lib.Head,
    pictures: np.ndarray,
    preprocessing: preprocessing_lib.Preprocessing,
    config: configs.OfClasses,
    *,
    num_classes: int,
    mirrored: bool,
) -> OfClasses:
    """What a teacher says of the training pictures.

    Args:
        model: from `load`.
        head: of it.
        pictures: uint8 [N, H, W, C].
        preprocessing: what it takes of pixels.
        config: temperature and weight.
        num_classes: of the data.
        mirrored: see `answers`.

    Raises:
        UsageError: its outputs are not those of so many classes.
    """
    if head.function not in (head_lib.LINEAR, head_lib.SOFTMAX) or (
        head.shape != (num_classes,)
    ):
        raise errors.UsageError(
            f"the teacher must give {num_classes} logits or softmax values, one a "
            f"class; it ends with {head.told}"
        )
    found = answers(model, pictures, preprocessing, mirrored=mirrored)
    if head.function == head_lib.SOFTMAX:
        found = np.log(np.maximum(found, head_lib.LEAST_PROBABILITY))
    soft = np.exp(head_lib.log_softmax(found / config.temperature))
    return OfClasses(soft.astype(np.float32), config.temperature, config.weight)


def of_descriptors(
    model: keras.Model,
    photographs: np.ndarray,
    unlabeled: tuple[np.ndarray, np.ndarray] | None,
    preprocessing: preprocessing_lib.Preprocessing,
    config: configs.OfDescriptors,
    *,
    mirrored: bool,
) -> OfDescriptors:
    """What a teacher says of the training photographs.

    Args:
        model: from `load`.
        photographs: uint8 [N, H, W, 1 or 3], as the teacher sees them.
        unlabeled: further ones, as the network sees them, uint8 [M, S, S, 1], and as
            the teacher does, uint8 [M, H, W, 1 or 3].
        preprocessing: what it takes of pixels.
        config: factors of the losses.
        mirrored: see `answers`.
    """

    def described(pictures: np.ndarray) -> np.ndarray:
        found = answers(model, pictures, preprocessing, mirrored=mirrored)
        found = found.reshape(len(found), -1)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.maximum(lengths, 1e-12)).astype(np.float32)

    descriptors = described(photographs)
    if unlabeled is None:
        nothing = np.empty((0, *photographs.shape[1:3], 1), np.uint8)
        return OfDescriptors(descriptors, nothing, descriptors[:0], config)
    seen, shown = unlabeled
    return OfDescriptors(descriptors, seen, described(shown), config)


def _with_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return tf.repeat(images, 3, axis=-1)
    return tf.tensordot(images, tf.constant(_LUMA), 1)[..., None]


def soft_targets(
    logits: tf.Tensor, probabilities: tf.Tensor, temperature: float
) -> tf.Tensor:
    """The loss of a teacher's probabilities, times the temperature's square.

    The mean Kullback-Leibler divergence in nats; the square keeps the size of its
    gradient whatever the temperature (Hinton et al., arXiv:1503.02531, section 2).

    Args:
        logits: float32 [N, classes].
        probabilities: float32 [N, classes], of the teacher at that temperature.
        temperature: see there.
    """
    own = tf.nn.log_softmax(logits / temperature)
    wanted = tf.math.xlogy(probabilities, probabilities)
    divergence = tf.reduce_sum(wanted - probabilities * own, axis=-1)
    return temperature**2 * tf.reduce_mean(divergence)


def cosine(descriptors: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean of 1 - cosine of two sets of descriptors, both float32 [N, D]."""
    product = tf.math.l2_normalize(descriptors, axis=1) * tf.math.l2_normalize(
        wanted, axis=1
    )
    return tf.reduce_mean(1.0 - tf.reduce_sum(product, axis=1))


def relational(descriptors: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """How much the distances of all pairs differ, each set's divided by their mean.

    Distance-wise relational distillation (Park et al., CVPR 2019, equation 5), with
    Huber's loss of its section 3.2.

    Args:
        descriptors: float32 [N, D].
        wanted: float32 [N, E], the teacher's.
    """
    difference = tf.abs(_relative(descriptors) - _relative(wanted))
    huber = tf.where(difference <= 1.0, tf.square(difference) / 2.0, difference - 0.5)
    count = tf.cast(tf.shape(descriptors)[0], tf.float32)
    return tf.reduce_sum(huber) / tf.maximum(count * (count - 1.0), 1.0)


def _relative(descriptors: tf.Tensor) -> tf.Tensor:
    """Distances of all pairs over their mean, [N, N]; 0 on the diagonal."""
    count = tf.shape(descriptors)[0]
    others = 1.0 - tf.eye(count)
    distances = embedding_losses.distances(descriptors) * others
    pairs = tf.maximum(tf.reduce_sum(others), 1.0)
    mean = tf.reduce_sum(distances) / pairs
    return distances / tf.maximum(mean, 1e-6)
