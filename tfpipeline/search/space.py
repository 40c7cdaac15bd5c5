"""What a search looks through, for what, and within which bounds: a YAML file.

    flags:
      width: {low: 0.25, high: 1.0, step: 0.25}
      learning_rate: {low: 0.01, high: 0.3, log: true}
      optimizer: [sgd, adam]
      model_options.depth: [1, 2, 3]
    objectives:
      - metric
      - {target: max78000, cost: latency}
    constraints:
      - {target: max78000, cost: flash, most: 432}

A flag of `tfpipeline train` has a range or a list of values; `model_options.NAME` is an
option of an own network's function, `weight_bits.LAYER` the width of a layer's weights
(`weight_bits.*` of each other one; lists, with a scheme that has them). `sensitivity`
names a `layer_error.csv` whose order the first candidates of these follow. `metric` is
the most telling figure of the validation split, of the form that is deployed; costs are
those that runs are compared by (`report.findings.comparison`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.run import Run
from tfpipeline.report.findings import comparison
from tfpipeline.targets import catalog as targets
from tfpipeline.untrusted import yaml_values

METRIC = "metric"
# Of Optuna; named here, where it need not be installed.
SAMPLERS = ("tpe", "nsgaii")
NO_PRUNER = "none"
PRUNERS = (NO_PRUNER, "median", "hyperband")
_OPTIONS, WEIGHT_BITS = "model_options", "weight_bits"
# Flags that say where a run is, or what it is asked about; a search has one of each.
_FIXED = ("workdir", "data_dir", "strategy", "dataset", "task")
_KEYS = {"flags", "objectives", "constraints", "sensitivity"}
Value = str | int | float | bool


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from low to high.

    Attributes:
        low, high: both included.
        step: between them; None for any.
        log: whether each power of ten is as likely as the next.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether only integers are meant."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 1))


@dataclasses.dataclass(frozen=True)
class Cost:
    """A cost of a network on a target.

    Attributes:
        target: its name.
        cost: of `comparison.COSTS`.
    """

    target: str
    cost: str

    @property
    def title(self) -> str:
        """For tables."""
        return f"{self.target} {comparison.COSTS[self.cost]}"


@dataclasses.dataclass(frozen=True)
class Bound:
    """The most that a cost may be."""

    of: Cost
    most: float


@dataclasses.dataclass(frozen=True)
class Space:
    """What the file says.

    Attributes:
        flags: name -> its values.
        objectives: METRIC or a cost, each.
        constraints: what candidates must keep.
        sensitivity: a `layer_error.csv`, for the first candidates of bits by layer.
    """

    flags: Mapping[str, Range | tuple[Value, ...]]
    objectives: tuple[str | Cost, ...]
    constraints: tuple[Bound, ...]
    sensitivity: str | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Those that a candidate must fit."""
        costs = [each for each in self.objectives if isinstance(each, Cost)]
        costs += [each.of for each in self.constraints]
        return tuple(dict.fromkeys(each.target for each in costs))


def parse(text: str, what: str) -> Space:
    """The space of a YAML text.

    Args:
        text: of the file.
        what: names it in an error.

    Raises:
        DamagedFileError: it is no YAML.
        UsageError: it says something that cannot be; names the place.
    """
    value = yaml_values.parse(text, what)
    _require(
        isinstance(value, dict) and value.keys() <= _KEYS,
        what,
        "it has `flags`, `objectives`, `constraints` and `sensitivity`, and nothing "
        "else",
    )
    flags = value.get("flags")
    _require(isinstance(flags, dict) and flags, what, "`flags` names what is varied")
    objectives = value.get("objectives", [METRIC])
    constraints = value.get("constraints", [])
    for name, each in (("objectives", objectives), ("constraints", constraints)):
        _require(isinstance(each, list), what, f"`{name}` is a list")
    _require(bool(objectives), what, "`objectives` is not empty")
    space = Space(
        {str(name): _values(str(name), each, what) for name, each in flags.items()},
        tuple(
            METRIC if each == METRIC else _cost(each, what, ("target", "cost"))
            for each in objectives
        ),
        tuple(_bound(each, what) for each in constraints),
        value.get("sensitivity"),
    )
    has_file = isinstance(space.sensitivity, str) and any(
        name.startswith(f"{WEIGHT_BITS}.") for name in space.flags
    )
    _require(
        has_file or space.sensitivity is None,
        what,
        f"`sensitivity` names a layer_error.csv, for flags `{WEIGHT_BITS}.LAYER`",
    )
    _require(METRIC in space.objectives, what, f"one of the objectives is `{METRIC}`")
    _require(
        len(set(space.objectives)) == len(space.objectives),
        what,
        "no objective is there twice",
    )
    return space


