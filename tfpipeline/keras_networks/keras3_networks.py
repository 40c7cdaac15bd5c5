"""Networks of Keras 3, built again in tf_keras from their descriptions.

`require` lets pass what `keras3_permitted` lists; `built` builds what passed. Nothing
of Keras 3 is imported here.
"""

import inspect
import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import descriptions, permitted
from tfpipeline.keras_networks import keras3_permitted as known

Names = tuple[str, ...]
_ENTRY = {
    *("module", "class_name", "config", "registered_name", "build_config", "name"),
    *("inbound_nodes", "shared_object_id", "compile_config"),
}
# How tensors, slices and tuples stand among the arguments of a call.
_TENSOR, _SLICE = "__keras_tensor__", "__slice__"
_ARRAY = "__numpy__"
_VALUES = frozenset({_TENSOR, _SLICE, _ARRAY, "__tuple__", "__ellipsis__"})
_POLICY = ("keras", "DTypePolicy")
# Keywords of every layer.
_BASE = frozenset({"name", "trainable", "dtype", "batch_input_shape"})
_WRAPPED = permitted.INNER_LAYERS


def require(description: Any, custom: Collection[str] = ()) -> dict[str, Any]:
    """Checks that a description names only what it may, wherever it does.

    Args:
        description: JSON values, as Keras 3 writes them.
        custom: classes and functions that the user lets it name besides; where it says
            that they are is left out.

    Returns:
        A copy without how to compile the network.

    Raises:
        GraphError: what it names is not permitted; names the layer.
        DamagedFileError: it is no description of a network.
    """
    try:
        result = _checked(description, "network", custom)
        if not isinstance(result, dict) or not _is_model(result):
            raise TypeError("it is a single layer")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _damaged(error) from error
    return result


def built(description: Mapping[str, Any]) -> tuple[keras.Model, dict[Names, Any]]:
    """The network in tf_keras, with fresh weights.

    Args:
        description: as from `require`.

    Returns:
        The model, and its layers by their names behind those of the models they lie in.

    Raises:
        GraphError: naming the layer that tf_keras has nothing like, and what to do; or
            it has more weights than any network here.
        DamagedFileError: it is no description of a network.
    """
    building = _Building()
    try:
        with descriptions.bounded_sizes():
            model = building.model(description, ())
    except errors.PipelineError:
        raise
    except Exception as error:
        raise _damaged(error) from error
    return model, building.layers


def _damaged(error: Exception) -> errors.DamagedFileError:
    return errors.DamagedFileError(
        f"it does not describe a network: {errors.brief(error)}"
    )


def _is_model(entry: Mapping[str, Any]) -> bool:
    kind = entry.get("class_name")
    return kind == known.SEQUENTIAL or (
        kind in known.FUNCTIONAL and "layers" in entry["config"]
    )


