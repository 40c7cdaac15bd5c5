"""What configs check, and their flat form."""

import dataclasses
from typing import Annotated

import pytest

from tests.configs import example
from tfpipeline import errors
from tfpipeline.configs import fields

_DEFAULTS = {
    "optimizer": "adam",
    "rate": 0.5,
    "nesterov": False,
    "milestones": [],
    "forms": ["a"],
    "export": [],
    "bits": None,
    "dropout": None,
    "batch_norm": None,
    "normalize": True,
    "policy": None,
    "side": 32,
    "workdir": None,
}


def test_identity_is_flat_json_in_the_order_of_the_fields():
    assert list(fields.identity(example.Run()).items()) == list(_DEFAULTS.items())


def test_identity_leaves_out():
    found = fields.identity(example.Run(), without=("workdir", "rate"))
    assert found.keys() == _DEFAULTS.keys() - {"workdir", "rate"}


def test_a_later_flag_is_part_of_the_identity_when_it_is_given():
    @dataclasses.dataclass(frozen=True)
    class Later(fields.Config):
        depth: Annotated[int, fields.Flag("New.", is_later=True)] = 3

    assert fields.identity(Later()) == {}
    assert fields.identity(Later(4)) == {"depth": 4}
    assert fields.replaced(Later(), fields.identity(Later(4))) == Later(4)


def test_a_config_is_made_again_from_its_identity():
    run = example.Run(
        optimizer=example.Optimizer("sgd", 0.1, nesterov=True),
        milestones=(3, 5),
        bits=8,
        policy="text",
    )
    assert fields.replaced(example.Run(), fields.identity(run)) == run


def test_replaced_keeps_what_it_is_not_given():
    run = example.Run(optimizer=example.Optimizer("sgd"), bits=8)
    changed = fields.replaced(run, {"rate": 2.0})
    assert changed.optimizer == example.Optimizer("sgd", rate=2.0)
    assert changed.bits == 8


def test_leaves_have_the_heading_of_their_config_or_their_own():
    groups = {leaf.name: leaf.group for leaf, _ in fields.leaves(example.Run(), "run")}
    assert [name for name, group in groups.items() if group == "training"] == [
        "optimizer",
        "rate",
        "nesterov",
        "milestones",
    ]
    assert groups["workdir"] == "run"


@pytest.mark.parametrize(
    "values",
    [
        {"milestones": (1,)},
        {"forms": ("a", "b")},
        {"bits": 1},
        {"dropout": 0.0},
        {"dropout": 0.95},
        {"side": 64},
    ],
)
def test_values_within_their_bounds(values):
    run = example.Run(**values)
    assert {name: getattr(run, name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"milestones": (2, 0)}, "--milestones must be 1 or more; found 0"),
        ({"forms": ("a", "c")}, "--forms must be one of a, b; found 'c'"),
        ({"bits": 4}, "--bits must be one of 1, 8; found 4"),
        ({"dropout": 1.0}, "--dropout must be from 0 to 0.95; found 1.0"),
        ({"dropout": -0.5}, "--dropout must be from 0 to 0.95; found -0.5"),
        ({"dropout": float("nan")}, "--dropout must be a finite number; found nan"),
        ({"side": 3}, "--side: it must be even; found 3"),
    ],
)
def test_values_beyond_their_bounds(values, message):
    with pytest.raises(errors.UsageError) as raised:
        example.Run(**values)
    assert str(raised.value) == message


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), float("-inf")])
def test_a_float_without_an_upper_bound_is_finite(rate):
    with pytest.raises(errors.UsageError, match="--rate must be a finite number"):
        example.Optimizer(rate=rate)


def test_rules_between_fields():
    assert example.Optimizer("sgd", nesterov=True).nesterov
    with pytest.raises(errors.UsageError, match="--nesterov goes with"):
        example.Optimizer("adam", nesterov=True)
    with pytest.raises(errors.UsageError, match="--nesterov goes with"):
        fields.replaced(example.Run(), {"nesterov": True})


def test_a_field_of_another_kind_is_a_defect():
    @dataclasses.dataclass(frozen=True)
    class Odd(fields.Config):
        value: Annotated[dict, fields.Flag("A dictionary.")] = None

    with pytest.raises(TypeError, match="field 'value' cannot be a flag"):
        Odd()
