"""The one place that selects Keras 2 (tf_keras) for TensorFlow and tfmot.

Every TensorFlow-side module imports from here:

    from tfpipeline.compat import keras, tf, tfmot

`tensorflow_model_optimization` works with Keras 2 only, and decides at import time by
the environment variable below, so it must be set before TensorFlow is loaded.
"""

import contextlib
import os
from collections.abc import Iterator

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# 3: hide TensorFlow's C++ log lines; what fails still raises in Python.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves oneDNN off on processors without AVX512-VNNI, where it still trains
# these networks about 1.8 times faster (docs/speed.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _without_standard_error() -> Iterator[None]:
    """Hides what C++ writes while it loads, before it knows the log level."""
    saved = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)


with _without_standard_error():
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

__all__ = ["keras", "tf", "tfmot"]
