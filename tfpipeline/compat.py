"""The one place that selects Keras 2 (tf_keras) for TensorFlow and tfmot.

Every TensorFlow-side module imports from here:

    from tfpipeline.compat import keras, tf, tfmot

`tensorflow_model_optimization` works with Keras 2 only, and decides at import time by
the environment variable below, so it must be set before TensorFlow is loaded.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# 2: hide TensorFlow's informational start-up lines, keep its errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402
import tensorflow_model_optimization as tfmot  # noqa: E402
import tf_keras as keras  # noqa: E402

__all__ = ["keras", "tf", "tfmot"]
