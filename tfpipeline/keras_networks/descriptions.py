"""Descriptions of Keras networks from files, checked before Keras reads them.

A description says which classes of which modules to import and which functions to call,
so that it can run anything. `checked` lets pass what `permitted` lists; `bounded_sizes`
stops Keras before it allocates more weights than any network here has.
"""

import contextlib
import copy
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.keras_networks import permitted, wiring

MAX_LAYERS = 4096
# 1 GiB of float32; VGG16 has 1.4e8.
MAX_WEIGHTS = 1 << 28

_ENTRY = {
    *("module", "class_name", "config", "registered_name", "build_config"),
    *("name", "inbound_nodes", "shared_object_id", "__passive_serialization__"),
}
# How tuples, shapes and arrays stand in a description, with the key of their content.
_VALUES = {"__tuple__": "items", "TensorShape": "items", "__ellipsis__": ""}
_ARRAYS = ("__numpy__", "__tensor__")

# Of a layer's configuration: (name of the layer, key, value).
_Rule = Callable[[str, str, Any], None]


def checked(
    description: Any, *, quantized: bool = False, custom: Collection[str] = ()
) -> dict[str, Any]:
    """A copy of a network's description that only names what it may.

    Args:
        description: JSON values, as Keras writes them to `.keras` and `.h5` files and
            `Model.to_json` does.
        quantized: whether layers of quantization-aware networks may be among its own.
        custom: classes and functions that the user lets it name besides; where it says
            that they are is left out, so that Keras takes those that it is given.

    Returns:
        The description without how to compile the network.

    Raises:
        GraphError: what it names is not permitted, or its layers cannot be called;
            names the layer.
        StorageError: it is no description of a network.
    """
    result = copy.deepcopy(description)
    try:
        # Of `Model.to_json`.
        for key in ("keras_version", "backend"):
            result.pop(key, None)
        _Check(quantized, custom).layer(result)
        if not _is_of(result, permitted.MODELS):
            raise TypeError("it is a single layer")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise errors.DamagedFileError(
            f"it does not describe a network: {errors.brief(error)}"
        ) from error
    return result


@contextlib.contextmanager
def bounded_sizes() -> Iterator[None]:
    """Refuses weights beyond `MAX_WEIGHTS`, before they are allocated.

    Raises:
        GraphError: the networks that are built within have more.
    """
    total = 0

    def create(next_creator: Callable[..., Any], **arguments: Any) -> Any:
        nonlocal total
        shape = tf.TensorShape(arguments.get("shape"))
        total += math.prod(shape) if shape.is_fully_defined() else 0
        if total > MAX_WEIGHTS:
            raise ValueError("too many weights")
        return next_creator(**arguments)

    try:
        with tf.variable_creator_scope(create):
            yield
    # Keras passes it on as an error of its own.
    except Exception as error:
        if total <= MAX_WEIGHTS:
            raise
        raise errors.GraphError(
            f"it describes over {MAX_WEIGHTS:,} weights, more than a microcontroller's "
            "network has"
        ) from error


