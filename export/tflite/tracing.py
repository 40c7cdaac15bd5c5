"""A Keras network as the one function that TensorFlow's converter reads."""

from typing import Any

from tfpipeline.compat import keras, tf


def converter(model: keras.Model) -> Any:
    """A `tf.lite.TFLiteConverter` of `model` in inference mode, for a batch of one.

    With a dynamic batch, reshapes become SHAPE, STRIDED_SLICE and PACK, which cost a
    microcontroller code and time.
    """
    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    # Without AutoGraph, which has nothing to rewrite in Keras layers and takes 2 s.
    function = tf.function(lambda image: model(image, training=False), autograph=False)
    concrete = function.get_concrete_function(signature)
    # The converter saves this object to a file: given the Keras model itself, it would
    # trace every layer again, for the same bytes and more than twice the time.
    holder = tf.Module()
    holder.held = model.variables
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)
