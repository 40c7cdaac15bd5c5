"""What a search looks through, as its file says it."""

import pytest

from tfpipeline import errors
from tfpipeline.configs.network import Network
from tfpipeline.configs.run import Run
from tfpipeline.search import space as spaces

_TEXT = """
flags:
  width: {low: 0.25, high: 1.0, step: 0.25}
  learning_rate: {low: 0.01, high: 0.3, log: true}
  epochs: {low: 1, high: 9}
  optimizer: [sgd, adam]
objectives:
  - metric
  - {target: max78000, cost: latency}
constraints:
  - {target: stm32f746, cost: ram, most: 64}
"""


def test_a_space_is_read():
    space = spaces.parse(_TEXT, "space.yaml")
    assert space.flags["width"] == spaces.Range(0.25, 1.0, 0.25)
    assert space.flags["epochs"].is_whole and not space.flags["width"].is_whole
    assert space.flags["optimizer"] == ("sgd", "adam")
    assert space.objectives == ("metric", spaces.Cost("max78000", "latency"))
    assert space.targets == ("max78000", "stm32f746")
    assert space.constraints[0].most == 64


def test_a_candidate_is_a_run_with_other_flags():
    chosen = {"width": 0.5, "optimizer": "adam"}
    config = spaces.applied(Run(), chosen, "here")
    assert (config.network.width, config.optimizer.name) == (0.5, "adam")
    assert config.workdir == "here" and config.seed == Run().seed


def test_options_of_a_function_are_added_to_those_of_the_command():
    model = "experiments/keywords/network.py:ds_cnn"
    base = Run(network=Network(model, model_options=("blocks=2", "filters=8")))
    config = spaces.applied(base, {"model_options.blocks": 3}, "here")
    assert config.network.model_options == ("blocks=3", "filters=8")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("width:", "widht:", "'widht' is no flag"),
        ("width:", "workdir:", "'workdir' is no flag"),
        ("low: 0.25, high: 1.0", "low: 2, high: 1", "low <= high"),
        ("low: 0.01", "low: 0", "with `log` low > 0"),
        ("low: 1, high: 9", "low: 1.5, high: 9", "whole numbers"),
        ("[sgd, adam]", "{low: 1, high: 2}", "is no number: give a list"),
        ("  - metric\n", "", "one of the objectives is `metric`"),
        ("target: max78000", "target: max7800", "targets are max78000"),
        ("cost: ram", "cost: rom", "costs are latency"),
        ("most: 64", "most: much", "`most` is a number"),
        ("constraints:", "limits:", "nothing else"),
    ],
)
def test_what_cannot_be_is_told(old, new, why):
    assert old in _TEXT
    with pytest.raises(errors.UsageError, match=why) as raised:
        spaces.parse(_TEXT.replace(old, new), "space.yaml")
    assert str(raised.value).startswith("space.yaml: ") and len(str(raised.value)) < 400
