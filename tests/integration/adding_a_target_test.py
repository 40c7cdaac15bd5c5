"""The page about a new target, walked for the targets that have all of it."""

import ast
import pathlib
import re

import pytest

from tests import room_table

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGE = (_ROOT / "docs" / "adding_a_target.md").read_text(encoding="utf-8")
_COMPLETE = ("max78000", "gap8")


def _rows() -> list[list[str]]:
    """The cells of all tables, those of headers and rules left out."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in _PAGE.splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 25
    return rows


def _defined(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("target", _COMPLETE)
def test_every_file_of_the_page_is_there_and_defines_what_it_says(target):
    for path, *cells in _rows():
        file = _ROOT / path.strip("`").replace("TARGET", target)
        assert file.is_file(), file
        names = set(re.findall(r"`(\w+)`", cells[0])) if len(cells) == 2 else set()
        if file.suffix == ".py" and names:
            assert names <= _defined(file), (file, names - _defined(file))


@pytest.mark.parametrize("target", _COMPLETE)
def test_shared_files_of_the_page_name_the_target(target):
    for path, *cells in _rows():
        if "TARGET" not in path and cells[0] not in _COMPLETE:
            text = (_ROOT / path.strip("`")).read_text(encoding="utf-8")
            assert target in text, path


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("target", _COMPLETE)
def test_the_page_leaves_out_nobody_who_reads_a_target(target):
    named = {
        _ROOT / path.strip("`").replace("TARGET", target)
        for path, *cells in _rows()
        if cells[0] == target or cells[0] not in _COMPLETE
    }
    folders = tuple(
        f"{package}.{target}"
        for package in ("tfpipeline.targets", "tfpipeline.quantization", "export")
    )
    tree = room_table.read(_ROOT)
    for source in tree.sources:
        if source.module.startswith(folders):
            continue
        reads = {x for x in tree.imports[source.module] if x.startswith(folders)}
        if reads:
            assert _ROOT / source.path in named, f"{source.path} reads {sorted(reads)}"
