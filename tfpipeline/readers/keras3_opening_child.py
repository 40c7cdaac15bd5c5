"""The child process of `keras3_files` for networks with classes of the user's own.

`main(FOLDER, PYTHON, NAMES...)` reads the one model there with what the user's Python
defines, and leaves `opened.keras`: the same network, in which layers, activations and
initializers of the user's own are written as layers and operations of Keras. It runs
without our choice of Keras 2, and imports nothing of ours.
"""

import importlib
import importlib.util
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

_TRIALS = 16
# Largest difference, as a part of the largest output: float32 in another order.
_TOLERANCE = 1e-4


def main(folder: pathlib.Path, python: str, names: Sequence[str]) -> None:
    """Opens the model in `folder`, which was checked before.

    Args:
        folder: holds `model.keras` or `model.h5`, and gets the result.
        python: `file.py` or `package.module` of the user's.
        names: what it defines.
    """
    module = _imported(python)
    objects = {name: getattr(module, name) for name in names}
    [path] = folder.glob("model.*")
    model = keras.saving.load_model(
        path, custom_objects=objects, compile=False, safe_mode=True
    )
    result = opened(model, list(objects.values()))
    random = np.random.default_rng(0)
    inputs = [
        random.uniform(-1, 1, (_TRIALS, *(n or 32 for n in x.shape[1:])))
        for x in model.inputs
    ]
    pairs = zip(_outputs(result, inputs), _outputs(model, inputs), strict=True)
    for one, other in pairs:
        # Not `>`: what is not finite is no proof either.
        if not np.abs(one - other).max() <= _TOLERANCE * np.abs(other).max():
            raise ValueError(
                "classes of --custom_objects, written as layers of Keras, compute "
                "something else: their call must be made of layers and keras.ops"
            )
    result.save(folder / "opened.keras")


def opened(model: Any, objects: Sequence[Any]) -> Any:
    """A functional model in which nothing is of `objects`."""
    kinds: Any = tuple(each for each in objects if isinstance(each, type))
    functions = tuple(each for each in objects if not isinstance(each, type))

    def called(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Model) and not isinstance(layer, kinds):
            return run(layer, arguments[0])
        for name, value in list(vars(layer).items()):
            # Initializers and the like, which only matter before there are weights.
            if isinstance(value, kinds) and not isinstance(value, keras.Layer):
                has_none = "regularizer" in name or "constraint" in name
                setattr(layer, name, None if has_none else keras.initializers.Zeros())
        if isinstance(layer, kinds):
            parent: Any = next(x for x in type(layer).__mro__ if x not in kinds)
            if parent is not keras.Layer and layer.__class__.call is parent.call:
                # What it computes is its parent's, which it becomes.
                layer.__class__ = parent
        if isinstance(layer, kinds):
            for inner in layer._flatten_layers(include_self=False):
                inner.name = f"{layer.name}_{inner.name}"
            for name, value in list(vars(layer).items()):
                if isinstance(value, keras.Variable):
                    # Not by setattr, which Keras follows.
                    vars(layer)[name] = np.asarray(value)
            return layer.call(*arguments, **keywords)
        if getattr(layer, "activation", None) in functions:
            function, layer.activation = layer.activation, keras.activations.linear
            layer.own_function = function
        result = layer(*arguments, **keywords)
        function = vars(layer).get("own_function")
        return result if function is None else function(result)

    def run(inner: Any, inputs: Any) -> Any:
        if isinstance(inner, keras.Sequential):
            inner = keras.Model(inner.inputs, inner.outputs)
            inputs = [inputs] if not isinstance(inputs, list) else inputs
        return inner._run_through_graph(
            inputs, operation_fn=lambda layer: layer, call_fn=called
        )

    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name),
        model.input,
    )
    return keras.Model(inputs, run(model, inputs), name=model.name)


def _outputs(model: Any, inputs: Sequence[Any]) -> list[Any]:
    found = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    found = found if isinstance(found, list | tuple) else [found]
    return [np.asarray(each, np.float64) for each in found]


def _imported(python: str) -> Any:
    if not python.endswith(".py"):
        return importlib.import_module(python)
    spec = importlib.util.spec_from_file_location("custom_objects", python)
    if spec is None or spec.loader is None:
        raise ImportError(f"{python} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
