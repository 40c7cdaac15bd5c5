"""A network cut between all its operators, so that each is compared on its own."""

import flatbuffers

# The mutable classes of the schema, which the package `tflite` does not have.
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tfpipeline.targets.tflm import flatbuffer


def detach(model: bytes) -> tuple[bytes, tuple[int, ...], tuple[int, ...]]:
    """Rewrites a network so that no operator reads another one's result.

    Each tensor that passes from one operator to the next becomes an input of the
    network, and each operator's result an output. Run on the tensors that another
    interpreter recorded, the rewritten network compares every operator on its own: a
    difference of one operator cannot be amplified or hidden by those after it.

    Returns:
        The rewritten `.tflite`, and which tensors of `model` its inputs and its outputs
        are, in their order.
    """
    program = flatbuffer.read(model)
    rewritten = schema.ModelT.InitFromPackedBuf(model)
    subgraph = rewritten.subgraphs[0]
    produced = [i for operator in program.operators for i in operator.outputs]
    consumed = {i for operator in program.operators for i in operator.inputs}
    forced = tuple(i for i in produced if i in consumed)
    copy_of = {}
    for index in forced:
        source = subgraph.tensors[index]
        copy = schema.TensorT()
        vars(copy).update(vars(source))
        copy.name = (source.name or b"") + b"/forced"
        copy_of[index] = len(subgraph.tensors)
        subgraph.tensors.append(copy)
    for operator in subgraph.operators:
        operator.inputs = [copy_of.get(int(i), int(i)) for i in operator.inputs]
    subgraph.inputs = [*program.inputs, *copy_of.values()]
    subgraph.outputs = produced
    # Signatures name the inputs and outputs that were just replaced.
    rewritten.signatureDefs = None
    builder = flatbuffers.Builder(len(model) + 1024)
    builder.Finish(rewritten.Pack(builder), flatbuffer.FILE_IDENTIFIER)
    return bytes(builder.Output()), (*program.inputs, *forced), tuple(produced)
