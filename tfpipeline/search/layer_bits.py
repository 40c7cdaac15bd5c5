"""Bits of weights by layer as flags of a search: `weight_bits.LAYER`, `weight_bits.*`.

A candidate's widths are a policy in the vendor's form (`targets.max78000.policy`). The
first candidates follow the error of each layer that `tfpipeline layer_error` measured
on a trained network: what hurts least is narrowed first.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any

from tfpipeline import errors
from tfpipeline.configs.run import Run
from tfpipeline.search import space as spaces

# Shares of the layers that are narrowed in the first candidates.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_LAYER, _FORMAT, _DECIBELS = "layer", "format", "alone_db"


def is_of_layer(flag: str) -> bool:
    """Whether a flag of a space is the width of a layer's weights."""
    return bool(_layer_of(flag))


def expanded(space: spaces.Space, base: Run, names: Sequence[str]) -> spaces.Space:
    """A space in which `weight_bits.*` stands for each layer that it does not name.

    Args:
        space: as its file says it.
        base: what all candidates have in common.
        names: of the network's layers with weights.

    Raises:
        UsageError: there is no such layer, or the scheme has one width for all.
    """
    given = [name for name in space.flags if is_of_layer(name)]
    if not given:
        return space
    if not base.quantization.has_policy:
        raise errors.UsageError(
            "bits by layer go with a scheme that has them; "
            f"--scheme={base.quantization.scheme} has one width for all: leave "
            "`weight_bits.` out of the space"
        )
    layers = {_layer_of(name) for name in given} - {"*"}
    unknown = sorted(layers - set(names))
    if unknown:
        raise errors.UsageError(
            f"the space has weight bits for '{unknown[0]}', which is no layer with "
            f"weights of the network; it has {errors.listed(names)}"
        )
    flags: dict[str, Any] = {}
    for name, value in space.flags.items():
        if _layer_of(name) != "*":
            flags[name] = value
            continue
        others = [each for each in names if each not in layers]
        flags |= {f"{spaces.WEIGHT_BITS}.{each}": value for each in others}
    return dataclasses.replace(space, flags=flags)


def first_candidates(
    space: spaces.Space, text: str, what: str
) -> list[dict[str, spaces.Value]]:
    """Widths by layer of the candidates to begin with, from all wide to all narrow.

    Args:
        space: of `expanded`.
        text: of a `layer_error.csv`; of several formats the first one.
        what: names it in an error.

    Raises:
        UsageError: it says nothing of a layer whose bits are varied.
    """
    found = _errors(text, what)
    varied = [name for name in space.flags if is_of_layer(name)]
    missing = [name for name in varied if _layer_of(name) not in found]
    if missing:
        raise errors.UsageError(
            f"{what} has no layer '{_layer_of(missing[0])}', whose bits are searched: "
            "give the layer_error.csv of a run of this network"
        )
    # The layer that a narrow width hurts least stands first.
    ordered = sorted(varied, key=lambda name: -found[_layer_of(name)])
    candidates: list[dict[str, spaces.Value]] = []
    for share in _SHARES:
        narrow = set(ordered[: round(share * len(ordered))])
        chosen: dict[str, spaces.Value] = {
            name: (min if name in narrow else max)(_widths(space, name))
            for name in varied
        }
        if chosen not in candidates:
            candidates.append(chosen)
    return candidates


def _widths(space: spaces.Space, name: str) -> list[int]:
    values = space.flags[name]
    assert not isinstance(values, spaces.Range)
    return [int(each) for each in values]


def _layer_of(flag: str) -> str:
    head, _, layer = flag.partition(".")
    return layer if head == spaces.WEIGHT_BITS else ""


def _errors(text: str, what: str) -> dict[str, float]:
    """Signal to noise of each layer alone, in dB, in the file's first format."""
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        first = rows[0][_FORMAT]
        found = {
            row[_LAYER]: float(row[_DECIBELS]) for row in rows if row[_FORMAT] == first
        }
    except (IndexError, KeyError, TypeError, ValueError):
        raise errors.UsageError(
            f"{what} is no layer_error.csv, as `tfpipeline layer_error` writes it"
        ) from None
    # All zero: nothing is lost there.
    return {name: math.inf if math.isnan(x) else x for name, x in found.items()}
