"""Operations between the layers of a Keras 3 network, as tf_keras has them.

A layer where there is one of the same function, since quantization takes layers; else a
function of TensorFlow, which Keras 2 wraps into a layer by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline.compat import keras, tf

# Name of the operation, its inputs, keyword arguments of its configuration -> result.
Operation = Callable[..., Any]

L = keras.layers
_NUMPY, _NN = "keras.src.ops.numpy", "keras.src.ops.nn"
_SPATIAL = (1, 2)


def _function(function: Operation) -> Operation:
    return lambda name, *inputs: function(*inputs)


def _joined(layer: Operation, function: Operation) -> Operation:
    """A layer of two tensors of one shape; the function of others and of numbers."""

    def call(name: str, one: Any, other: Any) -> Any:
        shapes = [getattr(each, "shape", None) for each in (one, other)]
        if shapes[0] is not None and str(shapes[0]) == str(shapes[1]):
            return layer(name=name)([one, other])
        return function(one, other)

    return call


def _activation(name_of: str) -> Operation:
    def call(name: str, x: Any) -> Any:
        return keras.layers.Activation(name_of, name=name)(x)

    return call


def _reduced(function: Operation, pool: Operation | None = None) -> Operation:
    def call(name: str, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = axis if isinstance(axis, Sequence) else [axis]
        if pool is not None and x.shape.rank == 4 and tuple(axes) == _SPATIAL:
            return pool(keepdims=bool(keepdims), name=name)(x)
        return function(x, axis=axis, keepdims=bool(keepdims))

    return call


def _reshape(name: str, x: Any, newshape: Sequence[int | None]) -> Any:
    batch, *sizes = (-1 if size is None else size for size in newshape)
    if batch == -1 and -1 not in sizes:
        return keras.layers.Reshape(sizes, name=name)(x)
    return tf.reshape(x, [batch, *sizes])


def _concatenate(name: str, xs: Sequence[Any], axis: int = 0) -> Any:
    return keras.layers.Concatenate(axis=axis, name=name)(list(xs))


def _leaky_relu(name: str, x: Any, negative_slope: float = 0.2) -> Any:
    return keras.layers.LeakyReLU(alpha=negative_slope, name=name)(x)


def _softmax(name: str, x: Any, axis: int = -1) -> Any:
    return keras.layers.Softmax(axis=axis, name=name)(x)


def _clip(name: str, x: Any, x_min: Any, x_max: Any) -> Any:
    del name
    return tf.clip_by_value(x, x_min, x_max)


def _gelu(name: str, x: Any, approximate: bool = True) -> Any:
    del name
    return tf.nn.gelu(x, approximate=approximate)


def hard_sigmoid(name: str, x: Any) -> Any:
    """`relu6(x + 3) / 6`, as Keras 3 has it; Keras 2 has another one of that name."""
    moved = L.Rescaling(1.0, offset=3.0, name=f"{name}/offset")(x)
    bounded = L.ReLU(6.0, name=f"{name}/bound")(moved)
    return L.Rescaling(1.0 / 6.0, name=name)(bounded)


def hard_silu(name: str, x: Any) -> Any:
    """`x * hard_sigmoid(x)`."""
    return L.Multiply(name=name)([x, hard_sigmoid(f"{name}/gate", x)])


def _getitem(name: str, x: Any, key: Any) -> Any:
    del name
    return x[tuple(key) if isinstance(key, list) else key]


# Module and class in Keras 3 -> the operation.
TABLE: dict[tuple[str, str], Operation] = {
    (_NUMPY, "Absolute"): _function(tf.math.abs),
    (_NUMPY, "Add"): _joined(L.Add, tf.math.add),
    (_NUMPY, "Clip"): _clip,
    (_NUMPY, "Concatenate"): _concatenate,
    (_NUMPY, "Divide"): _function(tf.math.divide),
    (_NUMPY, "Exp"): _function(tf.math.exp),
    (_NUMPY, "ExpandDims"): lambda name, x, axis: tf.expand_dims(x, axis),
    (_NUMPY, "GetItem"): _getitem,
    (_NUMPY, "Log"): _function(tf.math.log),
    (_NUMPY, "Max"): _reduced(tf.math.reduce_max, L.GlobalMaxPooling2D),
    (_NUMPY, "Maximum"): _joined(L.Maximum, tf.math.maximum),
    (_NUMPY, "Mean"): _reduced(tf.math.reduce_mean, L.GlobalAveragePooling2D),
    (_NUMPY, "Min"): _reduced(tf.math.reduce_min),
    (_NUMPY, "Minimum"): _joined(L.Minimum, tf.math.minimum),
    (_NUMPY, "Multiply"): _joined(L.Multiply, tf.math.multiply),
    (_NUMPY, "Negative"): _function(tf.math.negative),
    (_NUMPY, "Power"): _function(tf.math.pow),
    (_NUMPY, "Reshape"): _reshape,
    (_NUMPY, "Sqrt"): _function(tf.math.sqrt),
    (_NUMPY, "Square"): _function(tf.math.square),
    (_NUMPY, "Squeeze"): lambda name, x, axis=None: tf.squeeze(x, axis=axis),
    (_NUMPY, "Stack"): lambda name, xs, axis=0: tf.stack(list(xs), axis=axis),
    (_NUMPY, "Subtract"): _joined(L.Subtract, tf.math.subtract),
    (_NUMPY, "Sum"): _reduced(tf.math.reduce_sum),
    (_NUMPY, "Tanh"): _activation("tanh"),
    (_NUMPY, "Transpose"): lambda name, x, axes=None: tf.transpose(x, perm=axes),
    (_NUMPY, "TrueDivide"): _function(tf.math.truediv),
    (_NN, "Elu"): lambda name, x, alpha=1.0: L.ELU(alpha, name=name)(x),
    (_NN, "Gelu"): _gelu,
    (_NN, "HardSigmoid"): hard_sigmoid,
    (_NN, "HardSilu"): hard_silu,
    (_NN, "LeakyRelu"): _leaky_relu,
    (_NN, "Relu"): lambda name, x: L.ReLU(name=name)(x),
    (_NN, "Relu6"): lambda name, x: L.ReLU(6.0, name=name)(x),
    (_NN, "Sigmoid"): _activation("sigmoid"),
    (_NN, "Silu"): _activation("silu"),
    (_NN, "Softmax"): _softmax,
    (_NN, "Softplus"): _activation("softplus"),
    (_NN, "Tanh"): _activation("tanh"),
}

# Functions of a layer that tf_keras has not, or another one of that name -> its steps.
ACTIVATIONS: dict[str, Operation] = {
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
}
