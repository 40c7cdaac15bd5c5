"""What stands on a descriptor network during training only, and the losses of it.

The network's output is the descriptor; classes of people exist in training alone. So
the head is a layer outside of the network, and training runs on a second model that
shares the network's layers.
"""

import dataclasses

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.training import embedding_losses

LOSSES = ("lifted", "cross_entropy", "arcface")
_HEAD = "people"


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What training minimizes.

    Attributes:
        name: `lifted`: cross entropy plus `lifted_weight` times the lifted structured
            loss (the study's); `cross_entropy`: that alone; `arcface`: cross entropy of
            scaled cosines with an angular margin.
        lifted_weight: factor of the lifted structured loss.
        lifted_margin: see embedding_losses.lifted_structured.
        label_smoothing: share of the target spread over all people; not for arcface.
        arcface_scale: factor of the cosines.
        arcface_margin: radians.
        arcface_warmup_epochs: epochs without margin, then as many in which it grows to
            its full value: from scratch the full margin does not train.
    """

    name: str = "lifted"
    lifted_weight: float = 1.0
    lifted_margin: float = 1.0
    label_smoothing: float = 0.0
    arcface_scale: float = 32.0
    arcface_margin: float = 0.5
    arcface_warmup_epochs: int = 5

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise errors.UsageError(
                f"loss must be one of {', '.join(LOSSES)}. Received: {self.name}"
            )
        if self.name == "arcface" and self.label_smoothing:
            raise errors.UsageError("the loss arcface has no label smoothing")

    def margin_in(self, epoch: int) -> float:
        """The angular margin of an epoch (counted from 0), radians."""
        warmup = self.arcface_warmup_epochs
        if epoch >= 2 * warmup:
            return self.arcface_margin
        return self.arcface_margin * max(0, epoch - warmup + 1) / (warmup + 1)


def with_head(network: keras.Model, num_people: int, loss: LossConfig) -> keras.Model:
    """The model that training runs on: image to (descriptor, class scores).

    It shares the layers of `network`; its weights are the network's followed by the
    head's, so the first `len(network.get_weights())` of them are the network's.

    Args:
        network: image to descriptor [N, D].
        num_people: classes.
        loss: arcface scores are cosines, the others logits.
    """
    descriptor = network.outputs[0]
    if loss.name == "arcface":
        head = embedding_losses.CosineHead(num_people, name=_HEAD)
    else:
        head = keras.layers.Dense(num_people, name=_HEAD)
    return keras.Model(network.inputs, [descriptor, head(descriptor)])


def total(
    loss: LossConfig,
    descriptors: tf.Tensor,
    scores: tf.Tensor,
    labels: tf.Tensor,
    margin: tf.Tensor,
) -> tf.Tensor:
    """The loss of a batch, a scalar.

    Args:
        loss: which.
        descriptors: float32 [N, D].
        scores: float32 [N, C], of the head.
        labels: int [N], class of each.
        margin: of arcface in this epoch, radians.
    """
    if loss.name == "arcface":
        return embedding_losses.arcface(
            scores, labels, scale=loss.arcface_scale, margin=margin
        )
    entropy = tf.reduce_mean(
        keras.losses.categorical_crossentropy(
            tf.one_hot(labels, scores.shape[-1]),
            scores,
            from_logits=True,
            label_smoothing=loss.label_smoothing,
        )
    )
    if loss.name == "cross_entropy":
        return entropy
    lifted = embedding_losses.lifted_structured(descriptors, labels, loss.lifted_margin)
    return entropy + loss.lifted_weight * lifted
