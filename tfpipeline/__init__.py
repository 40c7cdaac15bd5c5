"""tfpipeline: tf_keras networks, quantized and exported for microcontrollers."""

__version__ = "0.1.0"