def applied(base: Run, chosen: Mapping[str, Any], workdir: str) -> Run:
    """The run of a candidate.

    Args:
        base: what the search's command line says.
        chosen: flag of the space -> value.
        workdir: of the candidate.

    Raises:
        UsageError: values that do not go together.
    """
    options = dict(each.partition("=")[::2] for each in base.network.model_options)
    flags: dict[str, Any] = {"workdir": workdir}
    bits: dict[str, int] = {}
    for name, value in chosen.items():
        head, _, option = name.partition(".")
        if option and head == WEIGHT_BITS:
            bits[option] = int(value)
        elif option:
            options[option] = str(value)
            flags[head] = [f"{key}={each}" for key, each in options.items()]
        else:
            flags[name] = value
    config = fields.replaced(base, flags)
    if not bits:
        return config
    changed = config.quantization.with_layer_bits(bits, config.float_epochs)
    return dataclasses.replace(config, quantization=changed)


def _values(name: str, value: Any, what: str) -> Range | tuple[Value, ...]:
    leaves = {leaf.name: leaf for leaf, _ in fields.leaves(Run())}
    head, _, option = name.partition(".")
    known = (head in (_OPTIONS, WEIGHT_BITS) and bool(option)) or (
        name in leaves and name not in _FIXED and name != _OPTIONS
    )
    _require(known, what, f"'{name}' is no flag of `train` that can be varied")
    if isinstance(value, list):
        plain = all(isinstance(each, str | int | float | bool) for each in value)
        _require(bool(value) and plain, what, f"'{name}' has a list of plain values")
        whole = all(isinstance(each, int) for each in value)
        _require(
            not (option and head == WEIGHT_BITS) or whole,
            what,
            f"'{name}' has a list of whole numbers",
        )
        return tuple(value)
    _require(head != WEIGHT_BITS or not option, what, f"'{name}' has a list of widths")
    allowed = {"low", "high", "step", "log"}
    is_range = isinstance(value, dict) and {"low", "high"} <= value.keys() <= allowed
    _require(is_range, what, f"'{name}' has a list, or `low` and `high`")
    numbers = [value[key] for key in ("low", "high", "step") if key in value]
    _require(all(_is_number(x) for x in numbers), what, f"'{name}' has numbers")
    found = Range(
        value["low"], value["high"], value.get("step"), bool(value.get("log", False))
    )
    fits = found.low <= found.high and not (found.log and found.low <= 0)
    fits = fits and not (found.log and found.step is not None)
    fits = fits and (found.step is None or found.step > 0)
    _require(
        fits, what, f"'{name}': low <= high, step > 0; with `log` low > 0 and no step"
    )
    base = leaves[name].base if name in leaves else None
    _require(base in (int, float, None), what, f"'{name}' is no number: give a list")
    _require(base is not int or found.is_whole, what, f"'{name}' has whole numbers")
    return found


def _cost(value: Any, what: str, keys: tuple[str, ...]) -> Cost:
    _require(
        isinstance(value, dict) and value.keys() == set(keys),
        what,
        f"a cost has {', '.join(f'`{key}`' for key in keys)}",
    )
    target, cost = value["target"], value["cost"]
    _require(target in targets.NAMES, what, f"targets are {', '.join(targets.NAMES)}")
    _require(cost in comparison.COSTS, what, f"costs are {', '.join(comparison.COSTS)}")
    return Cost(target, cost)


def _bound(value: Any, what: str) -> Bound:
    of = _cost(value, what, ("target", "cost", "most"))
    _require(_is_number(value["most"]), what, "`most` is a number")
    return Bound(of, value["most"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(holds: Any, what: str, rule: str) -> None:
    if not holds:
        raise errors.UsageError(f"{what}: {rule}")
