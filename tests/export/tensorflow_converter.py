"""TensorFlow's own conversion of fake-quantized networks, to hold ours to."""

from export.tflite import tracing
from tfpipeline.compat import keras, tf


def convert(qat_model: keras.Model) -> bytes:
    """An int8 `.tflite` with the ranges of the network's fake quantizers."""
    converter = tracing.converter(qat_model)
    # supported_ops stays at its default: with TFLITE_BUILTINS_INT8 the converter asks
    # for a representative data set although the ranges are in the network.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return bytes(converter.convert())
