"""The direction of imports, as BUILD.md's table gives it, and what must stay light.

Each rule is a function of a tree that lists all breaches at once, so that it can be
asked about a small tree with one breach, too.
"""

import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests import room_table

# Rooms of these may import TensorFlow's side, and do where a network needs it.
_LAZY = (
    "tfpipeline.model_source",
    "tfpipeline.estimate",
    "tfpipeline.plan",
    "export.__main__",
    "export.c.files",
    "export.gap8.files",
    "export.max78000.files",
    "export.tflite.from_graph",
    "export.tflite.verify",
    "export.tflm.files",
)
# The choice of Keras 2; the child process that must have Keras 3; and one that asks
# TensorFlow for what has no public name.
_CHOOSES_KERAS = (
    "tfpipeline.compat",
    "tfpipeline.own_networks.saved_model_child",
    "tfpipeline.readers.keras3_child",
    "tfpipeline.readers.keras3_opening_child",
)
_TENSORFLOW = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}


def _of_ours(imports: Iterable[str]) -> list[str]:
    return [each for each in imports if each.split(".")[0] in room_table.PACKAGES]


def _breaches(tree: room_table.Tree) -> list[str]:
    """What the table forbids: imports, and modules and imports of no room."""
    breaches = []
    for source in tree.sources:
        room = tree.room(source.module)
        if room is None:
            # Packages that only hold rooms have an __init__.py that imports nothing
            # of ours.
            is_package = source.path.name == "__init__.py"
            if not is_package or _of_ours(tree.imports[source.module]):
                breaches.append(f"{source.path} lies in no room of BUILD.md")
            continue
        breaches += [
            f"{source.path} (room {room}) must not import {imported} (room {other})"
            for imported, other in tree.leaving(source).items()
            if other not in tree.rooms[room]
        ]
    return breaches


def _unused(tree: room_table.Tree) -> list[str]:
    """Rooms of a row that no module of the row's room imports."""
    used: dict[str | None, set[str | None]] = {room: set() for room in tree.rooms}
    for source in tree.sources:
        used.setdefault(tree.room(source.module), set()).update(
            tree.leaving(source).values()
        )
    return [
        f"the row of {room} has {other}, which nothing there imports"
        for room, allowed in tree.rooms.items()
        for other in sorted(allowed - used[room])
    ]


def _tensorflow_imports(tree: room_table.Tree) -> list[str]:
    return [
        f"{source.path} imports {imported}: use tfpipeline.compat"
        for source in tree.sources
        if source.module not in _CHOOSES_KERAS
        for imported in sorted(tree.imports[source.module])
        if imported.split(".")[0] in _TENSORFLOW
    ]


def _without_code(tree: room_table.Tree) -> list[str]:
    return [
        f"the row of {room}, which is no module and no package"
        for room in tree.rooms
        if not (tree.root / room).is_dir()
        and not (tree.root / room).with_suffix(".py").exists()
    ]


_RULES = (
    _breaches,
    _unused,
    _tensorflow_imports,
    _without_code,
    room_table.upward_imports,
)


@pytest.fixture(scope="module")
def project():
    return room_table.read()


@pytest.fixture
def small_tree(tmp_path):
    """Writes a tree that keeps all rules, but for the files that a test gives."""
    (tmp_path / "BUILD.md").write_text(
        "| `tfpipeline/errors` |  | x |\n"
        "| `tfpipeline/compat` |  | x |\n"
        "| `tfpipeline/ir` | `tfpipeline/errors` | x |\n"
        "| `tfpipeline/ir/files` | `tfpipeline/ir` | x |\n"
        "| `tfpipeline/models` | `tfpipeline/compat` `tfpipeline/ir` | x |\n"
    )
    files = {
        "__init__": "",
        "errors": "",
        "compat": "import tensorflow",
        "ir/graph": "from tfpipeline import errors",
        "ir/files/reader": "import tfpipeline.ir.graph",
        "models": "from tfpipeline.compat import tf\nfrom tfpipeline.ir import graph",
    }

    def write(**changed: str | None) -> room_table.Tree:
        for name, text in {**files, **changed}.items():
            path = tmp_path / "tfpipeline" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                path.write_text(text)
        return room_table.read(tmp_path)

    return write


@pytest.mark.parametrize("rule", _RULES)
def test_the_project_keeps(project, rule):
    breaches = rule(project)
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("rule", _RULES)
def test_a_small_tree_keeps(small_tree, rule):
    assert rule(small_tree()) == []


@pytest.mark.parametrize(
    ("rule", "file", "text", "breach"),
    [
        (
            _breaches,
            "errors",
            "from tfpipeline.ir import graph",
            "tfpipeline/errors.py (room tfpipeline/errors) must not import "
            "tfpipeline.ir.graph (room tfpipeline/ir)",
        ),
        (
            _breaches,
            "ir/graph",
            "import tests.graph_builder",
            "tfpipeline/ir/graph.py (room tfpipeline/ir) must not import "
            "tests.graph_builder (room None)",
        ),
        (_breaches, "other", "", "tfpipeline/other.py lies in no room of BUILD.md"),
        (
            _unused,
            "ir/graph",
            "import json",
            "the row of tfpipeline/ir has tfpipeline/errors, which nothing there "
            "imports",
        ),
        (
            _tensorflow_imports,
            "models",
            "from tensorflow import keras",
            "tfpipeline/models.py imports tensorflow: use tfpipeline.compat",
        ),
        (
            _without_code,
            "compat",
            None,
            "the row of tfpipeline/compat, which is no module and no package",
        ),
        (
            room_table.upward_imports,
            "ir/files/reader",
            "from tfpipeline import models",
            "tfpipeline/ir/files/reader.py -> tfpipeline/models",
        ),
    ],
)
def test_a_breach_is_listed(small_tree, rule, file, text, breach):
    assert rule(small_tree(**{file: text})) == [breach]


def test_a_circle_of_rooms_is_listed(small_tree):
    assert room_table.upward_imports(
        small_tree(errors="from tfpipeline.ir import graph")
    ) == [
        "tfpipeline/errors.py -> tfpipeline/ir",
        "tfpipeline/ir/graph.py -> tfpipeline/errors",
    ]


def _without_tensorflow(tree: room_table.Tree) -> list[str]:
    """Modules of the rooms that reach no TensorFlow by the table, and of `_LAZY`."""

    def reaches(room: str, seen: frozenset[str] = frozenset()) -> bool:
        return room == "tfpipeline/compat" or any(
            reaches(other, seen | {room}) for other in tree.rooms[room] - seen
        )

    free = {room for room in tree.rooms if not reaches(room)}
    modules = [s.module for s in tree.sources if tree.room(s.module) in free]
    return [*modules, *_LAZY]


def test_numpy_side_leaves_tensorflow_alone(project):
    modules = _without_tensorflow(project)
    assert "tfpipeline.targets.tflm.worker" in modules
    code = (
        "import importlib, sys\n"
        "from absl import flags\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        # Entry points define flags of the same names.
        "    for name in list(flags.FLAGS):\n"
        "        delattr(flags.FLAGS, name)\n"
        "    if {'tensorflow', 'tf_keras'} & set(sys.modules):\n"
        "        sys.exit(f'{module} imports TensorFlow')\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code),
        cwd=room_table.ROOT,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
