"""JSON: its value, or one clear error, whatever it holds."""

import json

import hypothesis
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.untrusted import json_values

_PLAIN = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**63)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(strategies.characters(codec="utf-8")),
    lambda inner: (
        strategies.lists(inner)
        | strategies.dictionaries(
            strategies.text(strategies.characters(codec="utf-8")), inner
        )
    ),
)


@hypothesis.given(_PLAIN)
def test_values_come_back(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert json_values.parse(text, "it") == value
        assert json_values.parse(text.encode(), "it") == value


@hypothesis.given(strategies.binary(max_size=50))
def test_any_bytes_give_a_value_or_the_error(data):
    try:
        json_values.parse(data, "it")
    except errors.DamagedFileError as error:
        assert str(error).startswith("it ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[1,", "Expecting value"),
        (b"\xff", "codec can't decode"),
        ("[NaN]", "NaN is not finite"),
        ("[-Infinity]", "-Infinity is not finite"),
        ("[1e999]", "a number is not finite"),
        ("[" + "1" * 5000 + "]", "limit"),
        ("[" + "1" * 30 + "]", "over 64 bits"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is there twice"),
        ("[" * 101 + "]" * 101, "nests deeper than 100"),
        ("[" * 200_000, "nests deeper than 100"),
        ('{"a":' * 200_000, "nests deeper than 100"),
        (r'["\ud800"]', "surrogates not allowed"),
        (r'{"\uDFFF": 1}', "surrogates not allowed"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(errors.DamagedFileError, match="it ") as caught:
        json_values.parse(text, "it")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_just_allowed():
    assert json_values.parse("[" * 100 + "]" * 100, "it")
    assert json_values.parse(str(2**64 - 1), "it") == 2**64 - 1
    # A whole character of two escapes.
    assert json_values.parse(r'"\ud83d\ude00"', "it") == "\N{GRINNING FACE}"


def test_a_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": [1]}')
    assert json_values.read(path) == {"a": [1]}
    with pytest.raises(errors.StorageError, match="over 3 bytes"):
        json_values.read(path, limit=3)
    path.write_text("{")
    with pytest.raises(errors.DamagedFileError, match="is not valid JSON"):
        json_values.read(path)
