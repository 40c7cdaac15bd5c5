"""Boards as data: the files that come with the package, and those of a user.

    name: nrf5340                     # of --target
    title: Nordic nRF5340, application core
    core: cortex-m33                  # its instructions are known; or see below
    clock_mhz: 128
    flash_kib: 1024
    ram_kib: {sram: 512}              # regions of consecutive addresses
    sources: [product specification]
    # optional
    cycles_per_instruction: 1.3       # instead of the core's own
    band_percent: 25                  # likewise
    supply: {volts: 3.0, watts: 0.05} # under inference, as it was measured
    measured:                         # the model's error on published figures
      - {software: microTVM, kernels: cmsis-nn-s8, error_percent: [-7, 9], source: ...}

A core that is not known is described by its own terms, of `spec.InstructionFit`:
`instructions` (or cycles, with `cycles_per_instruction: 1`), and `kernels`, the name of
what was counted, become required, as do the two above.
"""

import dataclasses
import difflib
import functools
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.targets.stm32 import spec
from tfpipeline.untrusted import content, yaml_values

_FOLDER = pathlib.Path(__file__).parent / "boards"
_KIB = 1024

_MAX_LINE = 400
_MAX_ITEMS = 20
# No such chip has more; what is larger is a number in another unit.
_MAX_MHZ = 10_000
_MAX_KIB = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TERMS = tuple(field.name for field in dataclasses.fields(spec.InstructionFit))


@dataclasses.dataclass(frozen=True)
class _Key:
    """A key of a mapping: what its value must be, in words and as a rule."""

    expected: str
    is_valid: Callable[[Any], bool]
    is_required: bool = True


@functools.cache
def names() -> tuple[str, ...]:
    """The boards that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def text(name: str) -> str:
    """The file of a board that comes with the package.

    Raises:
        UsageError: there is none of that name; lists those that exist.
    """
    if name not in names():
        raise errors.UsageError(
            f"unknown board {errors.brief(name)}; choose one of: {', '.join(names())}"
        )
    return content.read_text(_FOLDER / f"{name}.yaml")


@functools.cache
def load(name: str) -> spec.Board:
    """A board that comes with the package.

    Raises:
        UsageError: as `text`.
    """
    return parse(text(name), f"{name}.yaml")


def read(path: str) -> spec.Board:
    """The board in a file.

    Raises:
        StorageError: it cannot be read.
        UsageError: as `parse`, naming the file.
    """
    try:
        return parse(content.read_text(path), path)
    except errors.DamagedFileError as error:
        raise errors.UsageError(str(error)) from error


def parse(text: str, what: str) -> spec.Board:
    """The board in a file's text.

    Args:
        text: YAML.
        what: names the file in an error.

    Raises:
        UsageError: it is not YAML; or a key is unknown, absent, there twice, or has a
            value that is none of its kind or lies out of bounds.
    """
    try:
        parsed = yaml_values.parse(text, what)
    except errors.DamagedFileError as error:
        raise errors.UsageError(str(error)) from error
    values = _checked(parsed, _BOARD, what)
    if values["core"] not in spec.CORES:
        for key in (
            "instructions",
            "kernels",
            "cycles_per_instruction",
            "band_percent",
        ):
            _require(
                key in values,
                f"{what}: the core '{values['core']}' is none of "
                f"{', '.join(spec.CORES)}, so the key '{key}' must say "
                f"{_BOARD[key].expected}",
            )
    supply = _checked(values.get("supply", {}), _SUPPLY, f"{what}: supply")
    measured = [
        _measurement(each, f"{what}: measured[{position}]")
        for position, each in enumerate(values.get("measured", ()))
    ]
    return spec.Board(
        name=values["name"],
        title=values["title"],
        core=_core(values, what),
        kernels=values.get("kernels", spec.CMSIS_NN_S8),
        clock_hz=round(values["clock_mhz"] * 1e6),
        flash_bytes=values["flash_kib"] * _KIB,
        ram=tuple(
            spec.Region(name=name, num_bytes=size * _KIB)
            for name, size in values["ram_kib"].items()
        ),
        power_watts=supply.get("watts"),
        supply_volts=supply.get("volts"),
        measured=tuple(measured),
        sources=tuple(values["sources"]),
    )


def _core(values: Mapping[str, Any], what: str) -> spec.Core:
    """The core that is named, or that the file describes, with this board's cycles."""
    changed: dict[str, Any] = {}
    if "cycles_per_instruction" in values:
        cycles = float(values["cycles_per_instruction"])
        changed["cycles_per_instruction"] = cycles
        changed["cycles_per_instruction_range"] = (cycles, cycles)
    if "band_percent" in values:
        changed["relative_error"] = values["band_percent"] / 100
    if "instructions" in values:
        keys = {name: _TERM for name in _TERMS}
        terms = _checked(values["instructions"], keys, f"{what}: instructions")
        changed["fit"] = spec.InstructionFit(
            **{name: float(value) for name, value in terms.items()}
        )
    name = values["core"]
    known = spec.CORES.get(name)
    return (
        spec.Core(name=name, **changed)
        if known is None
        else dataclasses.replace(known, **changed)
    )