def _checked(value: Any, name: str, custom: Collection[str]) -> Any:
    """A copy of a value in which every object is permitted."""
    if isinstance(value, list):
        return [_checked(each, name, custom) for each in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value and value["class_name"] not in _VALUES:
        config = value.get("config")
        inner = config.get("name") if isinstance(config, dict) else None
        name = str(value.get("name") or inner or name)
        own = _own(value, custom)
        if own is None:
            _require_object(value, name)
        value = {key: each for key, each in value.items() if key != "compile_config"}
        value |= own or {}
    elif "module" in value:
        raise errors.GraphError(f"layer '{name}' names a module without a class")
    return {key: _checked(each, name, custom) for key, each in value.items()}


def _own(entry: Mapping[str, Any], custom: Collection[str]) -> dict[str, Any] | None:
    """What an object of the user's is to say of where it is; None for another one."""
    where = "config" if entry["class_name"] == "function" else "class_name"
    kind = entry.get(where)
    bare = kind.rpartition(">")[2] if isinstance(kind, str) else None
    if bare is None or bare not in custom:
        return None
    module = "builtins" if where == "config" else None
    return {where: bare, "module": module, "registered_name": bare}


def _require_object(entry: Mapping[str, Any], name: str) -> None:
    kind, module = entry["class_name"], entry.get("module")
    if kind == "Lambda":
        raise errors.GraphError(
            f"layer '{name}' (Lambda): not supported; write the function as Keras "
            "layers"
        )
    unknown = entry.keys() - _ENTRY
    if unknown:
        raise errors.GraphError(f"layer '{name}' has the unknown key {min(unknown)!r}")
    is_model = kind == known.SEQUENTIAL or kind in known.FUNCTIONAL
    # Entries of `.h5` say no module.
    if is_model and module in (None, *known.MODEL_MODULES):
        return
    if kind in (known.LAYERS | known.AUGMENTING) and module in (
        None,
        *known.LAYER_MODULES,
    ):
        return
    if (module, kind) in known.OPERATIONS or (module, kind) == _POLICY:
        return
    if any(
        module == where and kind in kinds for where, kinds in known.OBJECTS.values()
    ):
        return
    raise errors.GraphError(
        f"layer '{name}': {errors.brief(kind)} of {errors.brief(module)} cannot be "
        "carried over from Keras 3 to tf_keras, whose layers quantization takes: write "
        "it with other layers"
    )


class _Building:
    """The layers built so far."""

    def __init__(self) -> None:
        self.layers: dict[Names, Any] = {}

    def model(self, entry: Mapping[str, Any], prefix: Names) -> keras.Model:
        config = entry["config"]
        if entry["class_name"] == known.SEQUENTIAL:
            return self._sequential(config, prefix)
        return self._functional(config, prefix)

    def _sequential(self, config: Mapping[str, Any], prefix: Names) -> keras.Model:
        entries = list(config["layers"])
        name, shape = config["name"], config.get("build_input_shape")
        if not entries or entries[0]["class_name"] != "InputLayer":
            if shape is None and not prefix:
                raise errors.GraphError(
                    f"the Sequential network '{name}' has no input shape: "
                    "begin it with keras.Input(shape), and save it again"
                )
            first = [] if shape is None else [keras.Input(tuple(shape[1:]))]
        else:
            first = [self._layer(entries.pop(0), prefix).output]
        callees = [self._callee(each, prefix) for each in entries]
        if all(isinstance(each, keras.layers.Layer) for each in callees):
            return keras.Sequential([*first, *callees], name=name)
        if not first:
            raise errors.GraphError(
                f"the Sequential network '{name}' inside has no input shape: begin it "
                "with keras.Input(shape), and save it again"
            )
        x = first[0]
        for callee in callees:
            x = callee(x)
        return keras.Model(first, x, name=name)

    def _functional(self, config: Mapping[str, Any], prefix: Names) -> keras.Model:
        tensors: dict[tuple[str, int, int], Any] = {}
        waiting = []
        entries = list(config["layers"])
        for entry in entries:
            name = entry["name"]
            callee = self._callee(entry, prefix)
            if entry["class_name"] == "InputLayer":
                tensors[name, 0, 0] = callee.output
            waiting += [
                (name, number, callee, node)
                for number, node in enumerate(entry["inbound_nodes"])
            ]
        while waiting:
            left = [each for each in waiting if not _call(tensors, *each)]
            if len(left) == len(waiting):
                stuck = errors.listed([name for name, *_ in left])
                raise errors.GraphError(
                    f"{stuck}: these layers wait for each other, or for a call that is "
                    "not described"
                )
            waiting = left
        ends = [
            [tensors[key] for key in _references(config[side])]
            for side in ("input_layers", "output_layers")
        ]
        return keras.Model(*ends, name=config["name"])

    def _callee(self, entry: Mapping[str, Any], prefix: Names) -> Any:
        """What is called with tensors: a layer, or a function of TensorFlow."""
        operation = known.OPERATIONS.get(
            (str(entry.get("module")), entry["class_name"])
        )
        if operation is None:
            return self._with_steps(entry, prefix)
        name, config = entry["name"], {**entry["config"]}
        del config["name"]
        return lambda *inputs, **more: operation(name, *inputs, **config, **more)

    def _with_steps(self, entry: Mapping[str, Any], prefix: Names) -> Any:
        """A layer; with the steps of its function behind it where it has such a one."""
        function = entry["config"].get("activation")
        steps = known.STEPS.get(function) if isinstance(function, str) else None
        if steps is None:
            return self._layer(entry, prefix)
        name = entry["config"]["name"]
        if entry["class_name"] == "Activation":
            return lambda x: steps(name, x)
        config = {**entry["config"], "activation": "linear"}
        layer = self._layer({**entry, "config": config}, prefix)
        calls = itertools.count()

        def call(*inputs: Any, **more: Any) -> Any:
            # A layer may be called twice, and so are layers of other names then.
            number = next(calls)
            part = f"{name}/{function}{number or ''}"
            return steps(part, layer(*inputs, **more))

        return call

    def _layer(self, entry: Mapping[str, Any], prefix: Names) -> Any:
        name = entry["config"]["name"]
        if _is_model(entry):
            return self.model(entry, (*prefix, name))
        if len(self.layers) >= descriptions.MAX_LAYERS:
            raise errors.GraphError(
                f"it describes over {descriptions.MAX_LAYERS:,} layers"
            )
        layer = _layer(entry)
        self.layers[*prefix, name] = layer
        return layer


def _call(
    tensors: dict[tuple[str, int, int], Any],
    name: str,
    number: int,
    callee: Any,
    node: Mapping[str, Any],
) -> bool:
    """Makes a call if all that it reads is there; says whether it was made."""
    try:
        arguments = _values(node["args"], tensors)
        keywords = {
            key: _values(value, tensors)
            for key, value in node["kwargs"].items()
            if value is not None
        }
    except _AbsentError:
        return False
    # A network of Keras 3 tells its layers itself whether it trains.
    for keyword in ("mask", "training"):
        keywords.pop(keyword, None)
    results = tf.nest.flatten(callee(*arguments, **keywords))
    for place, tensor in enumerate(results):
        tensors[name, number, place] = tensor
    return True


class _AbsentError(Exception):
    """A tensor is not there yet."""


def _values(value: Any, tensors: Mapping[tuple[str, int, int], Any]) -> Any:
    """An argument of a call, tensors in the place of their descriptions."""
    if isinstance(value, list):
        return [_values(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    match value["class_name"]:
        case "__keras_tensor__":
            name, number, place = value["config"]["keras_history"]
            if (name, number, place) not in tensors:
                raise _AbsentError
            return tensors[name, number, place]
        case "__slice__":
            parts = value["config"]
            return slice(parts["start"], parts["stop"], parts["step"])
        case "__numpy__":
            return np.asarray(value["config"]["value"], np.float32)
        case "__tuple__":
            return tuple(_values(value["config"]["value"], tensors))
        case "__ellipsis__":
            return ...
    raise TypeError(f"a call has the argument {errors.brief(value)}")


def _references(ends: Any) -> list[tuple[str, int, int]]:
    """The tensors that a model begins or ends with, in order."""
    if isinstance(ends, dict):
        return [key for each in ends.values() for key in _references(each)]
    if len(ends) == 3 and isinstance(ends[0], str):
        return [tuple(ends)]
    return [key for each in ends for key in _references(each)]


def _layer(entry: Mapping[str, Any]) -> Any:
    if entry["class_name"] in known.AUGMENTING:
        return keras.layers.Identity(name=entry["config"]["name"])
    kind = getattr(keras.layers, entry["class_name"])
    parameters = inspect.signature(kind.__init__).parameters
    config = {}
    for key, value in entry["config"].items():
        name = known.RENAMED.get((entry["class_name"], key), key)
        if key in known.OFF and value:
            raise _error(entry, f"{key}={errors.brief(value)}", "leave it out")
        if name in parameters or name in _BASE:
            config[name] = _attribute(entry, key, value)
    # Keras 3 has seeds as objects.
    if isinstance(config.get("seed"), dict):
        config["seed"] = None
    return kind.from_config(config)


def _attribute(entry: Mapping[str, Any], key: str, value: Any) -> Any:
    """The value in tf_keras of one of a layer's attributes."""
    if value is None:
        return None
    if key == "dtype":
        return value["config"]["name"] if isinstance(value, dict) else value
    if key == "activation" or key.endswith("_activation"):
        return _activation(entry, value)
    if key in _WRAPPED:
        return {"class_name": value["class_name"], "config": _layer(value).get_config()}
    objects = known.OBJECTS.get(key.rpartition("_")[2])
    if objects is not None and isinstance(value, dict):
        return _object(key.rpartition("_")[2], value)
    return value


def _activation(entry: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, dict) and value["class_name"] in known.LAYERS:
        return _layer(value)
    if value in known.ACTIVATIONS:
        return value
    what = f"the activation {errors.brief(value)}"
    raise _error(entry, what, "write it as layers")


def _object(kind: str, value: Mapping[str, Any]) -> Any:
    """An initializer, regularizer or constraint; the default where it takes others."""
    module = {
        "initializer": keras.initializers,
        "regularizer": keras.regularizers,
        "constraint": keras.constraints,
    }[kind]
    made = getattr(module, value["class_name"])
    parameters = inspect.signature(made.__init__).parameters
    config = {
        key: None if isinstance(each, dict) else each
        for key, each in (value.get("config") or {}).items()
        if key in parameters
    }
    return {"class_name": value["class_name"], "config": config}


def _error(entry: Mapping[str, Any], what: str, advice: str) -> errors.GraphError:
    return errors.GraphError(
        f"layer '{entry['config'].get('name')}' ({entry['class_name']}) has {what}, "
        f"which tf_keras, whose layers quantization takes, has not: {advice}"
    )
