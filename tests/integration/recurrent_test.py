"""Networks that keep a state through what verifies and bundles them."""

import pytest

from export.tflite import from_graph, verify
from export.tflm import arena, bundle, project, structures
from tests import recurrent
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, single_results
from tfpipeline.targets import catalog

MODELS = {
    "lstm": recurrent.lstm(),
    "lstm of int16": recurrent.lstm("int16"),
    "svdf": recurrent.svdf(),
}


@pytest.mark.parametrize("name", MODELS)
def test_verified_against_our_execution(name):
    found = verify.inspect(MODELS[name], images=4)
    assert found.simulated_images == 4
    assert found.operator_agreement == ()
    assert found.end_to_end is None


@pytest.mark.parametrize("name", MODELS)
def test_bundled_in_the_arena_predicted(name):
    made = bundle.prepare(MODELS[name], "net")
    head = made.measured.head_bytes
    expected = arena.estimate(made.program, structures.PACKAGE_64, head)
    assert expected.tail_bytes == made.measured.tail_bytes
    assert expected.arena_bytes == made.measured_bytes
    assert made.plan.greedy_bytes == head
    (case,) = made.cases
    (answer,) = micro.run(MODELS[name], case.inputs, 1)
    assert (answer == case.outputs[0]).all()
    assert "interpreter.Reset()" in project.main(made)


def test_priced_where_it_runs_and_refused_where_not():
    g = from_tflite.read(MODELS["lstm"])
    for each in catalog.estimate_all(g, catalog.NAMES, estimate.Options()):
        if each.target in ("gap8", "max78000", "max78002"):
            assert "keeps a state from run to run" in each.violations[0]
        else:
            assert not each.violations
            assert each.totals.macs == 5 * 4 * (6 * 4 + 6 * 6)
            # Of 6 and of 12 bytes, each from a multiple of 16.
            assert each.target != "tflm" or each.memory["state_bytes"] == 32
    with pytest.raises(errors.TargetError, match="keeps a state"):
        single_results.require(g, "GAP8")


def test_a_written_file_brings_what_tflite_asks_for():
    model = from_graph.to_bytes(from_tflite.read(MODELS["lstm"]))
    parsed = models.schema.ModelT.InitFromPackedBuf(model)
    assert len(parsed.subgraphs[0].operators[0].intermediates) == 5
