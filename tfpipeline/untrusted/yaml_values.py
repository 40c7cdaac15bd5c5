"""YAML that anybody may have written: mappings, lists and plain values."""

import math
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml  # type: ignore[import-untyped]

from tfpipeline.untrusted import damage

MAX_CHARACTERS = 1 << 17
MAX_DEPTH = 20
# Keys, values and items.
MAX_VALUES = 10_000

_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}


def parse(text: str, what: str) -> Any:
    """The value of a YAML text.

    Args:
        text: of one document.
        what: names it in an error.

    Returns:
        Dictionaries, lists, strings, booleans, integers, finite reals and None.

    Raises:
        DamagedFileError: it is not YAML; has a key twice, an anchor, a tag, a number
            that is not finite; or is longer, nests deeper or holds more than the
            limits of this module.
    """
    with damage.reported(what, "valid YAML"):
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"it has over {MAX_CHARACTERS:,} characters")
        try:
            _require_plain(text)
            return yaml.load(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            raise ValueError(_place(error)) from error


def _require_plain(text: str) -> None:
    """Checks all that needs no value: shared parts multiply without end."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.NodeEvent):
            values += 1
            if event.anchor is not None:
                raise ValueError(f"line {line} has an anchor or alias")
            # A quoted text has the tag "!".
            if getattr(event, "tag", None) not in (None, "!"):
                raise ValueError(f"line {line} has the tag {event.tag}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"line {line} nests deeper than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise ValueError(f"it has over {MAX_VALUES:,} keys and values")


def _place(error: yaml.MarkedYAMLError) -> str:
    problem = f"{error.problem or error.context}"
    mark = error.problem_mark or error.context_mark
    return problem if mark is None else f"line {mark.line + 1}: {problem}"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Makes plain values only, and refuses a key that is there twice."""

    # No dates, and no merging of mappings.
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        """The mapping; PyYAML would keep the last of equal keys."""
        seen: set[Hashable] = set()
        for node_of_key, _ in node.value:
            key = self.construct_object(node_of_key, deep=True)
            if key in seen:
                raise ValueError(f"the key {key!r} is there twice")
            seen.add(key)
        result: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return result

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        """A real, which YAML lets be infinite."""
        value: float = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise ValueError(f"line {node.start_mark.line + 1} is not finite")
        return value


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_finite)
