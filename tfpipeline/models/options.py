"""`--model_options`: what a function that makes a network is called with."""

import re
from collections.abc import Sequence

from tfpipeline import errors

_OPTION = re.compile(r"\s*(?P<key>[^\W\d]\w*)\s*=(?P<value>.*)")
_SIZES = re.compile(r"\d+(x\d+)+")
_WORDS = {"true": True, "false": False, "none": None}

Value = bool | int | float | str | tuple[int, ...] | None


def parsed(options: Sequence[str]) -> dict[str, Value]:
    """Keyword arguments of texts `key=value`.

    A value is true, false, none, a number, sizes such as 32x32x3, or else a text.

    Raises:
        UsageError: a text is none, or a key is there twice.
    """
    result: dict[str, Value] = {}
    for option in options:
        parts = _OPTION.fullmatch(option)
        if parts is None:
            raise errors.UsageError(
                "--model_options must be like alpha=0.25,depth=2; found "
                f"{errors.brief(option)}"
            )
        if parts["key"] in result:
            raise errors.UsageError(f"--model_options has '{parts['key']}' twice")
        result[parts["key"]] = _value(parts["value"].strip())
    return result


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _SIZES.fullmatch(text):
        return tuple(int(size) for size in text.split("x"))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
