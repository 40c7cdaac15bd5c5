"""docs/models.md says what the code does."""

import pathlib
import re

import pytest

from tests import registered_networks
from tfpipeline import errors
from tfpipeline.models import specs, table

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "models.md"


def _rows() -> dict[str, str]:
    page = PAGE.read_text(encoding="utf-8")
    rows = page.partition(table.BEGIN)[2].partition(table.END)[0].splitlines()[3:]
    return {row.split("`")[1]: row for row in rows}


@pytest.mark.slow
def test_page_has_the_rows_that_the_code_renders():
    rows = _rows()
    assert list(rows) == list(specs.MODELS)
    assert "| 94,314 |" in rows["cmsisnet"]
    for name in set(rows) - set(registered_networks.HEAVY):
        assert rows[name] == table.row(specs.MODELS[name]), table.__doc__


@pytest.mark.slow
def test_page_has_the_table_that_the_code_renders():
    page = PAGE.read_text(encoding="utf-8")
    assert page == table.replace_table(page), f"{PAGE.name} is old: {table.__doc__}"


def test_update_page_replaces_an_old_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "render", lambda: "| model |\n")
    path = tmp_path / "page.md"
    path.write_text(f"# Before\n{table.BEGIN}\nold\n{table.END}\nAfter\n")
    table.update_page(path)
    assert path.read_text(encoding="utf-8") == (
        f"# Before\n{table.BEGIN}\n| model |\n{table.END}\nAfter\n"
    )


@pytest.mark.parametrize(
    "page",
    [
        "no markers",
        table.BEGIN,
        f"{table.END} {table.BEGIN}",
        f"{table.BEGIN} {table.END} {table.BEGIN} {table.END}",
    ],
)
def test_page_without_a_place_for_the_table(page):
    with pytest.raises(errors.UsageError, match="once and in order"):
        table.replace_table(page)


def test_python_example_of_the_page_prints_what_it_says(capsys):
    (example,) = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S
    )
    (expected,) = re.findall(r"print\(.*\)  # (.*)", example)
    exec(example, {})
    assert capsys.readouterr().out.strip() == expected