class _Check:
    """Walks a description; every method raises for what is not permitted."""

    def __init__(self, quantized: bool, custom: Collection[str]) -> None:
        self._quantized = quantized
        self._custom = custom
        self._layers = 0

    def model(self, entry: dict[str, Any]) -> None:
        name = _named(entry)
        _require_class(name, entry, permitted.MODELS)
        entry.pop("compile_config", None)
        config = entry["config"]
        layers = config if isinstance(config, list) else config["layers"]
        self._layers += len(layers)
        if self._layers > MAX_LAYERS:
            raise errors.GraphError(f"it describes over {MAX_LAYERS:,} layers")
        for layer in layers:
            self.layer(layer)
        if isinstance(config, dict):
            for key, value in config.items():
                if key != "layers":
                    _require_plain(name, key, value)
        if entry["class_name"] != "Sequential":
            wiring.require(layers)
            _require_ends(config, {layer["name"] for layer in layers})

    def layer(self, entry: dict[str, Any]) -> None:
        if _is_of(entry, permitted.MODELS):
            self.model(entry)
        else:
            self.plain_layer(entry)
        name = _named(entry)
        for key in entry.keys() - _ENTRY:
            raise errors.GraphError(f"layer '{name}' has the unknown key {key!r}")
        _require_plain(name, "build_config", entry.get("build_config"))
        is_function = entry["class_name"] == "TFOpLambda"
        for node in entry.get("inbound_nodes", ()):
            _require_inputs(name, node, is_function)

    def plain_layer(self, entry: dict[str, Any]) -> None:
        name = _named(entry)
        if entry["class_name"] == "Lambda":
            raise errors.GraphError(
                f"layer '{name}' (Lambda): not supported; write the function as Keras "
                "layers"
            )
        if self._is_custom(entry):
            self.custom_object(name, entry)
            return
        names = permitted.LAYERS
        if self._quantized:
            names += permitted.QUANTIZED_LAYERS
        _require_class(name, entry, names)
        config = entry["config"]
        if entry["class_name"] in ("SlicingOpLambda", "TFOpLambda"):
            _require_in(name, "function", config["function"], permitted.FUNCTIONS)
        if config.get("unroll"):
            # One copy of the layer for each step in time.
            raise errors.GraphError(f"layer '{name}': unroll must be false")
        self.name_functions(config)
        for key, value in config.items():
            if key in permitted.INNER_LAYERS:
                self.layer(value)
            else:
                self.attribute(name, key, value)

    def attribute(self, name: str, key: str, value: Any) -> None:
        """One entry of a layer's configuration."""
        if value is None:
            return
        if self._is_custom(value):
            self.custom_object(name, value)
            return
        if key == "activation" or key.endswith("_activation"):
            self.activation(name, key, value)
            return
        rules: Mapping[str, _Rule] = {
            "dtype": _dtype,
            "quantize_config": self.quantize_config,
            "quantizer": self.quantizer,
            "initializer": _of(permitted.INITIALIZERS),
            "regularizer": _of(permitted.REGULARIZERS),
            "constraint": _of(permitted.CONSTRAINTS),
        }
        rule = rules.get(key) or rules.get(key.rpartition("_")[2], _require_plain)
        rule(name, key, value)

    def _is_custom(self, value: Any) -> bool:
        """Whether a text or an object is named after one of the user's."""
        if isinstance(value, str):
            return _bare(value) in self._custom
        if not isinstance(value, dict):
            return False
        kind = value.get("class_name")
        return isinstance(kind, str) and _bare(kind) in self._custom

    def name_functions(self, config: dict[str, Any]) -> None:
        """Leaves only the names of the user's functions in a configuration."""
        for key, value in config.items():
            if isinstance(value, dict) and value.get("class_name") == "function":
                named = value.get("config")
                if isinstance(named, str) and _bare(named) in self._custom:
                    config[key] = _bare(named)

    def custom_object(self, name: str, entry: Any) -> None:
        """Leaves only the user's name in an object, and checks what it is made with."""
        if isinstance(entry, str):
            return
        entry["class_name"] = _bare(entry["class_name"])
        if "module" in entry:
            entry["module"] = None
        if "registered_name" in entry:
            entry["registered_name"] = entry["class_name"]
        self.name_functions(entry.get("config") or {})
        for key, value in (entry.get("config") or {}).items():
            if isinstance(value, dict) and _is_of(
                {"class_name": None, **value}, permitted.LAYERS + permitted.MODELS
            ):
                self.layer(value)
            else:
                self.attribute(name, key, value)

    def activation(self, name: str, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            _require_in(name, key, value, permitted.ACTIVATIONS)
        elif value["class_name"] == "function":
            if value.get("module") not in permitted.ACTIVATION_MODULES:
                raise _refused(name, key, value.get("module"))
            for part in ("config", "registered_name"):
                if value.get(part) not in (None, "function"):
                    _require_in(name, key, value[part], permitted.ACTIVATIONS)
        elif self._quantized and _is_of(value, permitted.QUANTIZED_ACTIVATIONS):
            _require_class(name, value, permitted.QUANTIZED_ACTIVATIONS)
            for inner_key, inner in value["config"].items():
                self.attribute(name, inner_key, inner)
        else:
            _require_class(name, value, permitted.ACTIVATION_LAYERS)
            self.layer(value)

    def quantize_config(self, name: str, key: str, value: Any) -> None:
        if not self._quantized:
            raise _refused(name, key, value.get("class_name"))
        _require_class(name, value, permitted.QUANTIZE_CONFIGS)
        for inner_key, inner in value["config"].items():
            _require_plain(name, inner_key, inner)
            if inner_key.endswith("_attrs"):
                for each in inner:
                    _require_in(name, inner_key, each, permitted.QUANTIZED_ATTRIBUTES)

    def quantizer(self, name: str, key: str, value: Any) -> None:
        if not self._quantized:
            raise _refused(name, key, value.get("class_name"))
        _of(permitted.QUANTIZERS)(name, key, value)


def _bare(name: str) -> str:
    """The name of a class without the package that it is registered for."""
    return name.rpartition(">")[2]


def _require_inputs(name: str, node: Any, is_function: bool) -> None:
    """Checks what a layer is called with.

    A number may stand for an input of a function such as `1 - x`, which reads a tensor
    besides: Keras calls a function of numbers alone while it reads the description.
    """
    if isinstance(node, dict):
        node = list(node.values())
    if not wiring.is_reference(node):
        for inner in node:
            _require_inputs(name, inner, is_function)
        return
    keywords = node[3] if len(node) == 4 else {}
    _require_plain(name, "arguments", keywords)
    if node[0] == wiring.CONSTANT:
        is_number = isinstance(node[2], int | float)
        if not (is_function and is_number and any(wiring.arguments(keywords))):
            raise errors.GraphError(
                f"layer '{name}' is called with a constant, which a file may not do"
            )


def _require_ends(config: Mapping[str, Any], names: Collection[str]) -> None:
    """Checks that the layers that a network begins and ends with are described."""
    for side in ("input", "output"):
        ends = list(wiring.references(config.get(f"{side}_layers", [])))
        if not ends:
            raise errors.GraphError(f"network '{config.get('name')}' has no {side}")
        for name, _ in ends:
            if name not in names:
                raise errors.GraphError(
                    f"the {side} of network '{config.get('name')}' is layer '{name}', "
                    "which is not described"
                )


def _require_plain(name: str, key: str, value: Any) -> None:
    """Checks a value that is no object: numbers, texts, lists, arrays of numbers."""
    if isinstance(value, list):
        for each in value:
            _require_plain(name, key, each)
    if not isinstance(value, dict):
        return
    kind = value.get("class_name")
    if "class_name" not in value:
        for each in value.values():
            _require_plain(name, key, each)
    elif kind in _ARRAYS:
        _require_in(name, key, value["config"]["dtype"], permitted.DTYPES)
        _require_numbers(name, key, value["config"]["value"])
    elif kind in _VALUES and value.keys() <= {"class_name", "config", _VALUES[kind]}:
        for part in value.keys() - {"class_name"}:
            _require_plain(name, key, value[part])
    else:
        raise _refused(name, key, kind)


def _require_numbers(name: str, key: str, value: Any) -> None:
    for each in value if isinstance(value, list) else ():
        _require_numbers(name, key, each)
    if not isinstance(value, list | int | float):
        raise _refused(name, key, value)


def _of(names: tuple[permitted.Names, ...]) -> _Rule:
    texts = permitted.spellings(names)

    def require(name: str, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            _require_in(name, key, value, texts)
            return
        _require_class(name, value, names)
        for inner_key, inner in (value.get("config") or {}).items():
            _require_plain(name, inner_key, inner)

    return require


def _dtype(name: str, key: str, value: Any) -> None:
    if isinstance(value, dict):
        _require_class(name, value, permitted.POLICIES)
        value = value["config"]["name"]
    _require_in(name, key, value, permitted.DTYPES)


def _is_of(entry: Any, names: tuple[permitted.Names, ...]) -> bool:
    return any(entry["class_name"] in group.classes for group in names)


def _require_class(
    name: str, entry: dict[str, Any], names: tuple[permitted.Names, ...]
) -> None:
    """Checks class, module and registered name; entries of `.h5` say the first only."""
    kind = entry["class_name"]
    groups = [group for group in names if kind in group.classes]
    if not groups:
        raise _refused(name, "class", kind)
    if "module" in entry and not any(entry["module"] in x.modules for x in groups):
        raise _refused(name, "module", entry["module"])
    registered = entry.get("registered_name")
    if not any(registered in group.registered for group in groups):
        raise _refused(name, "registered_name", registered)
    if not isinstance(entry["config"], dict | list | None):
        raise TypeError(f"the configuration of '{name}' is no dictionary")


def _require_in(name: str, key: str, value: Any, valid: frozenset[str]) -> None:
    if not isinstance(value, str) or value not in valid:
        raise _refused(name, key, value)


def _refused(name: str, key: str, value: Any) -> errors.GraphError:
    return errors.GraphError(
        f"layer '{name}': the {key} {errors.brief(value)} is none that a file may name"
    )


def _named(entry: Any) -> str:
    """The name of a layer, for a message."""
    if not isinstance(entry, dict):
        raise TypeError(f"a layer must be a dictionary; found {type(entry).__name__}")
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(entry.get("name") or inner or entry["class_name"])
