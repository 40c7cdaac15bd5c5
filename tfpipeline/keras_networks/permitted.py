"""What a description of a Keras network in a file may name, by class and module.

Keras imports modules and calls functions that a description names. Only what stands
here passes `descriptions`: it builds layers, and neither reads files nor runs code that
the description brings along. Left out on purpose are Lambda and TFSMLayer (code), the
lookups, TextVectorization and Hashing (files, tables), DenseFeatures (columns), and the
layers that wrap methods of other classes.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Names:
    """Classes, and how a description may say where they are.

    Attributes:
        classes: their names.
        modules: where a description that names modules may say they are.
        registered: what it may say that they are registered as; "" for their own name.
    """

    classes: frozenset[str]
    modules: frozenset[str]
    registered: frozenset[str | None] = frozenset({None})


# The names that tf_keras 2.12 to 2.21 write; of later classes only the first.
_KERAS_LAYERS = frozenset({"keras.layers", "tf_keras.layers"})
_PREPROCESSING = frozenset({"keras.layers.experimental.preprocessing"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _in_tf_keras(module: str) -> frozenset[str]:
    return frozenset(f"{start}.{module}" for start in ("tf_keras.src", "keras.src"))


def _own_name(classes: str, modules: frozenset[str]) -> tuple[Names, ...]:
    """Classes that are registered by their own names."""
    return tuple(
        Names(frozenset({name}), modules, frozenset({None, name}))
        for name in classes.split()
    )


MODELS = (
    *_own_name(
        "Functional Model",
        _in_tf_keras("engine.functional") | {"keras.engine.functional", "keras"},
    ),
    Names(frozenset({"Sequential"}), frozenset({"keras", "keras.models"})),
)

LAYERS = (
    Names(
        _words(
            """
            Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D
            AveragePooling2D AveragePooling3D BatchNormalization BatchNormalizationV1
            BatchNormalizationV2 CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
            Conv2DTranspose Conv3D Conv3DTranspose Cropping1D Cropping2D Cropping3D
            Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU Embedding Flatten GRU
            GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
            GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
            GlobalMaxPooling3D GroupNormalization Identity InputLayer LSTM
            LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D
            Maximum Minimum Multiply Normalization PReLU Permute RandomBrightness
            RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation
            RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape
            Resizing SeparableConv1D SeparableConv2D SimpleRNN Softmax SpatialDropout1D
            SpatialDropout2D SpatialDropout3D Subtract ThresholdedReLU UnitNormalization
            UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
            ZeroPadding3D
            """
        ),
        _KERAS_LAYERS | _PREPROCESSING,
    ),
    Names(frozenset({"Bidirectional", "TimeDistributed"}), _KERAS_LAYERS),
    *_own_name(
        "SlicingOpLambda TFOpLambda",
        _in_tf_keras("layers.core.tf_op_layer")
        | {"keras.layers.core.tf_op_layer", "keras.layers"},
    ),
)

# Keys of a layer's configuration that hold another layer.
INNER_LAYERS = frozenset({"layer", "backward_layer"})

# Functions of TensorFlow that compute tensors of tensors, by Keras' names for them. A
# description calls them in a SlicingOpLambda or a TFOpLambda.
FUNCTIONS = _words(
    """
    __operators__.add __operators__.getitem cast clip_by_value compat.v1.pad
    compat.v1.transpose concat expand_dims identity image.resize linalg.matmul
    math.abs math.add math.argmax math.argmin math.divide math.exp math.l2_normalize
    math.log math.maximum math.minimum math.multiply math.negative math.pow
    math.reduce_max math.reduce_mean math.reduce_min math.reduce_sum math.rsqrt
    math.sigmoid math.softplus math.sqrt math.square math.subtract math.tanh
    math.truediv nn.avg_pool2d nn.bias_add nn.depth_to_space nn.elu nn.gelu
    nn.leaky_relu nn.max_pool2d nn.relu nn.relu6 nn.silu nn.softmax nn.space_to_depth
    pad reshape reverse slice split squeeze stack strided_slice transpose unstack
    """
)

DTYPES = _words(
    """
    bfloat16 bool float16 float32 float64 int16 int32 int64 int8 mixed_bfloat16
    mixed_float16 uint16 uint32 uint64 uint8
    """
)
POLICIES = (
    Names(frozenset({"Policy"}), frozenset({"keras.mixed_precision"})),
    Names(frozenset({"Policy"}), _in_tf_keras("mixed_precision.policy")),
)

INITIALIZERS = (
    Names(
        _words(
            """
            Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal
            LecunUniform Ones Orthogonal RandomNormal RandomUniform TruncatedNormal
            VarianceScaling Zeros
            """
        ),
        frozenset({"keras.initializers"}),
    ),
)
REGULARIZERS = (
    Names(
        frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
        frozenset({"keras.regularizers"}),
    ),
)
CONSTRAINTS = (
    Names(
        frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "RadialConstraint", "UnitNorm"}),
        frozenset({"keras.constraints"}),
    ),
)

ACTIVATIONS = _words(
    """
    elu exponential gelu hard_sigmoid leaky_relu linear mish relu relu6 selu sigmoid
    silu softmax softplus softsign swish tanh
    """
)
ACTIVATION_LAYERS = (
    Names(
        frozenset({"ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"}),
        _KERAS_LAYERS,
    ),
)
# Of an activation function in a dictionary.
ACTIVATION_MODULES = frozenset({"builtins", "keras.activations"})

# Of the quantization-aware networks that tfmot and the int8 scheme write to `.h5`.
_TFMOT = "tensorflow_model_optimization.python.core.quantization.keras"
QUANTIZED_LAYERS = (
    *_own_name("QuantizeLayer", frozenset({f"{_TFMOT}.quantize_layer"})),
    *_own_name(
        "QuantizeWrapper QuantizeWrapperV2", frozenset({f"{_TFMOT}.quantize_wrapper"})
    ),
)
QUANTIZED_ACTIVATIONS = _own_name(
    "NoOpActivation QuantizeAwareActivation",
    frozenset({f"{_TFMOT}.quantize_aware_activation"}),
)
# These and the quantizers say no modules.
QUANTIZE_CONFIGS = (
    Names(
        _words(
            """
            Default8BitActivationQuantizeConfig Default8BitConvQuantizeConfig
            Default8BitConvTransposeQuantizeConfig Default8BitOutputQuantizeConfig
            Default8BitQuantizeConfig KernelConfig LayerConfig NoOpQuantizeConfig
            OutputOnlyConfig
            """
        ),
        frozenset(),
    ),
)
QUANTIZERS = (
    Names(
        _words(
            """
            AllValuesQuantizer ChannelQuantizer Default8BitConvTransposeWeightsQuantizer
            Default8BitConvWeightsQuantizer FixedQuantizer LastValueQuantizer
            MovingAverageQuantizer
            """
        ),
        frozenset(),
    ),
)
# Of a layer, that a quantize_config may exchange.
QUANTIZED_ATTRIBUTES = _words(
    """
    activation depthwise_kernel embeddings kernel pointwise_kernel
    """
)


def spellings(names: tuple[Names, ...]) -> frozenset[str]:
    """The texts that may stand for classes: `L1L2`, `l1_l2`, `l1l2`."""
    result = set()
    for name in (each for group in names for each in group.classes):
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        result |= {name, snake, name.lower()}
    return frozenset(result)
