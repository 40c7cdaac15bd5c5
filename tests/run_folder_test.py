"""What makes two commands the same run."""

import ast
import pathlib

import pytest

from tests import folder_trees, room_table
from tfpipeline import (
    atomic_files,
    descriptor_forms,
    errors,
    marked_folder,
    markers,
    number_formats,
    run_folder,
)


def _record(fingerprint="f", **flags):
    return {"flags": {"epochs": 3, **flags}, "data": {"fingerprint": fingerprint}}


def test_new_then_resumed(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "run")
    assert not run_folder.begin(folder, _record())
    assert run_folder.begin(folder, _record())
    assert atomic_files.read_json(folder.run_json) == _record()


def test_other_flags_are_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    run_folder.begin(folder, _record(seed=1))
    with pytest.raises(errors.UsageError) as raised:
        run_folder.begin(folder, _record(seed=2, epochs=4))
    text = str(raised.value)
    assert "--epochs was 3 and is now 4, --seed was 1 and is now 2" in text
    assert atomic_files.read_json(folder.run_json) == _record(seed=1)


def test_other_images_are_refused(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    run_folder.begin(folder, _record())
    with pytest.raises(errors.UsageError, match="other images"):
        run_folder.begin(folder, _record(fingerprint="g"))


def test_a_damaged_run_json_is_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    folder.run_json.write_text("{")
    with pytest.raises(errors.StorageError, match=r"run\.json is not valid JSON"):
        run_folder.begin(folder, _record())


def test_a_run_json_without_what_is_needed_is_named(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    folder.run_json.write_text("[]")
    with pytest.raises(errors.StorageError, match=r"run\.json"):
        run_folder.begin(folder, _record())


def test_a_run_needs_a_folder():
    assert run_folder.of("runs/a").root == pathlib.Path("runs/a")
    for name in (None, ""):
        with pytest.raises(errors.UsageError, match="--workdir=DIR is missing"):
            run_folder.of(name)


def test_the_same_run_is_told_without_beginning_it(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "run")
    flags = _record()["flags"]
    assert run_folder.require_same(folder, flags) is None
    assert not folder.root.exists()
    run_folder.begin(folder, _record())
    assert run_folder.require_same(folder, flags) == "f"
    with pytest.raises(errors.UsageError, match="--epochs was 3 and is now 4"):
        run_folder.require_same(folder, {"epochs": 4})


def test_paths_lie_below_the_root():
    folder = run_folder.RunFolder(pathlib.Path("runs/a"))
    for path in (
        folder.run_json,
        folder.splits_json,
        folder.summary,
        folder.results_json,
        folder.checkpoints("qat"),
        folder.model("float"),
        folder.export("int8"),
    ):
        assert path.is_relative_to(folder.root)


@pytest.mark.parametrize(
    "name",
    [
        *("splits.json", "summary.txt", "results.json", "metrics.jsonl", "export"),
        *("checkpoints", "tensorboard", "float", "qat", "qat_int4", "gap8_16_qat"),
        *("graph", "graph_int16x8", "layer_error.csv", "layer_error.png"),
    ],
)
def test_a_new_run_takes_no_folder_with_a_name_of_its_own(tmp_path, name):
    (tmp_path / name).write_text("mine")
    before = folder_trees.tree(tmp_path)
    with pytest.raises(errors.ForeignFileError, match=f"'{name}', which no run wrote"):
        run_folder.begin(run_folder.RunFolder(tmp_path), _record())
    assert folder_trees.tree(tmp_path) == before


def test_a_new_run_takes_a_folder_with_other_names(tmp_path):
    for name in ("log.txt", "run.flags", "floats", "graphs", "qatar"):
        (tmp_path / name).write_text("mine")
    assert not run_folder.begin(run_folder.RunFolder(tmp_path), _record())
    assert set(folder_trees.ours(tmp_path)) == {
        *("log.txt", "run.flags", "floats", "graphs", "qatar", "run.json")
    }


@pytest.mark.parametrize("content", ["{}", "[]", "mine", '{"flags": 3, "data": {}}'])
def test_a_run_json_of_others_is_no_run(tmp_path, content):
    folder = run_folder.RunFolder(tmp_path)
    folder.run_json.write_text(content)
    assert not run_folder.is_run(folder)
    with pytest.raises(errors.StorageError, match=r"run\.json"):
        run_folder.begin(folder, _record())
    assert folder_trees.files(tmp_path) == {"run.json": content.encode()}


def test_an_old_run_gets_a_marker_with_its_files(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    atomic_files.write_json(folder.run_json, _record())
    names = ["metrics.jsonl", "float/weights.npz", "export/gap8/program.npz"]
    others = ["notes.txt", "checkpoints/float/epoch-00001.npz", "layer_error.csv"]
    for name in (*names, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "float" / "link").symlink_to(tmp_path / "notes.txt")
    assert run_folder.begin(folder, _record())
    marker = markers.read(tmp_path)
    assert marker.writer == markers.RUN
    assert set(marker.files) == {"run.json", *names}
    before = folder_trees.tree(tmp_path)
    assert run_folder.begin(folder, _record())
    assert folder_trees.tree(tmp_path) == before


def test_an_export_is_no_run(tmp_path):
    marked_folder.write(tmp_path, {"model.tflite": ""})
    with pytest.raises(errors.ForeignFileError, match="holds what `export` wrote"):
        run_folder.begin(run_folder.RunFolder(tmp_path), _record())
    atomic_files.write_json(tmp_path / "run.json", _record())
    with pytest.raises(errors.ForeignFileError, match="holds what `export` wrote"):
        run_folder.begin(run_folder.RunFolder(tmp_path), _record())


def test_every_number_format_has_its_places():
    folder = run_folder.RunFolder(pathlib.Path("run"))
    for each in number_formats.ALL:
        assert folder.export_file(each.name) == pathlib.Path(
            "run", "export", each.name, each.file
        )
        assert folder.owns(each.stage)
        assert folder.owns(folder.other_graph(each.name).name)
    files = folder.tflite_files()
    assert list(files) == [each.name for each in number_formats.tflite()]
    assert files["int16x8"] == pathlib.Path("run/export/int16x8/model.tflite")
    stored = map(descriptor_forms.stored_name, descriptor_forms.NAMES)
    for name in (*stored, "graph", "tensorboard", "metrics.jsonl"):
        assert folder.owns(name), name
    for name in ("notes.txt", "floats", "my_graph", "run.json.txt", ".tfpipeline"):
        assert not folder.owns(name), name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/runs/mine/export/int8/model.tflite", "mine"),
        ("/runs/mine/export/int16x8/model.tflite", "mine"),
        ("/nets/kws.tflite", "kws"),
        ("/nets/kws/model.tflite", "kws"),
        ("/export/model.tflite", ""),
    ],
)
def test_a_network_is_called_by_the_first_name_that_tells(file, name):
    assert run_folder.telling_name(pathlib.Path(file)) == name


# Names that are a run's alone, and those that are so below another folder only.
_ALONE = {
    *("run.json", "splits.json", "summary.txt", "results.json", "metrics.jsonl"),
    *("history.json", "tensorboard", "checkpoints", "layer_error.csv"),
}
_BELOW = {"export", "graph", "float", "qat"}


def _spelled(tree: ast.AST) -> set[str]:
    """Places of a run that a module spells itself."""
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    joined = [
        node.right
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    ]
    below = [node.value for node in joined if isinstance(node, ast.Constant)]
    return {n.value for n in texts if n.value in _ALONE} | (_BELOW & set(below))


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("folder / 'export' / name", {"export"}),
        ("a = 'graph'", set()),
        ("open('metrics.jsonl')", {"metrics.jsonl"}),
        ("folder / 'model.tflite'", set()),
    ],
)
def test_what_counts_as_a_place(code, places):
    assert _spelled(ast.parse(code)) == places


def test_nobody_else_spells_the_places_of_a_run():
    spelled = {
        str(source.path): places
        for source in room_table.read().sources
        if (places := _spelled(source.tree))
    }
    assert set(spelled) == {"tfpipeline/run_folder.py"}, spelled


@pytest.mark.parametrize("name", ["file", "file/run", "loop", "loop/run"])
def test_what_is_no_folder_is_refused_before_anything_is_done(name, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    folder = run_folder.RunFolder(tmp_path / name)
    with pytest.raises(errors.ForeignFileError, match=r"is no folder\. Choose another"):
        run_folder.require_same(folder, {})
    assert (tmp_path / "file").read_text() == "mine"
