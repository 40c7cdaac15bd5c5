"""Whatever holds a network, as a graph: a name, a file, or the folder of a run."""

import dataclasses
import pathlib
from collections.abc import Sequence

from tfpipeline import errors, number_formats, run_folder
from tfpipeline.gap_quantization import network as gap_quantization
from tfpipeline.ir import from_tflite, graph, serialize
from tfpipeline.models import forms
from tfpipeline.networks import catalog

FORMS = forms.words()


@dataclasses.dataclass(frozen=True)
class Source:
    """A network and what is known of it beside the graph.

    Attributes:
        graph: the network.
        weight_bits: width that its study gave the weights; `None` where unknown.
        activation_bits: width that its study gave the activations, else 8.
        file_bytes: size of the `.tflite` it was read from.
        notes: what must be known of figures of the graph, one line each.
    """

    graph: graph.Graph
    weight_bits: int | None = None
    activation_bits: int = 8
    file_bytes: int | None = None
    notes: tuple[str, ...] = ()


def require_no_saved_model(path: pathlib.Path) -> None:
    """Refuses a folder that TensorFlow wrote as a SavedModel.

    Raises:
        UsageError: it is one; says what to make of it.
    """
    if path.is_dir() and (path / forms.SAVED_MODEL).exists():
        raise errors.UsageError(
            f"'{path}' is a SavedModel of TensorFlow, which is not read here: give its "
            "network as .keras or .h5, or convert it to an int8 .tflite by "
            "tf.lite.TFLiteConverter.from_saved_model with a representative data set"
        )


def names() -> tuple[str, ...]:
    """The networks that need no file."""
    return catalog.names()


def load(
    model: str,
    *,
    partly: bool = False,
    scaled_inputs: bool = False,
    model_options: Sequence[str] = (),
    custom_objects: str | None = None,
) -> Source:
    """Reads the network that `model` names.

    Imports TensorFlow for Keras files, functions and SavedModels only.

    Args:
        model: one of `FORMS`.
        partly: whether operators of a `.tflite` that are not supported may be left out,
            and are told in `notes`: for figures, not for what is run or written.
        scaled_inputs: of a Keras file or function, as for `from_keras.read`.
        model_options: of a function, as `models.options` reads them.
        custom_objects: of a Keras file, as `own_networks.custom_objects` reads them.

    Raises:
        UsageError: neither a network's name nor a path that exists, or a file of
            another kind.
        StorageError: the file cannot be read.
        GraphError: the file is damaged or holds what is not supported.
    """
    form = forms.find(model)
    form.require_options(model_options, custom_objects)
    match form.kind:
        case forms.Kind.NAME:
            return Source(
                catalog.load(model),
                weight_bits=catalog.WEIGHT_BITS.get(model),
                activation_bits=catalog.ACTIVATION_BITS.get(model, 8),
            )
        case forms.Kind.KERAS_FILE | forms.Kind.FUNCTION:
            return _keras(form, model_options, custom_objects, scaled_inputs)
        case forms.Kind.SAVED_MODEL:
            return _saved_model(form, partly)
    path = pathlib.Path(model)
    quantized = gap_quantization.find(path)
    if quantized is not None:
        return of_quantized(quantized)
    return _file(_in_folder(path) if path.is_dir() else path, partly)


def of_quantized(quantized: gap_quantization.Quantized) -> Source:
    """The network that gap_quantization wrote, in real numbers."""
    return Source(
        quantized.graph, activation_bits=quantized.num_bits, notes=quantized.notes
    )


def _file(path: pathlib.Path, partly: bool) -> Source:
    """The network in a file that needs no TensorFlow."""
    if path.suffix.lower() == ".json":
        return Source(serialize.read(path))
    if partly:
        return _partly(path)
    return Source(from_tflite.read_file(path), file_bytes=path.stat().st_size)


def _saved_model(form: forms.Form, partly: bool) -> Source:
    from tfpipeline.own_networks import saved_model

    with saved_model.converted(pathlib.Path(form.text), form.name) as path:
        source = _file(path, partly)
    # Of a file that is not the user's, and is gone.
    note = "a SavedModel, converted by TensorFlow to a float .tflite: inference only"
    return dataclasses.replace(source, file_bytes=None, notes=(note, *source.notes))


def _keras(
    form: forms.Form,
    model_options: Sequence[str],
    custom_objects: str | None,
    scaled_inputs: bool,
) -> Source:
    # Three seconds of imports that nobody else should wait for.
    from tfpipeline.own_networks import loading
    from tfpipeline.readers import from_keras

    model, notes = loading.load(form, model_options, custom_objects=custom_objects)
    # A file's name as it stands, which every command has told by now.
    name = form.name if form.function else pathlib.Path(form.text).stem
    try:
        g = from_keras.read(model, name=name, scaled_inputs=scaled_inputs)
    except errors.GraphError as error:
        raise errors.GraphError(f"{form.text}: {error}") from error
    return Source(g, notes=notes)


def _partly(path: pathlib.Path) -> Source:
    found = from_tflite.read_file_partly(path)
    notes = []
    if found.missing:
        names = ", ".join(f"{count} {name}" for name, count in found.missing.items())
        notes.append(
            f"operators missing from the figures, because they are not supported: "
            f"{errors.one_line(names, 200)}; counted are their activations, not their "
            "work, weights and scratch memory"
        )
    if found.subgraphs > 1:
        notes.append(
            f"the first of {found.subgraphs} subgraphs is counted, which is the one "
            "that TensorFlow Lite Micro runs"
        )
    return Source(found.graph, file_bytes=path.stat().st_size, notes=tuple(notes))


def with_weights(
    model: str,
    *,
    scaled_inputs: bool = False,
    model_options: Sequence[str] = (),
    custom_objects: str | None = None,
) -> Source:
    """As `load`, for a network that is not only a name.

    Raises:
        UsageError: it is one.
    """
    if model in catalog.names():
        raise errors.UsageError(
            f"'{model}' is a network without weights; give the folder of a run, or a "
            "file"
        )
    return load(
        model,
        scaled_inputs=scaled_inputs,
        model_options=model_options,
        custom_objects=custom_objects,
    )


def _in_folder(folder: pathlib.Path) -> pathlib.Path:
    require_no_saved_model(folder)
    run = run_folder.RunFolder(folder)
    candidates = (
        folder / serialize.FILE_NAME,
        run.graph / serialize.FILE_NAME,
        run.export_file("int8"),
        run.export_file(number_formats.FLOAT),
    )
    for path in candidates:
        if path.exists():
            return path
    listed = ", ".join(str(path.relative_to(folder)) for path in candidates)
    raise errors.UsageError(f"'{folder}' holds no network: none of {listed} is there")