def _measurement(value: Any, what: str) -> spec.Measurement:
    found = _checked(value, _MEASURED, what)
    low, high = found.pop("error_percent")
    return spec.Measurement(error_percent=(low, high), **found)


def _checked(value: Any, keys: Mapping[str, _Key], what: str) -> dict[str, Any]:
    """A mapping whose keys and values are those of `keys`."""
    _require(
        isinstance(value, dict),
        f"{what} must give {', '.join(keys)}; found {errors.brief(value)}",
    )
    for key in value:
        close = difflib.get_close_matches(str(key), keys, n=1)
        tip = f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(keys)}"
        _require(key in keys, f"{what} has the unknown key {errors.brief(key)}; {tip}")
    for name, key in keys.items():
        if name in value:
            _require(
                key.is_valid(value[name]),
                f"{what}: {name} must be {key.expected}; found "
                f"{errors.brief(value[name])}",
            )
        else:
            _require(
                not key.is_required,
                f"{what} lacks the key '{name}', which must be {key.expected}",
            )
    return dict(value)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise errors.UsageError(message)


def _is_number(value: Any, low: float, high: float) -> bool:
    """Whether it lies above `low`, up to `high`; YAML's `true` is Python's 1."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and low < value <= high


def _is_kib(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value, 0, _MAX_KIB)


def _is_line(value: Any) -> bool:
    is_text = isinstance(value, str) and 0 < len(value.strip()) <= _MAX_LINE
    return is_text and value.isprintable()


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _are_lines(value: Any) -> bool:
    is_list = isinstance(value, list) and 0 < len(value) <= _MAX_ITEMS
    return is_list and all(map(_is_line, value))


def _are_regions(value: Any) -> bool:
    is_mapping = isinstance(value, dict) and 0 < len(value) <= _MAX_ITEMS
    return is_mapping and all(
        _is_name(name) and _is_kib(size) for name, size in value.items()
    )


def _is_range(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2
    is_whole = is_pair and all(
        isinstance(each, int) and _is_number(each, -101, 10_000) for each in value
    )
    return is_whole and value[0] <= value[1]


_LINE = f"one line of text of up to {_MAX_LINE} characters"
_WORD = "a name of up to 40 characters a-z, 0-9, - and _, a letter first"
_TERM = _Key(
    "a number from 0 to 10,000, of instructions", lambda x: _is_number(x, -1e-9, 1e4)
)
_BOARD = {
    "name": _Key(_WORD, _is_name),
    "title": _Key(_LINE, _is_line),
    "core": _Key(_WORD, _is_name),
    "clock_mhz": _Key(
        f"a number of megahertz above 0, up to {_MAX_MHZ:,}",
        lambda x: _is_number(x, 0, _MAX_MHZ),
    ),
    "flash_kib": _Key("a whole number of KiB above 0, up to 1,048,576", _is_kib),
    "ram_kib": _Key(
        "regions with their whole numbers of KiB above 0, such as {sram: 256}",
        _are_regions,
    ),
    "sources": _Key("a list of lines: where the figures are from", _are_lines),
    "cycles_per_instruction": _Key(
        "a number above 0, up to 100", lambda x: _is_number(x, 0, 100), False
    ),
    "band_percent": _Key(
        "a number of per cent above 0, up to 1,000, that the truth may lie off",
        lambda x: _is_number(x, 0, 1000),
        False,
    ),
    "kernels": _Key(f"the kernels that are counted: {_WORD}", _is_name, False),
    "instructions": _Key(
        f"numbers of instructions: {', '.join(_TERMS)}",
        lambda x: isinstance(x, dict),
        False,
    ),
    "supply": _Key("volts and watts", lambda x: isinstance(x, dict), False),
    "measured": _Key(
        "a list of software, kernels, error_percent and source",
        lambda x: isinstance(x, list) and len(x) <= _MAX_ITEMS,
        False,
    ),
}
_SUPPLY = {
    "volts": _Key(
        "a number above 0, up to 100", lambda x: _is_number(x, 0, 100), False
    ),
    "watts": _Key(
        "a number above 0, up to 100", lambda x: _is_number(x, 0, 100), False
    ),
}
_MEASURED = {
    "software": _Key(_LINE, _is_line),
    "kernels": _Key(_WORD, _is_name),
    "error_percent": _Key(
        "two whole numbers of per cent, the lowest error first, such as [-7, 9]",
        _is_range,
    ),
    "source": _Key(_LINE, _is_line),
}
