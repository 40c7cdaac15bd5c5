"""A measurement of one's own in a file, and estimates that are scaled by it."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfpipeline import atomic_files, errors
from tfpipeline.board import measured, messages
from tfpipeline.cost import estimate
from tfpipeline.untrusted import damage, json_values

FORMAT = "tfpipeline-measurement 1"


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a board took, and what models said of the same network.

    Attributes:
        target: whose models, as `estimate --target` has it.
        board: as it calls itself.
        network: that ran there.
        cycles: of an inference, the median.
        models: name -> cycles that it says.
    """

    target: str
    board: str
    network: str
    cycles: float
    models: Mapping[str, float]


def of(
    target: str,
    greeting: messages.Greeting,
    cycles: measured.Cycles,
    compared: list[measured.Compared],
) -> Measurement:
    """What was found, to be kept.

    Raises:
        UsageError: there is nothing to scale: no chip, or no model of the target.
    """
    if not compared:
        raise errors.UsageError(
            f"there is no measurement to keep: '{errors.brief(greeting.board)}' counts "
            f"no cycles of a chip, or '{target}' has no model of latency"
        )
    models = {each.model: each.cycles for each in compared}
    return Measurement(target, greeting.board, greeting.network, cycles.median, models)


def write(path: str | os.PathLike[str], found: Measurement) -> None:
    """Writes a measurement, in place of one that is there.

    Raises:
        ForeignFileError: there is another file.
        StorageError: the file cannot be written.
    """
    value = {"format": FORMAT, **dataclasses.asdict(found)}
    atomic_files.write_json(path, value, _is_ours)


def read(path: str | os.PathLike[str]) -> Measurement:
    """Reads what `write` wrote.

    Raises:
        StorageError: the file is absent, or no measurement.
    """
    name = os.fspath(path)
    value = json_values.read(path)
    with damage.reported(name, "a measurement of tfpipeline run"):
        found = _parsed(value)
    return found


def applied(found: estimate.Estimate, known: Measurement) -> estimate.Estimate:
    """An estimate with a further latency a model, scaled by the measurement.

    The scale is the board's cycles over the model's, of one network: how well it holds
    for another one nobody knows.
    """
    if found.target != known.target:
        return found
    scales = {
        model: known.cycles / cycles
        for model, cycles in known.models.items()
        if model in found.latency
    }
    latency = {
        _yours(model): dataclasses.replace(
            found.latency[model],
            cycles=found.latency[model].cycles * scale,
            seconds=found.latency[model].seconds * scale,
            relative_error=None,
            joules=None,
        )
        for model, scale in scales.items()
    }
    notes = (
        f"{_yours(model)}: times {scale:.3f}, your measurement of '{known.network}' on "
        f"{known.board}"
        for model, scale in scales.items()
    )
    return dataclasses.replace(
        found,
        layers=tuple(_scaled(layer, scales) for layer in found.layers),
        latency={**found.latency, **latency},
        notes=(*found.notes, *notes),
    )


def _yours(model: str) -> str:
    return f"{model} (yours)"


def _scaled(layer: estimate.Layer, scales: Mapping[str, float]) -> estimate.Layer:
    cycles = layer.latency_cycles
    more = {_yours(model): cycles[model] * scale for model, scale in scales.items()}
    return dataclasses.replace(layer, latency_cycles={**cycles, **more})


def _is_ours(path: pathlib.Path) -> bool:
    try:
        read(path)
    except errors.StorageError:
        return False
    return True


def _parsed(value: Any) -> Measurement:
    if value["format"] != FORMAT:
        raise ValueError("it has another format")
    models = {str(name): float(cycles) for name, cycles in value["models"].items()}
    cycles = float(value["cycles"])
    if not cycles > 0 or not all(each > 0 for each in models.values()):
        raise ValueError("cycles are positive")
    texts = (str(value[key]) for key in ("target", "board", "network"))
    target, board, network = (errors.one_line(text, 80) for text in texts)
    return Measurement(target, board, network, cycles, models)
