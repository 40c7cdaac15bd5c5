"""The one place that selects Keras 2 (tf_keras) for TensorFlow and tfmot.

Every TensorFlow-side module imports from here:

    from tfpipeline.compat import keras, tf, tfmot

`tensorflow_model_optimization` works with Keras 2 only, and decides at import time by
the environment variable below, so it must be set before TensorFlow is loaded.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# 3: hide TensorFlow's C++ start-up lines; what fails still raises in Python.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves oneDNN off on processors without AVX512-VNNI, where it still trains
# these networks about 1.8x faster (see docs/performance.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

__all__ = ["keras", "tf", "tfmot"]
