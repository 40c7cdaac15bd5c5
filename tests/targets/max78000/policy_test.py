"""Policy files: what they mean, and the one line that says what is wrong."""

import pytest

from tfpipeline import errors
from tfpipeline.targets.max78000 import policy

GOOD = """
start_epoch: 10
weight_bits: 8
shift_quantile: 0.998
overrides:
  conv1:
    weight_bits: 4
  logits:
    weight_bits: 1
"""


def test_a_file_gives_every_layer_its_bits():
    found = policy.parse(GOOD)
    assert found == policy.Policy(
        weight_bits=8,
        overrides={"conv1": 4, "logits": 1},
        shift_quantile=0.998,
        start_epoch=10,
    )
    assert [found.bits(name) for name in ("conv1", "conv2", "logits")] == [4, 8, 1]


def test_only_two_keys_are_needed():
    found = policy.parse("{start_epoch: 0, weight_bits: 2}")
    assert found == policy.Policy(weight_bits=2, start_epoch=0)
    assert policy.parse("{start_epoch: 0, weight_bits: 2, overrides: }") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file must give start_epoch, weight_bits, .*; found None"),
        ("- 1", r"the file must give .*; found \[1\]"),
        ("weight_bits: 8", "the file lacks the key 'start_epoch'"),
        ("start_epoch: 1", "the file lacks the key 'weight_bits'"),
        (GOOD + "bits: 3", "unknown key 'bits'; valid are start_epoch, weight_bits, s"),
        (GOOD + "weight_bits: 4", "the key 'weight_bits' is there twice"),
        (GOOD.replace("logits", "conv1"), "the key 'conv1' is there twice"),
        (GOOD.replace("bits: 8", "bits: 3"), "must be one of 1, 2, 4, 8; found 3"),
        (GOOD.replace("bits: 8", "bits: true"), "of 1, 2, 4, 8; found True"),
        (GOOD.replace("bits: 8", "bits: '8'"), "of 1, 2, 4, 8; found '8'"),
        (GOOD.replace("bits: 8", "bits: 8.0"), "of 1, 2, 4, 8; found 8.0"),
        (GOOD.replace("bits: 4", "bits: 5"), "weight_bits of 'conv1' must be one of 1"),
        (GOOD.replace("bits: 4", "width: 4"), "overrides of 'conv1' has the unknown k"),
        (GOOD.replace("epoch: 10", "epoch: -1"), "an integer from 0; found -1"),
        (GOOD.replace("epoch: 10", "epoch: 1.5"), "an integer from 0; found 1.5"),
        (GOOD.replace("0.998", "1.5"), "a number from 0 to 1; found 1.5"),
        (GOOD.replace("0.998", "high"), "a number from 0 to 1; found 'high'"),
        ("{start_epoch: 1, weight_bits: 8, overrides: [a]}", r"values; found \['a'\]"),
        ("{start_epoch: 1, weight_bits: 8, overrides: {a: 4}}", "of 'a' must give"),
        (
            "a: b: c",
            "not valid YAML, or damaged: line 1: mapping values are not allowed here",
        ),
        ("!!python/object/apply:os.getcwd []", "line 1 has the tag"),
    ],
)
def test_one_line_says_what_is_wrong(text, message):
    with pytest.raises(errors.UsageError, match=message) as caught:
        policy.parse(text)
    assert "\n" not in str(caught.value)


def test_bits_for_a_layer_that_is_not_there():
    found = policy.Policy(overrides={"conv9": 4})
    with pytest.raises(
        errors.UsageError, match=r"'conv9', .* of 'net'; it has conv1, f"
    ):
        found.check_names(("conv1", "fc"), "net")
