"""The command of a search: one folder, one search, nothing of others."""

import pytest

pytest.importorskip("optuna")

# What follows needs it.
from tests import folder_trees
from tfpipeline import atomic_files, errors
from tfpipeline.configs.quantization import Quantization
from tfpipeline.configs.run import Run
from tfpipeline.search import __main__ as search
from tfpipeline.search import studies, trials

_RECORD = {"flags": {}, "space": "flags: {}"}


def test_the_same_search_goes_on_and_another_is_refused(tmp_path):
    search._require_same(tmp_path / "new", _RECORD, studies)
    atomic_files.write_json(tmp_path / "search.json", _RECORD)
    search._require_same(tmp_path, _RECORD, studies)
    for other in ({"flags": {"seed": 3}}, {"space": "flags: {width: [1]}"}):
        with pytest.raises(errors.UsageError, match="holds another search"):
            search._require_same(tmp_path, _RECORD | other, studies)


@pytest.mark.parametrize("name", ["search.json", studies.JOURNAL])
def test_files_of_others_stay(name, tmp_path):
    (tmp_path / name).write_text('"mine"')
    before = folder_trees.files(tmp_path)
    with pytest.raises(errors.PipelineError) as raised:
        search._require_same(tmp_path, _RECORD, studies)
    assert folder_trees.files(tmp_path) == before
    assert len(str(raised.value)) < 400


def test_a_slip_in_the_space_leaves_nothing(tmp_path, monkeypatch):
    class Costs:
        def __init__(self, *given):
            pass

        def layers_with_weights(self, config):
            return ["conv"]

    monkeypatch.setattr(trials, "Costs", Costs)
    path = tmp_path / "space.yaml"
    path.write_text("flags: {weight_bits.cnv: [8, 4]}")
    config = Run(
        workdir=str(tmp_path / "search"), quantization=Quantization(scheme="max78000")
    )
    with pytest.raises(errors.UsageError, match="'cnv', which is no layer"):
        search.main(search.Command(space=str(path), run=config))
    assert not (tmp_path / "search" / "search.json").exists()


def test_what_is_missing_is_told(tmp_path):
    for command, why in (
        (search.Command(), "--space=FILE.yaml"),
        (search.Command(space="space.yaml"), "--workdir=DIR is missing"),
    ):
        with pytest.raises(errors.UsageError, match=why):
            search.main(command)
