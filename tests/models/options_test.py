"""What `--model_options` says."""

import pytest

from tfpipeline import errors
from tfpipeline.models import options


def test_values_of_every_kind():
    assert options.parsed(
        ["a=0.25", "depth=2", " s = 32x24x3", "flag=True", "o=none", "name=x=y", "e="]
    ) == {
        "a": 0.25,
        "depth": 2,
        "s": (32, 24, 3),
        "flag": True,
        "o": None,
        "name": "x=y",
        "e": "",
    }
    assert isinstance(options.parsed(["depth=2"])["depth"], int)
    assert options.parsed([]) == {}


@pytest.mark.parametrize("text", ["alpha", "=1", "2a=1", "a b=1"])
def test_what_is_no_option(text):
    with pytest.raises(errors.UsageError, match=r"must be like alpha=0\.25,depth=2"):
        options.parsed([text])


def test_an_option_twice():
    with pytest.raises(errors.UsageError, match="has 'a' twice"):
        options.parsed(["a=1", "a=2"])
