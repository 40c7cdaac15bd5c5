"""What a description of a Keras 3 network may name, and what tf_keras has for it.

As `permitted` for Keras 2: what does not stand here is never imported or called.
"""

from tfpipeline.keras_networks import keras3_operations, permitted

OPERATIONS = keras3_operations.TABLE

SEQUENTIAL, FUNCTIONAL = "Sequential", ("Functional", "Model")
MODEL_MODULES = frozenset(
    {
        *("keras", "keras.models", "keras.src.models.functional"),
        *("keras.src.models.sequential", "keras.src.models.model"),
    }
)
LAYER_MODULES = frozenset({"keras.layers"})

# Of `permitted.LAYERS`: what Keras 3 has not, or means another thing by.
_ONLY_KERAS_2 = frozenset(
    {
        *("BatchNormalizationV1", "BatchNormalizationV2", "RandomCrop"),
        *("RandomHeight", "RandomWidth", "SlicingOpLambda", "TFOpLambda"),
        "ThresholdedReLU",
    }
)
# Layers of both, which their names and configurations mean the same in.
LAYERS = (
    frozenset(name for group in permitted.LAYERS for name in group.classes)
    - _ONLY_KERAS_2
)

# Layers of Keras 3 alone that change pictures in training and nothing in inference.
AUGMENTING = frozenset(
    {
        *("RandomColorDegeneration", "RandomColorJitter", "RandomElasticTransform"),
        *("RandomErasing", "RandomGaussianBlur", "RandomGrayscale", "RandomHue"),
        *("RandomInvert", "RandomPerspective", "RandomPosterization"),
        *("RandomSaturation", "RandomSharpness", "RandomShear"),
    }
)

# Functions of a layer that become layers behind it.
STEPS = keras3_operations.ACTIVATIONS
# Of one input, and the same function in both.
ACTIVATIONS = permitted.ACTIVATIONS - STEPS.keys()

INITIALIZERS = frozenset(
    name for group in permitted.INITIALIZERS for name in group.classes
)
REGULARIZERS = frozenset(
    name for group in permitted.REGULARIZERS for name in group.classes
)
CONSTRAINTS = frozenset(
    name for group in permitted.CONSTRAINTS for name in group.classes
)
# Keys of a layer's configuration that end so -> the module and classes of its objects.
OBJECTS = {
    "initializer": ("keras.initializers", INITIALIZERS),
    "regularizer": ("keras.regularizers", REGULARIZERS),
    "constraint": ("keras.constraints", CONSTRAINTS),
}
# Of a configuration: what tf_keras calls it.
RENAMED = {
    ("LeakyReLU", "negative_slope"): "alpha",
    ("InputLayer", "batch_shape"): "batch_input_shape",
}
# Of a configuration: must be off, since tf_keras has nothing like it.
OFF = frozenset(
    {
        *("renorm", "lora_rank", "quantization_config", "rms_scaling", "synchronized"),
        *("optional", "antialias", "pad_to_aspect_ratio"),
    }
)
