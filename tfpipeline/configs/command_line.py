"""Configs from command lines: absl's flags, defined on values that the caller gives."""

from typing import Any

from absl import flags

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import ConfigT
from tfpipeline.untrusted import content

_KINDS = {int: "a whole number", float: "a number"}


def define(config: fields.Config, values: flags.FlagValues) -> None:
    """Defines the flags of a config and of those in it.

    Fields of several configs may have one flag, of one type and one default.

    Args:
        config: its values are the flags' defaults.
        values: what the flags are added to.
    """
    defined: dict[str, tuple[type, bool, Any]] = {}
    for leaf, default in fields.leaves(config):
        kind = (leaf.base, leaf.is_tuple, default)
        if leaf.name in defined:
            if defined[leaf.name] != kind:
                raise TypeError(f"two fields make different flags --{leaf.name}")
            continue
        defined[leaf.name] = kind
        name, text, more = leaf.name, leaf.flag.help, {"flag_values": values}
        if leaf.flag.repeats:
            flags.DEFINE_multi_string(name, list(default), text, **more)
        elif leaf.is_tuple:
            flags.DEFINE_list(name, [str(each) for each in default], text, **more)
            values[name].parser = _ListParser()
        elif leaf.base is bool:
            flags.DEFINE_bool(name, default, text, **more)
            values[name].parser = _BooleanParser()
        elif leaf.base is str:
            # The default of a file's text is no path.
            path = None if leaf.flag.reads_file else default
            flags.DEFINE_string(name, path, text, **more)
        else:
            flags.DEFINE(_NumberParser(leaf.base), name, default, text, **more)


def from_flags(config: ConfigT, values: flags.FlagValues) -> ConfigT:
    """The config that parsed flags say.

    Args:
        config: whose flags were defined.
        values: parsed.

    Raises:
        UsageError: a value that cannot be, or values that do not go together.
        StorageError: a file that is a flag's value cannot be read.
    """
    given = {}
    for leaf, default in fields.leaves(config):
        value = values[leaf.name].value
        if "\0" in str(value):
            raise errors.UsageError(f"--{leaf.name} holds the character NUL")
        if leaf.flag.reads_file:
            value = default if value is None else _text(leaf.name, value)
        elif leaf.flag.repeats:
            value = [each for text in value for each in text.split(",")]
        elif leaf.is_tuple and leaf.base is int:
            value = _whole_numbers(leaf.name, value)
        given[leaf.name] = value
    return fields.replaced(config, given)


class _BooleanParser(flags.BooleanParser):  # type: ignore[misc]
    """Says in words what the text must be."""

    def parse(self, argument: Any) -> Any:
        """The value, of a text or a boolean."""
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError("it must be true or false") from None


class _ListParser(flags.ListParser):  # type: ignore[misc]
    """Says in words what the text must be."""

    def parse(self, argument: Any) -> Any:
        """The values, of a text or a list."""
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError("it must be values with commas between") from None


class _NumberParser(flags.ArgumentParser):  # type: ignore[misc]
    """Of an int or a float; its range is the config's business."""

    def __init__(self, base: type) -> None:
        self._base = base

    def parse(self, argument: Any) -> Any:
        """The number; a ValueError says in words what the text must be."""
        try:
            return self._base(argument)
        except ValueError:
            raise ValueError(f"it must be {_KINDS[self._base]}") from None


def _whole_numbers(name: str, texts: list[str]) -> list[int]:
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        raise errors.UsageError(
            f"--{name} takes whole numbers, as in 0,1,2; found {','.join(texts)}"
        ) from error


def _text(name: str, path: str) -> str:
    try:
        return content.read_text(path)
    except errors.StorageError as error:
        raise type(error)(f"--{name}: {error}") from error
