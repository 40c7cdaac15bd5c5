"""`quant.json`: how the layers that gap_quantization wrote are connected.

The tool's files say nothing of it. The description names them in the order in which
they run, or a network that is wired alike:

    {"format": "gap_quantization", "folder": "quantized_model", "input": [1, 128, 128],
     "layers": [{"conv": "conv1.0"},
                {"conv": "features.0.0", "stride": 2, "relu": true},
                {"max_pool": 3, "stride": 2, "name": "pool"}, ...]}
    {"format": "gap_quantization", "folder": "quantized_model",
     "network": "reid_squeezenet", "files": {"conv0": "conv1.0"}}

It holds data only: nothing of it is executed.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.untrusted import damage

FORMAT = "gap_quantization"
FILE_NAME = "quant.json"
_KIND = "a description of gap_quantization's layers"
_KEYS = {"format", "folder", "bits", "input", "input_frac_bits"}
_BY_LAYERS, _BY_NETWORK = {"layers"}, {"network", "files"}
_OPERATIONS = {
    "conv": {"stride", "padding", "dilation", "groups", "relu"},
    "max_pool": {"stride", "padding", "relu"},
    "avg_pool": {"stride", "relu"},
    "concat": set[str](),
    "add": {"relu"},
    # The last: it is also what others have.
    "relu": set[str](),
}
# Of a plane, of a window: what no network of the chip exceeds.
_MAX_SIZE = 1 << 16
_MAX_LAYERS = 10_000

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """One line of `layers`.

    Attributes:
        kind: "conv", "max_pool", "avg_pool", "relu", "concat" or "add".
        name: of it, by which others read it.
        file: of its integers, without `.json`; of a convolution, or as `name`.
        inputs: names of what it reads.
        kernel_size: rows and columns of a pool; None for the whole plane.
        strides, padding, dilation: of a window.
        groups: of a convolution.
        relu: whether negative results become 0.
    """

    kind: str
    name: str
    file: str
    inputs: tuple[str, ...]
    kernel_size: Pair | None = None
    strides: Pair = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1
    relu: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What a quant.json says.

    Attributes:
        folder: of the layers' files.
        bits: 8 or 16; None where the integers tell.
        input_q: fraction bits of the input; None where its readers tell.
        input_shape: channels, rows, columns; None with a network.
        layers: how they are connected; empty with a network.
        network: a name, or the path of a graph.json or .tflite; "" with layers.
        files: the file of a layer of the network, by name.
    """

    folder: pathlib.Path
    bits: int | None = None
    input_q: int | None = None
    input_shape: tuple[int, int, int] | None = None
    layers: tuple[Operation, ...] = ()
    network: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)


def is_one(value: Any) -> bool:
    """Whether the value of a JSON file says that it is a description."""
    return isinstance(value, Mapping) and value.get("format") == FORMAT


def of_value(value: Any, path: pathlib.Path) -> Description:
    """The description that a file holds.

    Args:
        value: of its JSON.
        path: of the file, which paths in it are relative to.

    Raises:
        DamagedFileError: it is none; says what is wrong where.
    """
    with damage.reported(str(path), _KIND):
        if not is_one(value):
            raise ValueError(f"it lacks the format {FORMAT}")
        is_by_layers = "layers" in value
        if is_by_layers == ("network" in value):
            raise ValueError("it must have either 'layers' or 'network'")
        _known(value, _KEYS | (_BY_LAYERS if is_by_layers else _BY_NETWORK), "it")
        found = Description(
            folder=path.parent / _text(value.get("folder", "."), "folder"),
            bits=_optional(value, "bits", 8, 16),
            input_q=_optional(value, "input_frac_bits", -64, 64),
        )
        if found.bits not in (None, 8, 16):
            raise ValueError(f"bits must be 8 or 16; found {found.bits}")
        if is_by_layers:
            return _by_layers(found, value)
        return _by_network(found, value, path)


