"""The command of a search: one folder, one search, nothing of others."""

import pytest

pytest.importorskip("optuna")

# What follows needs it.
from tests import folder_trees
from tfpipeline import errors
from tfpipeline.configs.run import Run
from tfpipeline.search import __main__ as search
from tfpipeline.search import studies


def _command(folder, **changed):
    return search.Command(space="space.yaml", run=Run(workdir=str(folder), **changed))


def test_the_same_search_goes_on_and_another_is_refused(tmp_path):
    root = tmp_path / "search"
    search._begin(root, _command(root), "flags: {}", studies)
    search._begin(root, _command(root), "flags: {}", studies)
    with pytest.raises(errors.UsageError, match="holds another search"):
        search._begin(root, _command(root, seed=3), "flags: {}", studies)
    with pytest.raises(errors.UsageError, match="holds another search"):
        search._begin(root, _command(root), "flags: {width: [1]}", studies)


@pytest.mark.parametrize("name", ["search.json", studies.JOURNAL])
def test_files_of_others_stay(name, tmp_path):
    (tmp_path / name).write_text('"mine"')
    before = folder_trees.files(tmp_path)
    with pytest.raises(errors.PipelineError) as raised:
        search._begin(tmp_path, _command(tmp_path), "flags: {}", studies)
    assert folder_trees.files(tmp_path) == before
    assert len(str(raised.value)) < 400


def test_what_is_missing_is_told(tmp_path):
    for command, why in (
        (search.Command(), "--space=FILE.yaml"),
        (search.Command(space="space.yaml"), "--workdir=DIR is missing"),
    ):
        with pytest.raises(errors.UsageError, match=why):
            search.main(command)
