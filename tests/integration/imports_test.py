"""The direction of imports, as BUILD.md's table gives it, and what must stay light."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _rooms() -> dict[str, set[str]]:
    """Room -> rooms it may import, read from the table in BUILD.md."""
    rows = re.findall(
        r"^\| `([\w./]+)` \| ([^|]*) \|",
        (_ROOT / "BUILD.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {room: set(re.findall(r"`([\w./]+)`", allowed)) for room, allowed in rows}


def _module(path: pathlib.Path) -> str:
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str, rooms: dict[str, set[str]]) -> str | None:
    """The most specific room that `module` lies in."""
    name = module.replace(".", "/")
    fitting = [r for r in rooms if name == r or name.startswith(r + "/")]
    return max(fitting, key=len, default=None)


def _imports(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                candidate = _ROOT / dotted.replace(".", "/")
                is_module = candidate.is_dir() or candidate.with_suffix(".py").exists()
                found.add(dotted if is_module else node.module)
    return found


def _sources() -> list[pathlib.Path]:
    return sorted(
        path for top in ("tfpipeline", "export") for path in (_ROOT / top).rglob("*.py")
    )


@pytest.mark.parametrize("path", _sources(), ids=_module)
def test_imports_go_one_way(path):
    rooms = _rooms()
    module = _module(path)
    room = _room(module, rooms)
    if room is None:
        # Packages that only hold rooms have an empty __init__.py.
        assert path.name == "__init__.py", f"{module} lies in no room of BUILD.md"
        assert not _imports(path), f"{path} lies in no room and imports"
        return
    for imported in _imports(path):
        if imported in ("tfpipeline", "export") or not imported.startswith(
            ("tfpipeline.", "export.", "tests.")
        ):
            continue
        target = _room(imported, rooms)
        assert target is not None, f"{imported} lies in no room"
        if target != room:
            assert target in rooms[room], (
                f"{module} (room {room}) must not import {imported} (room {target}); "
                "see the table in BUILD.md"
            )


@pytest.mark.parametrize("path", _sources(), ids=_module)
def test_only_compat_imports_tensorflow(path):
    forbidden = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
    if _module(path) == "tfpipeline.compat":
        return
    for imported in _imports(path):
        assert imported.split(".")[0] not in forbidden, f"import {imported}: use compat"


def test_table_has_no_room_without_code():
    for room in _rooms():
        path = _ROOT / room
        assert path.is_dir() or path.with_suffix(".py").exists(), room


@pytest.mark.parametrize(
    "module",
    [
        "tfpipeline.cost.arena_planner",
        "tfpipeline.ir.from_tflite",
        "tfpipeline.run_folder",
        "tfpipeline.simulate.execution",
        "tfpipeline.targets.max78000.cost",
        "tfpipeline.targets.stm32.cost",
        "tfpipeline.targets.tflm.arena",
        "tfpipeline.targets.tflm.reference",
        "tfpipeline.targets.tflm.worker",
        "tfpipeline.camera",
        "tfpipeline.estimate",
        "export.max78000.files",
        "export.tflite.verify",
    ],
)
def test_numpy_side_leaves_tensorflow_alone(module):
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), cwd=_ROOT, timeout=120)
    assert done.returncode == 0