def _by_layers(found: Description, value: Mapping[str, Any]) -> Description:
    shape = value.get("input")
    if not isinstance(shape, list) or len(shape) != 3:
        raise ValueError("input must be [channels, rows, columns]")
    channels, rows, columns = (_whole(each, "input", 1) for each in shape)
    lines = value["layers"]
    if not isinstance(lines, list) or not 0 < len(lines) <= _MAX_LAYERS:
        raise ValueError("layers must be a list of layers")
    operations: list[Operation] = []
    for number, line in enumerate(lines):
        last = operations[-1].name if operations else "input"
        operations.append(_operation(line, f"layer {number + 1}", last))
    names = ["input", *(each.name for each in operations)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two layers are called {errors.brief(twice[0])}")
    for number, each in enumerate(operations):
        for name in each.inputs:
            if name not in names[: number + 1]:
                raise ValueError(
                    f"{errors.brief(each.name)} reads {errors.brief(name)}, which is "
                    "not in front of it"
                )
    return dataclasses.replace(
        found, input_shape=(channels, rows, columns), layers=tuple(operations)
    )


def _by_network(
    found: Description, value: Mapping[str, Any], path: pathlib.Path
) -> Description:
    network = _text(value["network"], "network")
    files = value.get("files", {})
    if not isinstance(files, Mapping):
        raise ValueError("files must be an object of names")
    if pathlib.Path(network).suffix:
        network = str(path.parent / network)
    return dataclasses.replace(
        found,
        network=network,
        files={name: _text(file, "files") for name, file in files.items()},
    )


def _operation(line: Any, where: str, last: str) -> Operation:
    if not isinstance(line, Mapping):
        raise ValueError(f"{where} is no object")
    kinds = [kind for kind in _OPERATIONS if kind in line]
    if len(kinds) != 1 and not (len(kinds) == 2 and "relu" in kinds):
        raise ValueError(f"{where} must have one of {', '.join(_OPERATIONS)}")
    kind = kinds[0]
    _known(line, {kind, "name", "inputs"} | _OPERATIONS[kind], where)
    default_name = f"{kind}_{where.removeprefix('layer ')}"
    name = _text(line.get("name", line.get("conv", default_name)), where)
    relu = line.get("relu", False) if kind != "relu" else True
    if not isinstance(relu, bool):
        raise ValueError(f"relu of {where} must be true or false")
    kernel_size = None
    if kind in ("max_pool", "avg_pool") and line[kind] not in ("all", None):
        kernel_size = _pair(line[kind], f"{kind} of {where}", 1)
    inputs: Any = line[kind] if kind in ("concat", "add") else line.get("inputs", last)
    named = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(named, list) or not named:
        raise ValueError(f"{where} must name what it reads")
    count = {"concat": len(named), "add": 2}.get(kind, 1)
    if len(named) != count:
        raise ValueError(f"{where} reads {len(named)} tensors, not {count}")
    default = 1 if kernel_size is None else list(kernel_size)
    return Operation(
        kind=kind,
        name=name,
        file=_text(line.get("conv", name), where),
        inputs=tuple(_text(each, where) for each in named),
        kernel_size=kernel_size,
        strides=_pair(line.get("stride", default), f"stride of {where}", 1),
        padding=_padding(line.get("padding", 0), where),
        dilation=_pair(line.get("dilation", 1), f"dilation of {where}", 1),
        groups=_whole(line.get("groups", 1), f"groups of {where}", 1),
        relu=relu,
    )


def _padding(value: Any, where: str) -> Padding:
    """Both sides alike; `[[above, below], [left, right]]` where they are not."""
    what = f"padding of {where}"
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], list):
        rows, columns = (_pair(each, what, 0) for each in value)
        return rows, columns
    above, beside = _pair(value, what, 0)
    return (above, above), (beside, beside)


def _pair(value: Any, what: str, low: int) -> Pair:
    """One number for both, or `[rows, columns]`."""
    values = value if isinstance(value, list) else [value, value]
    if len(values) != 2:
        raise ValueError(f"{what} must be one or two numbers")
    rows, columns = (_whole(each, what, low) for each in values)
    return rows, columns


def _whole(value: Any, what: str, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} must be a whole number; found {errors.brief(value)}")
    if not low <= value <= _MAX_SIZE:
        raise ValueError(f"{what} must be {low} to {_MAX_SIZE}; found {value}")
    return value


def _optional(value: Mapping[str, Any], key: str, low: int, high: int) -> int | None:
    found = value.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"{key} must be a whole number")
    if not low <= found <= high:
        raise ValueError(f"{key} must be {low} to {high}; found {found}")
    return found


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{what} must be a name; found {errors.brief(value)}")
    return value


def _known(value: Mapping[str, Any], keys: set[str], where: str) -> None:
    unknown = sorted(set(value) - keys)
    if unknown:
        raise ValueError(
            f"{where} has {errors.brief(unknown[0])}, which is none of "
            f"{', '.join(sorted(keys))}"
        )
