import pytest

from tests import quick_tier, room_table

_FILES = {
    "tfpipeline/__init__.py": "",
    "tfpipeline/compat.py": "import tensorflow",
    "tfpipeline/models.py": "from tfpipeline import compat",
    "tfpipeline/source.py": "def f():\n    from tfpipeline import models",
    "tfpipeline/errors.py": "import os",
    "tfpipeline/pool.py": "try:\n    import subprocess\nexcept ImportError:\n    raise",
    "tests/builders.py": "from tfpipeline import source",
    "tests/late/conftest.py": "def f():\n    import tfpipeline.models",
    "tests/early/conftest.py": "import tfpipeline.models",
}


@pytest.mark.parametrize(
    ("file", "text", "costly"),
    [
        ("a_test.py", "import numpy\nfrom tfpipeline import errors", set()),
        ("a_test.py", "import subprocess", {"subprocess"}),
        ("a_test.py", "from tfpipeline import pool", {"subprocess"}),
        (
            "a_test.py",
            "from tests import builders",
            {"tfpipeline.compat", "tensorflow"},
        ),
        (
            "a_test.py",
            "def test_a():\n    with open('a'):\n        import tensorflow",
            {"tensorflow"},
        ),
        ("late/a_test.py", "", set()),
        ("early/a_test.py", "", {"tfpipeline.compat", "tensorflow"}),
        ("early/inner/a_test.py", "", {"tfpipeline.compat", "tensorflow"}),
    ],
)
def test_what_makes_a_test_costly(tmp_path, file, text, costly):
    path = tmp_path / "tests" / file
    for name, content in {**_FILES, str(path.relative_to(tmp_path)): text}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert quick_tier.costly_imports(path, tmp_path) == costly


def test_a_folder_is_as_costly_as_its_conftest(tmp_path):
    for name, content in _FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert quick_tier.costly_imports(tmp_path / "tests" / "early", tmp_path)
    assert not quick_tier.costly_imports(tmp_path / "tests" / "late", tmp_path)
    assert not quick_tier.costly_imports(tmp_path / "tests", tmp_path)


def test_some_of_this_project_are_quick_and_some_are_not():
    tests = room_table.ROOT / "tests"
    assert not quick_tier.costly_imports(tests / "ir" / "graph_test.py")
    assert "tensorflow" in quick_tier.costly_imports(
        tests / "training" / "loop_test.py"
    )
