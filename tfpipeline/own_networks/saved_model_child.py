"""The child process of `saved_model`: checks a SavedModel, then converts it.

`main(FOLDER, FILE)` writes a float `.tflite`. What is refused is one line on standard
error, with the exit code `saved_model.REFUSED`.
"""

import pathlib
import resource
import sys
from collections.abc import Iterator
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.own_networks import saved_model
from tfpipeline.untrusted import content

# Operations with an effect or a state that a network may have: those of its variables,
# and calls of what is checked as well.
_STATEFUL = frozenset(
    {
        *("AssignVariableOp", "DisableCopyOnRead", "If", "NoOp", "PartitionedCall"),
        *("Placeholder", "ReadVariableOp", "StatefulPartitionedCall", "StatelessIf"),
        *("StatelessWhile", "VarHandleOp", "VarIsInitializedOp", "While"),
    }
)
# Of reading a checkpoint, and of writing one; each only in a function for it, as Keras
# and TensorFlow write it. That for writing is never called here.
_RESTORING = frozenset({"RestoreV2"})
_SAVING = frozenset(
    {
        *("MergeV2Checkpoints", "SaveV2", "ShardedFilename", "StaticRegexFullMatch"),
        "StringJoin",
    }
)
_RESTORE, _SAVE = "_traced_restore_", "_traced_save_"
# Python, without saying that they have an effect.
_PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
_MAX_CPU_SECONDS = 900


def main(folder: pathlib.Path, path: pathlib.Path) -> None:
    """Converts the SavedModel in `folder` to `path`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_SECONDS, _MAX_CPU_SECONDS))
    require_tensors_only(content.read(folder / "saved_model.pb"))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    path.write_bytes(converter.convert())


def require_tensors_only(data: bytes) -> None:
    """Checks that a SavedModel computes tensors of tensors, and does nothing else.

    Args:
        data: of `saved_model.pb`.

    Raises:
        GraphError: naming operations that touch files, tables, texts or Python; or it
            is of TensorFlow 1.
    """
    stored = _proto(data)
    if len(stored.meta_graphs) != 1:
        raise errors.GraphError(
            f"it has {len(stored.meta_graphs)} graphs; one, for serving, is read"
        )
    [graph] = stored.meta_graphs
    if not graph.object_graph_def.nodes:
        raise errors.GraphError(
            "it is a SavedModel of TensorFlow 1; save the network with TensorFlow 2"
        )
    refused = sorted(
        {op for function, op in _operations(graph) if not _is_permitted(function, op)}
    )
    if refused:
        raise errors.GraphError(
            "it holds operations that touch more than tensors, which a file may not: "
            f"{errors.listed(refused)}; save the network alone, without them"
        )
    _require_saving_uncalled(graph)


def _proto(data: bytes) -> Any:
    # No public module has the class.
    from tensorflow.core.protobuf import saved_model_pb2

    stored = saved_model_pb2.SavedModel()
    try:
        stored.ParseFromString(data)
    # Protobuf's own.
    except Exception as error:
        raise errors.DamagedFileError(
            f"saved_model.pb is no SavedModel, or damaged: {errors.brief(error)}"
        ) from error
    return stored


def _operations(graph: Any) -> Iterator[tuple[str, str]]:
    """Function, "" for none, and name of every operation."""
    for node in graph.graph_def.node:
        yield "", node.op
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            yield function.signature.name, node.op


def _is_permitted(function: str, op: str) -> bool:
    if op in _STATEFUL:
        return True
    if _RESTORE in function and op in _RESTORING:
        return True
    if _SAVE in function and op in _SAVING:
        return True
    definition = _definition(op)
    return (
        definition is not None
        and not definition.is_stateful
        and op not in _PYTHON | _SAVING | _RESTORING
        and not _has_text(definition)
    )


def _definition(op: str) -> Any:
    # No public function has it.
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op)


def _has_text(definition: Any) -> bool:
    """Whether an operation takes or gives texts whatever its attributes say."""
    text = tf.string.as_datatype_enum
    ends = (*definition.input_arg, *definition.output_arg)
    return any(end.type == text for end in ends)


def _require_saving_uncalled(graph: Any) -> None:
    """Checks that nothing but the nodes for saving refers to functions that write."""
    called = {
        value.func.name
        for function in graph.graph_def.library.function
        for node in function.node_def
        for value in node.attr.values()
    }
    objects = graph.object_graph_def
    for node in objects.nodes:
        for saveable in node.saveable_objects.values():
            if 0 < saveable.restore_function < len(objects.nodes):
                target = objects.nodes[saveable.restore_function]
                called |= set(target.function.concrete_functions)
                called.add(target.bare_concrete_function.concrete_function_name)
    if any(_SAVE in name for name in called):
        raise errors.GraphError("a function of it writes files when it is loaded")


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    except errors.PipelineError as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(saved_model.REFUSED)
