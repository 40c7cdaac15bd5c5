"""Networks of one's own as Keras models, from whatever form they have."""

from collections.abc import Sequence

from tfpipeline.compat import keras
from tfpipeline.models import forms, options
from tfpipeline.own_networks import functions
from tfpipeline.readers import custom_objects as objects
from tfpipeline.readers import keras_files


def load(
    form: forms.Form,
    model_options: Sequence[str] = (),
    *,
    custom_objects: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
) -> tuple[keras.Model, tuple[str, ...]]:
    """The model of a file or a function.

    Args:
        form: of a Keras file or a function.
        model_options: `--model_options`, for a function.
        custom_objects: `--custom_objects`, for a file.
        input_shape: that a function may ask for.
        num_classes: likewise.

    Returns:
        The model, and what must be known of it, one line each.

    Raises:
        UsageError: as `functions.made`.
        StorageError: the file cannot be read.
        GraphError: it holds what is not supported.
    """
    form.require_options(model_options, custom_objects)
    if form.kind is forms.Kind.FUNCTION or form.path is None:
        model = functions.made(
            form,
            options.parsed(model_options),
            input_shape=input_shape,
            num_classes=num_classes,
        )
        return model, ()
    if custom_objects is None:
        return keras_files.read(form.path)
    path = forms.module_file(custom_objects)
    return keras_files.read(form.path, objects.find(custom_objects, path))
