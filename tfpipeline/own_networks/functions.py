"""Networks that a Python function makes, which the command line names."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import forms
from tfpipeline.readers import custom_objects
from tfpipeline.untrusted import code

_SHAPE, _CLASSES = "input_shape", "num_classes"


def made(
    form: forms.Form,
    options: Mapping[str, Any],
    *,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """The network that a function returns.

    It is called with `input_shape` and `num_classes`, as far as it takes parameters of
    these names and the values are known here, and with `options`.

    Args:
        form: of a function.
        options: more keyword arguments.
        input_shape: of one input, the channels last.
        num_classes: how many outputs there are to be.

    Raises:
        UsageError: the function is not there, takes something else, raises, or returns
            no tf_keras.Model.
    """
    function = _function(form)
    arguments = _arguments(
        form, function, options, {_SHAPE: input_shape, _CLASSES: num_classes}
    )
    try:
        with code.contained():
            model = function(**arguments)
    except errors.PipelineError:
        raise
    except Exception as error:
        raise errors.UsageError(
            f"--model={form.title} raised {errors.brief(error)} (called with "
            f"{_told(arguments)})"
        ) from error
    if isinstance(model, keras.Model):
        return model
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    advice = ""
    if kind.startswith("keras."):
        advice = (
            ", which is of Keras 3: write `from tensorflow import keras` or `import "
            "tf_keras as keras`, or save it as .keras and give that file"
        )
    raise errors.UsageError(
        f"--model={form.title} must return a tf_keras.Model; found {kind}{advice}"
    )


def _function(form: forms.Form) -> Callable[..., Any]:
    try:
        with code.contained():
            module = (
                importlib.import_module(form.module) if form.module else _file(form)
            )
    except Exception as error:
        raise errors.UsageError(
            f"--model={form.title}: importing it raised {errors.brief(error)}"
        ) from error
    function = getattr(module, form.function, None)
    if not callable(function):
        names = [name for name, _ in inspect.getmembers(module, inspect.isfunction)]
        raise errors.UsageError(
            f"--model={form.title}: there is no function '{form.function}'; functions "
            f"there are {errors.listed(names) or 'none'}"
        )
    result: Callable[..., Any] = function
    return result


def _file(form: forms.Form) -> Any:
    stem = form.path.stem if form.path else ""
    return custom_objects.imported(f"tfpipeline_model_{stem}", form.path)


def _arguments(
    form: forms.Form,
    function: Callable[..., Any],
    options: Mapping[str, Any],
    known: Mapping[str, Any],
) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    takes_any = any(x.kind is x.VAR_KEYWORD for x in parameters.values())
    arguments = {
        name: value
        for name, value in known.items()
        if value is not None and (takes_any or name in parameters)
    }
    arguments |= options
    unknown = [] if takes_any else [x for x in arguments if x not in parameters]
    if unknown:
        raise errors.UsageError(
            f"--model={form.title} takes no {errors.listed(unknown)}; its parameters "
            f"are {errors.listed(parameters) or 'none'}"
        )
    missing = [
        name
        for name, each in parameters.items()
        if each.default is each.empty
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and name not in arguments
    ]
    if missing:
        raise errors.UsageError(
            f"--model={form.title} is called with {_told(arguments)} and needs "
            f"{errors.listed(missing)} too: give --model_options={missing[0]}=..., or "
            "the parameters defaults"
        )
    return arguments


def _told(arguments: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return errors.one_line(told, 120) or "no arguments"
