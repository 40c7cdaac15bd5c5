"""The LSTM of Keras: as TFLite's converter makes one operator of it.

The converter recognizes what Keras would give to cuDNN (`_could_use_gpu_kernel` of
tf_keras/src/layers/rnn/lstm.py); anything else becomes a loop or many small operators.
"""

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls

Draft = draft_lib.Draft
Call = keras_calls.Call

# The bound of the cell in what the converter writes, Keras has none:
# `ConvertKerasLSTMLayer` of tensorflow/compiler/mlir/lite/utils/lstm_utils.cc.
CELL_CLIP = 10.0

# Attribute -> the value that it must have.
_REQUIRED = {
    "use_bias": True,
    "recurrent_dropout": 0.0,
    "unroll": False,
    "time_major": False,
    "go_backwards": False,
    "return_state": False,
    "stateful": False,
}
_ADVICE = {
    "return_state": "TensorFlow Lite Micro keeps the state to itself",
    "stateful": (
        "TensorFlow Lite Micro goes on from its state by itself, until it is reset"
    ),
    "go_backwards": "give it x[:, ::-1] instead; REVERSE_V2 is not supported",
}
_MANY = "the converter makes no LSTM operator of others"


def lstm(call: Call, draft: Draft) -> str:
    """Kernels `[channels, 4 * units]`; then, of all rows, the last one alone.

    Raises:
        GraphError: TensorFlow Lite Micro has no such LSTM.
    """
    layer = call.layer
    _require(call)
    (source,) = call.inputs
    batch, rows, _ = draft.shape(source)
    units, cell = layer.units, layer.cell
    constants: dict[str, tuple[str, ...]] = {}
    for field, name, values in (
        ("input_weights", "kernel", cell.kernel),
        ("recurrent_weights", "recurrent_kernel", cell.recurrent_kernel),
        ("biases", "bias", cell.bias),
    ):
        # Input, forget, cell and output gate, in Keras as in the graph.
        gates = np.split(values.numpy(), 4, axis=-1)
        constants[field] = tuple(
            draft.constant(f"{call.name}/{name}{i}", gate.T)
            for i, gate in enumerate(gates)
        )
    states = tuple(
        draft.tensor(f"{call.name}/{name}", (batch, units))
        for name in ("hidden", "cell")
    )
    all_rows = draft.add(
        graph.Lstm,
        call.name if layer.return_sequences else f"{call.name}/rows",
        (source,),
        (batch, rows, units),
        states=states,
        cell_clip=CELL_CLIP,
        **constants,
    )
    if layer.return_sequences:
        return all_rows
    return draft.add(
        graph.StridedSlice,
        call.name,
        (all_rows,),
        (batch, units),
        begin=(0, rows - 1, 0),
        size=(batch, 1, units),
        steps=(1, 1, 1),
    )


def _require(call: Call) -> None:
    layer = call.layer
    faults = [
        f"{name}={getattr(layer, name)} must be {value}: {_ADVICE.get(name, _MANY)}"
        for name, value in _REQUIRED.items()
        if getattr(layer, name) != value
    ]
    faults += [
        f"{name} must be {value}, the one that TensorFlow Lite Micro has; found "
        f"{getattr(getattr(layer, name), '__name__', getattr(layer, name))}"
        for name, value in (("activation", "tanh"), ("recurrent_activation", "sigmoid"))
        if getattr(layer, name) is not keras.activations.get(value)
    ]
    if len(call.inputs) != 1:
        faults.append("it must begin with a state of zeros; found an initial_state")
    if faults:
        raise call.error(faults[0])
