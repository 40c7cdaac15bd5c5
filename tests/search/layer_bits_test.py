"""Bits by layer: the layers that are meant, and which candidates come first."""

import dataclasses

import pytest

from tfpipeline import errors
from tfpipeline.configs.quantization import Quantization
from tfpipeline.configs.recipe import Training
from tfpipeline.configs.run import Run
from tfpipeline.search import layer_bits
from tfpipeline.search import space as spaces
from tfpipeline.targets.max78000 import policy as policies

_BASE = Run(quantization=Quantization(scheme="max78000"))
_NAMES = ("conv1", "conv2", "conv3", "logits")
_CSV = """layer,kind,format,accumulated_db,alone_db
conv1,Conv2D,wi4_ai8 PTQ,9,9.000
relu,Activation,wi4_ai8 PTQ,9,99.000
conv2,Conv2D,wi4_ai8 PTQ,9,30.000
conv3,Conv2D,wi4_ai8 PTQ,9,nan
logits,Dense,wi4_ai8 PTQ,9,20.000
conv1,Conv2D,wi8_ai8 PTQ,9,80.000
"""


def _space(flags, more=""):
    return spaces.parse(f"flags: {{{flags}}}\n{more}", "space.yaml")


def test_a_star_stands_for_each_layer_that_is_not_named():
    space = _space("width: [1.0], weight_bits.conv1: [8], weight_bits.*: [8, 4]")
    every = layer_bits.expanded(space, _BASE, _NAMES)
    others = {f"weight_bits.{name}": (8, 4) for name in _NAMES[1:]}
    assert every.flags == {"width": (1.0,), "weight_bits.conv1": (8,), **others}
    plain = _space("width: [1.0]")
    assert layer_bits.expanded(plain, Run(), _NAMES) is plain


def test_what_cannot_be_searched_is_told():
    space = _space("weight_bits.conv9: [8, 4]")
    with pytest.raises(errors.UsageError, match="'conv9', which is no layer"):
        layer_bits.expanded(space, _BASE, _NAMES)
    with pytest.raises(errors.UsageError, match="--scheme=int8 has one width"):
        layer_bits.expanded(space, Run(), _NAMES)
    for flags in ("weight_bits.a: {low: 1, high: 8}", "weight_bits.a: [8, x]"):
        with pytest.raises(errors.UsageError, match=r"weight_bits\.a' has a list of"):
            _space(flags)
    with pytest.raises(errors.UsageError, match="`sensitivity` names"):
        _space("width: [1.0]", "sensitivity: a.csv")


def test_what_hurts_least_is_narrowed_first():
    space = layer_bits.expanded(_space("weight_bits.*: [4, 8]"), _BASE, _NAMES)
    candidates = layer_bits.first_candidates(space, _CSV, "layer_error.csv")
    narrow = [
        {name.partition(".")[2] for name, bits in each.items() if bits == 4}
        for each in candidates
    ]
    assert narrow == [
        set(),
        {"conv3"},
        {"conv3", "conv2"},
        {"conv3", "conv2", "logits"},
        set(_NAMES),
    ]
    for text in ("", "a,b\n1,2\n", _CSV.replace("30.000", "loud")):
        with pytest.raises(errors.UsageError, match=r"is no layer_error\.csv"):
            layer_bits.first_candidates(space, text, "some.csv")
    with pytest.raises(errors.UsageError, match="has no layer 'conv2'"):
        layer_bits.first_candidates(space, _CSV.replace("conv2", "other"), "some.csv")


def test_a_candidate_has_a_policy_of_its_bits():
    base = dataclasses.replace(_BASE, training=Training(epochs=7))
    chosen = {"weight_bits.conv1": 2, "weight_bits.logits": 8}
    config = spaces.applied(base, chosen, "here")
    policy = policies.parse(config.quantization.policy)
    assert policy.overrides == {"conv1": 2, "logits": 8}
    assert (
        (policy.weight_bits, policy.start_epoch) == (8, 7) == (8, config.float_epochs)
    )
    again = spaces.applied(config, {"weight_bits.conv1": 4}, "there")
    assert policies.parse(again.quantization.policy).overrides == {
        "conv1": 4,
        "logits": 8,
    }
