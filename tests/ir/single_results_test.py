"""Chips whose layers have one result say so of networks with others."""

import pytest

from tests.ir import tflite_values
from tfpipeline import errors
from tfpipeline.cost import activations, estimate
from tfpipeline.ir import from_tflite, single_results
from tfpipeline.targets import catalog


@pytest.fixture(name="partly")
def _partly(tmp_path):
    file = tmp_path / "partly.tflite"
    file.write_bytes(tflite_values.partly_unknown())
    return from_tflite.read_file_partly(file).graph


def test_an_unknown_operator_is_in_the_way(partly):
    first, second = single_results.reasons(partly)
    assert first == "Unknown 'c': the operator CUMSUM is not supported"
    assert second.startswith("Unknown 'd'")
    with pytest.raises(errors.TargetError, match=r"MAX78000 cannot run it.*CUMSUM"):
        single_results.require(partly, "MAX78000")


def test_every_target_prices_the_rest_or_says_why_not(partly):
    found = {
        each.target: each
        for each in catalog.estimate_all(partly, catalog.SURVEYED, estimate.Options())
    }
    for name, each in found.items():
        if name.startswith("max") or name == "gap8":
            assert "CUMSUM" in each.violations[0]
        else:
            assert not each.violations
            assert each.totals.add == 8


def test_activations_around_an_unknown_operator_are_planned(partly):
    """`b` lives until the last layer reads it."""
    buffers = {each.name: each for each in activations.find_buffers(partly)}
    assert (buffers["b"].first_use, buffers["b"].last_use) == (1, 4)
    assert (buffers["d"].first_use, buffers["d"].last_use) == (3, 4)
