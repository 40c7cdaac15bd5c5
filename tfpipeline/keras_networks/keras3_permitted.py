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

# Of `permitted.LAYERS`: whose configuration means another thing, draws at random, or
# that Keras 3 has not.
_ONLY_KERAS_2 = frozenset(
    {
        *("BatchNormalizationV1", "BatchNormalizationV2", "RandomBrightness"),
        *(
            "RandomContrast",
            "RandomCrop",
            "RandomFlip",
            "RandomHeight",
            "RandomRotation",
        ),
        *("RandomTranslation", "RandomWidth", "RandomZoom", "ThresholdedReLU"),
        *("SlicingOpLambda", "TFOpLambda"),
    }
)
# Layers of both, which their names and configurations mean the same in.
LAYERS = (
    frozenset(name for group in permitted.LAYERS for name in group.classes)
    - _ONLY_KERAS_2
)

# Of one input, and the same function in both. `hard_sigmoid` is another one in each.
ACTIVATIONS = permitted.ACTIVATIONS - {"hard_sigmoid"}
ADVICE = {
    "hard_sigmoid": "write it as relu6(x + 3) / 6",
    "hard_silu": "write it as x * relu6(x + 3) / 6",
    "hard_swish": "write it as x * relu6(x + 3) / 6",
}

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
