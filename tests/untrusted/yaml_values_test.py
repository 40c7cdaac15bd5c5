"""YAML: its value, or one clear error, within moments."""

import itertools

import hypothesis
import pytest
import yaml
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.untrusted import yaml_values


def test_plain_values():
    text = "a: 1\nb: [2.5, 'x', null, true, 2020-13-45]\n'c d': {e: 0x10}\n"
    expected = {"a": 1, "b": [2.5, "x", None, True, "2020-13-45"], "c d": {"e": 16}}
    assert yaml_values.parse(text, "it") == expected


@hypothesis.given(
    strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers(),
        lambda inner: (
            strategies.lists(inner, max_size=4)
            | strategies.dictionaries(strategies.text("ab: #-'", max_size=5), inner)
        ),
        max_leaves=10,
    )
)
def test_values_come_back(value):
    assert (
        yaml_values.parse(yaml.safe_dump(value, default_flow_style=True), "it") == value
    )


@hypothesis.given(strategies.text("ab1:.-&*!?|>{}[],'\"#%@\n\t ", max_size=40))
def test_any_text_gives_a_value_or_the_error(text):
    try:
        yaml_values.parse(text, "it")
    except errors.DamagedFileError as error:
        assert str(error).startswith("it ")
        assert "\n" not in str(error)


_BOMB = "a: &a [x,x]\n" + "".join(
    f"{new}: &{new} [*{old},*{old}]\n" for old, new in itertools.pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_BOMB, "line 1 has an anchor"),
        ("a: *b", "line 1 has an anchor or alias"),
        ("<<: {a: 1}\n", ""),
        ("a: !!int x", "line 1 has the tag tag:yaml.org,2002:int"),
        ("a: !!timestamp x", "has the tag"),
        ("a: !!python/object/apply:os.system [id]", "has the tag"),
        ("a: " + "9" * 5000, "limit"),
        ("a: .nan", "line 1 is not finite"),
        ("a: -.inf", "line 1 is not finite"),
        ("\n" * 3 + "[" * 5000, "line 4 nests deeper than 20"),
        ("".join(f"k{i}: 1\n" for i in range(12_000)), "over 10,000 keys and values"),
        (" " * 200_000, "over 131,072 characters"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is there twice"),
        ("a: [", "line 1"),
        ("a: 1\n---\nb: 1\n", "line 2"),
        ("? [a]\n: 1\n", "unhashable"),
        ("a: \x07", "special characters"),
    ],
)
def test_what_is_refused(text, reason):
    if not reason:
        assert yaml_values.parse(text, "it") == {"<<": {"a": 1}}
        return
    with pytest.raises(errors.DamagedFileError) as caught:
        yaml_values.parse(text, "it")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 300


def test_many_keys_are_read_in_linear_time():
    text = "".join(f"k{i}: 1\n" for i in range(4_000))
    assert len(yaml_values.parse(text, "it")) == 4_000
