"""Reads a Keras 2 network into a verified graph: the file that knows both worlds."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.ir import graph, verify
from tfpipeline.keras_networks import layer_traits
from tfpipeline.readers import (
    converter_order,
    fake_quantizers,
    fusion,
    integers,
    keras_calls,
    keras_files,
    keras_functions,
    keras_layers,
)
from tfpipeline.readers import draft as draft_lib


def read(
    model: keras.Model,
    *,
    name: str | None = None,
    stored_biases: bool = False,
    scaled_inputs: bool = False,
) -> graph.Graph:
    """Reads a functional or Sequential model as it runs in inference, for a batch of 1.

    Args:
        model: float32, or quantization-aware, by tfmot's 8-bit scheme or ours. Models
            in it are opened, layers without effect outside training left out, batch
            normalizations and activations joined with the layer before (`fusion`).
        name: of the graph; the model's own if `None`.
        stored_biases: give a float graph the biases that a `.tflite` file has, as
            `fusion.store_biases` says; an integer graph has them always. Otherwise
            biases are the network's own, which is what targets count.
        scaled_inputs: keep constants that scale or shift an input apart from the layer
            behind, for a target that gives the network's input a scale itself.

    Returns:
        A graph whose layers are named as the Keras layers, in the converter's order:
        float32, or int8 with int32 biases (`integers`). With the biases of the file
        it equals what `from_tflite` reads of the converted model, but for names and
        one-dimensional convolutions and pools, which the converter wraps in reshapes.

    Raises:
        GraphError: naming all layers that are not supported, or an input of which a
            size other than the batch is open.
    """
    program = keras_calls.flatten(model)
    ranges: dict[str, fake_quantizers.Ranges] = {}
    if fake_quantizers.are_in(model):
        program, ranges = fake_quantizers.unwrap(program, model)
    draft = draft_lib.Draft()
    written = _emit(program, draft, ranges)
    outputs = tuple(written[output] for output in program.outputs)
    kept = fusion.scaled_inputs(draft, program.inputs) if scaled_inputs else ()
    fusion.fuse(draft, outputs, kept=kept)
    draft.layers = converter_order.sort(
        draft.layers, draft.owners, program.calls, model
    )
    if stored_biases:
        fusion.store_biases(draft)
    if ranges:
        integers.quantize(draft, program.inputs)
    fusion.share(draft, outputs)
    return _graph(name or model.name, draft, program.inputs, outputs)


def read_file(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    scaled_inputs: bool = False,
) -> graph.Graph:
    """Reads the model in a `.keras` or `.h5` file or in a folder of a run.

    Args:
        path: a file of Keras 2, or a folder as `quantization.storage` writes it.
        name: of the graph; the model's own if `None`.
        scaled_inputs: as for `read`.

    Returns:
        As `read`.

    Raises:
        StorageError: the file is absent, damaged, or no Keras model.
        GraphError: as `read`.
    """
    file = pathlib.Path(path)
    model = keras_files.load(file)
    try:
        return read(model, name=name, scaled_inputs=scaled_inputs)
    except errors.GraphError as error:
        raise errors.GraphError(f"{file}: {error}") from error


def _graph(
    name: str, draft: draft_lib.Draft, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> graph.Graph:
    """The verified graph of what is left in `draft`."""
    shell = graph.Graph(name, {}, {}, tuple(draft.layers), inputs, outputs)
    used = tuple(graph.tensor_names(shell))
    constants = {
        tensor: draft.constants[tensor] for tensor in used if tensor in draft.constants
    }
    tensors = {tensor: draft.tensors[tensor] for tensor in used}
    return verify.require(
        dataclasses.replace(shell, tensors=tensors, constants=constants)
    )


def _emit(
    program: keras_calls.Program,
    draft: draft_lib.Draft,
    ranges: Mapping[str, fake_quantizers.Ranges],
) -> dict[str, str]:
    """Emits all calls; returns a call's result -> the tensor that it is."""
    written: dict[str, str] = {}
    faults: list[str] = []
    for call in program.calls:
        try:
            if call.name in program.inputs:
                written[call.name] = draft.tensor(call.name, _input_shape(call))
            else:
                first = len(draft.layers)
                results = _emit_call(call, written, draft)
                if call.name in ranges and len(results) == 1:
                    found = ranges[call.name]
                    rounded = fake_quantizers.annotate(
                        draft, call, first, found, results[0]
                    )
                    results = (rounded,)
                written |= zip(call.results, results, strict=True)
        except errors.GraphError as error:
            faults.append(str(error))
            # Goes on with what Keras knows, to find the other faults as well.
            for name, sizes in ((call.name, call.shape), *call.further):
                shape = tuple(size or 1 for size in sizes[1:])
                written[name] = draft.tensor(name, (1, *shape))
    if faults:
        raise errors.GraphError(errors.told("", faults))
    return written


def _input_shape(call: keras_calls.Call) -> tuple[int, ...]:
    dtype = tf.as_dtype(call.layer.dtype)
    if not dtype.is_floating:
        raise call.error(
            f"the input is {dtype.name}; give the network float32 pixels and scale "
            "them outside it, or by a Rescaling layer"
        )
    sizes = call.shape[1:]
    if None in sizes or not call.shape:
        raise call.error(
            f"the shape {call.shape} is not static; build the network with an input "
            "of fixed sizes (only the batch may be open)"
        )
    return (1, *(size for size in sizes if size is not None))


def _emit_call(
    call: keras_calls.Call, written: Mapping[str, str], draft: draft_lib.Draft
) -> tuple[str, ...]:
    if layer_traits.is_dense_of_rows(call.layer):
        call = dataclasses.replace(call, layer=call.layer.layer)
    reader = keras_layers.READERS.get(type(call.layer))
    if keras_functions.is_function(call.layer):
        reader = keras_functions.read
    if reader is None:
        raise call.error(f"not supported; {_advice(call)}")
    if call.keywords.get("training") is True:
        raise call.error("called with training=True; a graph only runs inference")
    inputs = tuple(written[source] for source in call.inputs)
    draft.call = call.name
    arguments, keywords = tf.nest.map_structure(
        lambda value: (
            dataclasses.replace(value, name=written[value.name])
            if isinstance(value, keras_calls.Reference)
            else value
        ),
        (call.arguments, call.keywords),
    )
    found = reader(
        dataclasses.replace(
            call, inputs=inputs, arguments=arguments, keywords=keywords
        ),
        draft,
    )
    results = (found,) if isinstance(found, str) else found
    if len(results) != len(call.results):
        raise call.error(
            f"it has {len(call.results)} results, of which {len(results)} are supported"
        )
    return results


# What to write in the place of some layers.
_ADVICE: dict[type, str] = {
    keras.layers.Bidirectional: "use the layer in it, forwards; ",
    keras.layers.ELU: "use LeakyReLU; ",
    keras.layers.Embedding: "give the network the vectors; ",
    keras.layers.LayerNormalization: "use BatchNormalization; ",
    keras.layers.TimeDistributed: "of a Dense it is; ",
}


def _advice(call: keras_calls.Call) -> str:
    if isinstance(call.layer, keras.layers.Lambda):
        return "write the function as Keras layers"
    advice = _ADVICE.get(type(call.layer), "")
    return f"{advice}docs/layers.md lists the layers that are"
