import pytest

from tests import measures

_FLAGS = '''
import dataclasses

SCHEMES = {"int8": 1, "int16x8": 2, "gap8": 3}
TYPES = ("int8", "int4")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Of a run."""

    model: str
'''
_TRAIN = '''
import sys

from tfpipeline import flags as flags_lib
from tfpipeline.models import registry


def main(config: flags_lib.RunConfig) -> None:
    """Trains."""
    print(registry.find(config.model))
    sys.exit(0)
'''
_REGISTRY = """
import dataclasses

from tfpipeline import flags


@dataclasses.dataclass
class _Entry:
    name: str


def find(name):
    found = [entry for entry in (_Entry("a"),) if entry.name == name and name]
    if name == "int4" or name == flags.GAP8_8BIT:
        return None

    def inner():
        print(found)

    return inner
"""


_ROWS = [
    ("modules", "3", ()),
    (
        "lines of functions, p50/p90/max",
        "4/8/9 of 3",
        ("tfpipeline/models/registry.py:12 find",),
    ),
    ("files of over 400 lines", "0", ()),
    ("longest file", "tfpipeline/models/registry.py (20)", ()),
    ("upward imports", "0", ()),
    (
        "tables and chains of 3 or more number formats",
        "1",
        ("tfpipeline/flags.py:4 gap8 int16x8 int8",),
    ),
    (
        "tables and chains of 2 or more number formats",
        "2",
        (
            "tfpipeline/flags.py:4 gap8 int16x8 int8",
            "tfpipeline/models/registry.py:12 gap8_8bit int4",
        ),
    ),
    (
        "modules that name int16x8 or gap8_8bit",
        "2",
        ("tfpipeline/flags.py", "tfpipeline/models/registry.py"),
    ),
    (
        "modules with functions that take a run's configuration",
        "1 (1 functions)",
        ("tfpipeline/train.py",),
    ),
    (
        "modules that it or a field of it is passed to",
        "2",
        ("tfpipeline/models/registry.py", "tfpipeline/train.py"),
    ),
    (
        "prints and exits below an entry point",
        "1",
        ("tfpipeline/models/registry.py:18 print",),
    ),
    (
        "frozen dataclasses",
        "1 of 2 (50.0 %)",
        ("tfpipeline/models/registry.py:8 _Entry",),
    ),
    (
        "public functions with types",
        "1 of 2 (50.0 %)",
        ("tfpipeline/models/registry.py:12 find",),
    ),
    (
        "public functions with a docstring",
        "1 of 2 (50.0 %)",
        ("tfpipeline/models/registry.py:12 find",),
    ),
    ("complexity, max", "6", ("tfpipeline/models/registry.py:12 find",)),
    (
        "functions with locals named found, own, wanted or made",
        "1 of 3 (33.3 %)",
        ("tfpipeline/models/registry.py:12 find",),
    ),
    (
        "tests of coverage (test_every_...)",
        "1",
        ("tests/a_test.py test_every_kind_has_a_case",),
    ),
]


@pytest.fixture
def tree(tmp_path):
    """A tree of three modules and a test."""
    (tmp_path / "BUILD.md").write_text(
        "| `tfpipeline/flags` |  | x |\n"
        "| `tfpipeline/models` | `tfpipeline/flags` | x |\n"
        "| `tfpipeline/train` | `tfpipeline/flags` `tfpipeline/models` | x |\n"
    )
    (tmp_path / "tfpipeline" / "models").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tfpipeline" / "flags.py").write_text(_FLAGS)
    (tmp_path / "tfpipeline" / "train.py").write_text(_TRAIN)
    (tmp_path / "tfpipeline" / "models" / "registry.py").write_text(_REGISTRY)
    (tmp_path / "tests" / "a_test.py").write_text("def test_every_kind_has_a_case(): 0")
    return tmp_path


@pytest.fixture
def figures(tree):
    return {figure.name: figure for figure in measures.measure(tree)}


@pytest.mark.parametrize(("name", "value", "places"), _ROWS)
def test_figures_of_a_small_tree(figures, name, value, places):
    assert (figures[name].value, figures[name].places) == (value, places)


def test_every_figure_has_a_row_above(figures):
    assert set(figures) == {name for name, _, _ in _ROWS}


def test_the_report_names_places_when_asked(tree, capsys):
    measures.main([f"--tree={tree}"])
    assert "registry.py:18 print" not in capsys.readouterr().out
    measures.main([f"--tree={tree}", "--list"])
    assert "registry.py:18 print" in capsys.readouterr().out
