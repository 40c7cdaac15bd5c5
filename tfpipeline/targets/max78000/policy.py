"""How many bits the weights of each layer get, and from which epoch on.

The file is the vendor's (ai8x-training c3d4eb1, policies/*.yaml):

    start_epoch: 10
    weight_bits: 8
    shift_quantile: 0.998    # optional, 1.0 otherwise
    overrides:               # optional
      conv1:
        weight_bits: 4
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.targets.max78000 import spec as specs
from tfpipeline.untrusted import yaml_values

_REQUIRED = ("start_epoch", "weight_bits")
_OPTIONAL = ("shift_quantile", "overrides")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """Widths of weights by layer.

    Attributes:
        weight_bits: of every layer that `overrides` does not name.
        overrides: bits by layer name.
        shift_quantile: of a layer's magnitudes, what its scale is made for; 1.0 is the
            largest.
        start_epoch: full epochs in float before; `None` where a schedule decides.

    Raises:
        UsageError: a value that the device or the rule does not have.
    """

    weight_bits: int = 8
    overrides: Mapping[str, int] = dataclasses.field(default_factory=dict)
    shift_quantile: float = 1.0
    start_epoch: int | None = None

    def __post_init__(self) -> None:
        _check_bits("weight_bits", self.weight_bits)
        for name, bits in self.overrides.items():
            _check_bits(f"weight_bits of '{name}'", bits)
        quantile = self.shift_quantile
        if not _is_number(quantile) or not 0.0 <= quantile <= 1.0:
            raise errors.UsageError(
                "shift_quantile must be a number from 0 to 1; found "
                f"{errors.brief(quantile)}"
            )
        epoch = self.start_epoch
        if epoch is not None and (not _is_number(epoch, int) or epoch < 0):
            raise errors.UsageError(
                f"start_epoch must be an integer from 0; found {errors.brief(epoch)}"
            )

    def bits(self, name: str) -> int:
        """Bits of the weights of a layer."""
        return self.overrides.get(name, self.weight_bits)

    def check_names(self, names: tuple[str, ...], network: str) -> None:
        """Refuses bits for layers that a network does not have.

        Raises:
            UsageError: listing `names`, the layers with weights.
        """
        unknown = [name for name in self.overrides if name not in names]
        if unknown:
            raise errors.UsageError(
                f"weight bits for '{unknown[0]}', which is no layer with weights of "
                f"'{network}'; it has {errors.listed(names)}"
            )


def to_text(policy: Policy) -> str:
    """The text of the vendor's file, which `parse` reads back.

    Args:
        policy: with a `start_epoch`.
    """
    lines = [
        f"start_epoch: {policy.start_epoch}",
        f"weight_bits: {policy.weight_bits}",
        f"shift_quantile: {policy.shift_quantile}",
    ]
    if policy.overrides:
        lines.append("overrides:")
    for name, bits in sorted(policy.overrides.items()):
        # A text in JSON is one in YAML.
        lines += [f"  {json.dumps(name)}:", f"    weight_bits: {bits}"]
    return "\n".join(lines) + "\n"


def parse(text: str) -> Policy:
    """The policy in a file's text.

    Raises:
        UsageError: not YAML, a key that is unknown, absent or twice there, or a value
            that the device does not have.
    """
    try:
        parsed = yaml_values.parse(text, "the text")
    except errors.DamagedFileError as error:
        raise errors.UsageError(str(error)) from error
    values = _mapping(parsed, "the file", _REQUIRED, _OPTIONAL)
    listed = values.pop("overrides", None) or {}
    if not isinstance(listed, dict):
        raise errors.UsageError(
            f"overrides must give keys and values; found {errors.brief(listed)}"
        )
    overrides = {
        str(name): _mapping(entry, f"overrides of '{name}'", ("weight_bits",), ())
        for name, entry in listed.items()
    }
    bits = {name: entry["weight_bits"] for name, entry in overrides.items()}
    return Policy(**values, overrides=bits)


def _mapping(
    value: Any, what: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    valid = (*required, *optional)
    if not isinstance(value, dict):
        raise errors.UsageError(
            f"{what} must give {', '.join(valid)}; found {errors.brief(value)}"
        )
    for key in value:
        if key not in valid:
            raise errors.UsageError(
                f"{what} has the unknown key {errors.brief(key)}; valid are "
                f"{', '.join(valid)}"
            )
    for key in required:
        if key not in value:
            raise errors.UsageError(f"{what} lacks the key '{key}'")
    return dict(value)


def _check_bits(what: str, bits: Any) -> None:
    if not _is_number(bits, int) or bits not in specs.WEIGHT_BITS:
        valid = ", ".join(map(str, specs.WEIGHT_BITS))
        raise errors.UsageError(
            f"{what} must be one of {valid}; found {errors.brief(bits)}"
        )


def _is_number(value: Any, *kinds: type) -> bool:
    # YAML's `true` is an integer for Python.
    return isinstance(value, kinds or (int, float)) and not isinstance(value, bool)
