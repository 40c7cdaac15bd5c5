"""The page of operators is what the tables say today."""

from tests import operators_page
from tfpipeline.ir import graph


def test_the_page_is_of_todays_tables():
    assert operators_page.FILE.read_text(encoding="utf-8") == operators_page.text(), (
        "python -m tests.operators_page writes it again"
    )


def test_every_kind_has_a_row():
    rows = operators_page.text().splitlines()
    kinds = [row.split(" | ")[0].removeprefix("| ") for row in rows if row[:2] == "| "]
    assert kinds[2:] == [kind.__name__ for kind in graph.LAYER_KINDS]
