"""Networks trained with fake quantizers as `.tflite`, by way of their graph.

TensorFlow's converter is not asked. Of int8 it gives a bias whose values are all equal
the first channel's integer in every channel, though each has a scale of its own, and
cuts off a bias that its kernel's scale leaves no room for (TensorFlow 2.21); of int16
and of 4 bits it takes no such network at all. The graph's scales are the ranges that
training found, and so are the file's.
"""

from export.tflite import from_graph
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.readers import fake_quantizers, from_keras


def convert(qat_model: keras.Model, *, name: str | None = None) -> bytes:
    """Writes a network that was trained, or only prepared, for a scheme of TFLite.

    Args:
        qat_model: what `prepare_qat` of a scheme or
            `tfmot.quantization.keras.quantize_model` made, one input and one output.
        name: of the graph; the model's own if `None`.

    Returns:
        A `.tflite` of batch 1 in the integers that the fake quantizers stand for.

    Raises:
        ExportError: it has no fake quantizers, or layers that have no such form; names
            them.
    """
    if not fake_quantizers.are_in(qat_model):
        raise errors.ExportError(
            f"'{qat_model.name}' has no fake quantizers: convert it with calibration "
            "images (--quantization=ptq), or train it quantization-aware first"
        )
    try:
        g = from_keras.read(qat_model, name=name)
    except errors.GraphError as error:
        raise errors.ExportError(
            f"'{qat_model.name}' cannot be written as integers: {error}"
        ) from error
    return from_graph.to_bytes(g)
