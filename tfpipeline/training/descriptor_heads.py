"""What stands on a descriptor network during training only, and the losses of it.

The network's output is the descriptor; classes of people exist in training alone. So
the head is a layer outside of the network, and training runs on a second model that
shares the network's layers.
"""

from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor
from tfpipeline.training import embedding_losses

_HEAD, _LIKENED = "people", "like_the_teacher"


def with_head(
    network: keras.Model,
    num_people: int,
    loss: descriptor.Loss,
    teacher_length: int | None = None,
) -> keras.Model:
    """The model that training runs on: image to (descriptor, class scores).

    Where a teacher's descriptors have another length, there is a third output, the
    descriptor in that length by a linear layer.

    It shares the layers of `network`; its weights are the network's followed by the
    head's, so the first `len(network.get_weights())` of them are the network's.

    Args:
        network: image to descriptor [N, D].
        num_people: classes.
        loss: arcface scores are cosines, the others logits.
        teacher_length: values of a teacher's descriptor, where there is one.
    """
    output = network.outputs[0]
    if loss.name == "arcface":
        head = embedding_losses.CosineHead(num_people, name=_HEAD)
    else:
        head = keras.layers.Dense(num_people, name=_HEAD)
    outputs = [output, head(output)]
    if teacher_length is not None and teacher_length != output.shape[-1]:
        likened = keras.layers.Dense(teacher_length, use_bias=False, name=_LIKENED)
        outputs.append(likened(output))
    return keras.Model(network.inputs, outputs)


def total(
    loss: descriptor.Loss,
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
