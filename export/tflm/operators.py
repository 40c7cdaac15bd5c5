"""How TensorFlow Lite Micro registers each operator, and what its kernel keeps.

Registrations: tensorflow/lite/micro/micro_mutable_op_resolver.h, at revision
90b983c2b3f1. Each `AddXxx` registers the kernel of the library that is linked, be it
the reference or one for CMSIS-NN.
"""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Kernel:
    """An operator in TensorFlow Lite Micro.

    Attributes:
        method: of MicroMutableOpResolver, without arguments.
        options: the structure that the parser makes of the operator's options
            (tensorflow/lite/core/api/flatbuffer_conversions.cc); "" for none.
        data: the structure that the kernel's Init asks for; "" for none.
    """

    method: str
    options: str = ""
    data: str = ""


# Operators of integer networks, as `ir.tflite_operators` reads them, that TensorFlow
# Lite Micro has; RELU_0_TO_1 and RELU_N1_TO_1 it has not.
KERNELS = {
    "ABS": Kernel("AddAbs", data="OpDataAbsRsqrt"),
    "ADD": Kernel("AddAdd", "TfLiteAddParams", "OpDataAdd"),
    "ARG_MAX": Kernel("AddArgMax", "TfLiteArgMaxParams"),
    "ARG_MIN": Kernel("AddArgMin", "TfLiteArgMinParams"),
    "AVERAGE_POOL_2D": Kernel("AddAveragePool2D", "TfLitePoolParams", "OpDataPooling"),
    "CONCATENATION": Kernel(
        "AddConcatenation", "TfLiteConcatenationParams", "OpDataConcatenation"
    ),
    "CONV_2D": Kernel("AddConv2D", "TfLiteConvParams", "OpDataConv"),
    "DEPTHWISE_CONV_2D": Kernel(
        "AddDepthwiseConv2D", "TfLiteDepthwiseConvParams", "OpDataConv"
    ),
    "DEQUANTIZE": Kernel("AddDequantize", data="DequantizeOpData"),
    "EXPAND_DIMS": Kernel("AddExpandDims"),
    "FULLY_CONNECTED": Kernel(
        "AddFullyConnected", "TfLiteFullyConnectedParams", "OpDataFullyConnected"
    ),
    "HARD_SWISH": Kernel("AddHardSwish", data="HardSwishParams"),
    "LEAKY_RELU": Kernel("AddLeakyRelu", "TfLiteLeakyReluParams", "LeakyReluOpData"),
    "LOGISTIC": Kernel("AddLogistic", data="OpDataLogistic"),
    "MAXIMUM": Kernel("AddMaximum"),
    "MAX_POOL_2D": Kernel("AddMaxPool2D", "TfLitePoolParams", "OpDataPooling"),
    "MEAN": Kernel("AddMean", "TfLiteReducerParams", "OpDataReduce"),
    "MINIMUM": Kernel("AddMinimum"),
    "MIRROR_PAD": Kernel(
        "AddMirrorPad", "TfLiteMirrorPaddingParams", "OpDataMirrorPad"
    ),
    "MUL": Kernel("AddMul", "TfLiteMulParams", "OpDataMul"),
    "PACK": Kernel("AddPack", "TfLitePackParams"),
    "PAD": Kernel("AddPad", data="OpDataPad"),
    "PADV2": Kernel("AddPadV2", data="OpDataPad"),
    "PRELU": Kernel("AddPrelu", data="PreluParams"),
    "QUANTIZE": Kernel("AddQuantize", data="OpDataQuantizeReference"),
    "REDUCE_MAX": Kernel("AddReduceMax", "TfLiteReducerParams", "OpDataReduce"),
    "REDUCE_MIN": Kernel("AddReduceMin", "TfLiteReducerParams", "OpDataReduce"),
    "RELU": Kernel("AddRelu", data="ReluOpData"),
    "RELU6": Kernel("AddRelu6", data="Relu6OpData"),
    "RESHAPE": Kernel("AddReshape", "TfLiteReshapeParams"),
    "RESIZE_BILINEAR": Kernel("AddResizeBilinear", "TfLiteResizeBilinearParams"),
    "RESIZE_NEAREST_NEIGHBOR": Kernel(
        "AddResizeNearestNeighbor", "TfLiteResizeNearestNeighborParams"
    ),
    "SLICE": Kernel("AddSlice"),
    "SOFTMAX": Kernel("AddSoftmax", "TfLiteSoftmaxParams", "SoftmaxParams"),
    "SPACE_TO_DEPTH": Kernel("AddSpaceToDepth", "TfLiteSpaceToDepthParams"),
    "SPLIT": Kernel("AddSplit", "TfLiteSplitParams"),
    "SPLIT_V": Kernel("AddSplitV", "TfLiteSplitVParams"),
    "SQUEEZE": Kernel("AddSqueeze", "TfLiteSqueezeParams"),
    "STRIDED_SLICE": Kernel(
        "AddStridedSlice", "TfLiteStridedSliceParams", "StridedSliceParams"
    ),
    "SUB": Kernel("AddSub", "TfLiteSubParams", "OpDataSub"),
    "SVDF": Kernel("AddSvdf", "TfLiteSVDFParams", "OpDataSvdf"),
    "TANH": Kernel("AddTanh", data="OpDataTanh"),
    "TRANSPOSE": Kernel("AddTranspose"),
    "TRANSPOSE_CONV": Kernel(
        "AddTransposeConv", "TfLiteTransposeConvParams", "OpDataTransposeConv"
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Kernel(
        "AddUnidirectionalSequenceLSTM",
        "TfLiteUnidirectionalSequenceLSTMParams",
        "OpDataLSTM",
    ),
    "UNPACK": Kernel("AddUnpack", "TfLiteUnpackParams"),
}


def methods(names: Iterable[str]) -> tuple[str, ...]:
    """The calls that register `names`, each once, in alphabetical order."""
    return tuple(sorted({KERNELS[name].method for name in names}))
