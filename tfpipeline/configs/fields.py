"""Frozen configs with defaults, each field of which says its flag.

    @dataclasses.dataclass(frozen=True)
    class Training(fields.Config):
        epochs: Annotated[int, Flag("Most epochs.", low=1)] = 50

A field is a bool, int, float or str, one of these or None, a tuple of ints or strings,
or another config, whose flags are this one's too. Values are checked wherever a config
is made, by flags or by a program; rules between fields stand in the config's `check`.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from tfpipeline import errors

ConfigT = TypeVar("ConfigT", bound="Config")


@dataclasses.dataclass(frozen=True)
class Flag:
    """What a flag says besides the type and the default of its field.

    Attributes:
        help: sentences for `--help`, without choices, bounds and default.
        low: least value, of each element of a tuple.
        high: largest value, likewise.
        choices: the only values, likewise.
        check: called with the value, or each element, where it is not None; raises a
            UsageError. For what is no closed set.
        name: of the flag, where it is not the field's.
        group: heading in `--help`, where it is not that of the config.
        reads_file: the flag is the path of a text file, the field is its text.
        repeats: the flag of a tuple may be given several times, and adds up.
        is_later: runs from before the flag are those with its default, so the default
            is no part of a run's identity.
    """

    help: str
    _: dataclasses.KW_ONLY
    low: float | None = None
    high: float | None = None
    choices: Collection[str | int] = ()
    check: Callable[[Any], object] | None = None
    name: str | None = None
    group: str | None = None
    reads_file: bool = False
    repeats: bool = False
    is_later: bool = False


@dataclasses.dataclass(frozen=True)
class Group:
    """The heading in `--help` of the flags of a nested config."""

    title: str


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A field that is a flag.

    Attributes:
        attribute: name of the field.
        flag: what its annotation says.
        base: bool, int, float or str; of a tuple, that of its elements.
        is_tuple: whether there are several.
        group: heading in `--help`.
        default: of the field.
    """

    attribute: str
    flag: Flag
    base: type
    is_tuple: bool
    group: str
    default: Any = None

    @property
    def name(self) -> str:
        """Of the flag."""
        return self.flag.name or self.attribute


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of every config."""

    def __post_init__(self) -> None:
        for part in _parts(self):
            if isinstance(part, Leaf):
                _require_valid(part, getattr(self, part.attribute))
        self.check()

    def check(self) -> None:
        """Checks what single fields cannot say.

        Raises:
            UsageError: values that do not go together.
        """


def leaves(config: Config, group: str = "") -> Iterator[tuple[Leaf, Any]]:
    """All flags of a config and of those in it, with the values of `config`.

    Args:
        config: whose values, as a rule its defaults.
        group: heading for fields that say none.
    """
    for part in _parts(config):
        value = getattr(config, part.attribute)
        title = part.group or group
        if isinstance(part, Leaf):
            yield dataclasses.replace(part, group=title), value
        else:
            yield from leaves(value, title)


def identity(config: Config, without: Collection[str] = ()) -> dict[str, Any]:
    """Flag -> value as JSON has it, flat; of all flags but those in `without`.

    Flags that are `is_later` are left out at their default.
    """
    return {
        leaf.name: list(value) if leaf.is_tuple else value
        for leaf, value in leaves(config)
        if leaf.name not in without
        and not (leaf.flag.is_later and value == leaf.default)
    }


def replaced(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """`config` with the values of some flags; lists stand for tuples.

    Raises:
        UsageError: a value that cannot be.
    """
    changes: dict[str, Any] = {}
    for part in _parts(config):
        if not isinstance(part, Leaf):
            nested = getattr(config, part.attribute)
            changes[part.attribute] = replaced(nested, values)
        elif part.name in values:
            value = values[part.name]
            changes[part.attribute] = tuple(value) if part.is_tuple else value
    return dataclasses.replace(config, **changes)


@dataclasses.dataclass(frozen=True)
class _Nested:
    attribute: str
    group: str


def _parts(config: Config) -> tuple[Leaf | _Nested, ...]:
    kind: type = type(config)
    return _parts_of_kind(kind)


@functools.cache
def _parts_of_kind(kind: type) -> tuple[Leaf | _Nested, ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple(
        _part(field.name, hints[field.name], field.default)
        for field in dataclasses.fields(kind)
    )


def _part(attribute: str, hint: Any, default: Any) -> Leaf | _Nested:
    kind: Any = hint
    notes: list[Any] = []
    if typing.get_origin(hint) is Annotated:
        kind, *notes = typing.get_args(hint)
    if isinstance(kind, type) and issubclass(kind, Config):
        titles = [note.title for note in notes if isinstance(note, Group)]
        return _Nested(attribute, titles[0] if titles else "")
    [flag] = [note for note in notes if isinstance(note, Flag)]
    is_tuple = typing.get_origin(kind) is tuple
    if is_tuple or isinstance(kind, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if kind not in (bool, int, float, str):
        raise TypeError(f"field '{attribute}' cannot be a flag: {hint}")
    return Leaf(attribute, flag, kind, is_tuple, flag.group or "", default)


def _require_valid(leaf: Leaf, value: Any) -> None:
    if value is None:
        return
    for each in value if leaf.is_tuple else (value,):
        rule = _breach(leaf, each)
        if rule:
            raise errors.UsageError(f"--{leaf.name} must be {rule}; found {each!r}")
        if leaf.flag.check is not None:
            try:
                leaf.flag.check(each)
            except errors.UsageError as error:
                raise errors.UsageError(f"--{leaf.name}: {error}") from error


def _breach(leaf: Leaf, value: Any) -> str:
    """What `value` must be and is not, as words."""
    flag = leaf.flag
    if flag.choices and value not in flag.choices:
        return choices_text(flag)
    if leaf.base is float and not math.isfinite(value):
        return "a finite number"
    if flag.low is not None and value < flag.low:
        return bounds_text(flag)
    if flag.high is not None and value > flag.high:
        return bounds_text(flag)
    return ""


def choices_text(flag: Flag) -> str:
    """The choices of a flag in words; empty for one without."""
    return f"one of {', '.join(map(str, flag.choices))}" if flag.choices else ""


def bounds_text(flag: Flag) -> str:
    """The bounds of a flag in words; empty for one without."""
    if flag.low is None:
        return "" if flag.high is None else f"{flag.high:g} or less"
    if flag.high is None:
        return f"{flag.low:g} or more"
    return f"from {flag.low:g} to {flag.high:g}"
