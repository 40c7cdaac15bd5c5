"""The rooms of a tree: BUILD.md's table, and which module imports which.

Used by the test of the direction of imports and by `tests.measures`; works on any tree
of this project, the one that it lies in by default.
"""

import ast
import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterator, Mapping

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("tfpipeline", "export")


@dataclasses.dataclass(frozen=True)
class Source:
    """A module of the packages.

    Attributes:
        path: from the tree's top.
        module: its dotted name.
        lines: of the file.
        tree: parsed.
    """

    path: pathlib.PurePosixPath
    module: str
    lines: int
    tree: ast.Module


@dataclasses.dataclass(frozen=True)
class Tree:
    """A state of the project, as text.

    Attributes:
        root: its top.
        rooms: room -> rooms that it may import, as the table in BUILD.md says.
        sources: all modules of the packages, sorted by path.
        imports: module -> dotted names of the modules that it imports.
    """

    root: pathlib.Path
    rooms: Mapping[str, frozenset[str]]
    sources: tuple[Source, ...]
    imports: Mapping[str, frozenset[str]]

    def room(self, module: str) -> str | None:
        """The most specific room that `module` lies in."""
        name = module.replace(".", "/")
        fitting = [r for r in self.rooms if name == r or name.startswith(r + "/")]
        return max(fitting, key=len, default=None)

    def leaving(self, source: Source) -> dict[str, str | None]:
        """Modules of ours that `source` imports out of its room -> their rooms.

        The packages themselves are no modules, since their `__init__.py` is in no room.
        """
        own_room = self.room(source.module)
        return {
            imported: self.room(imported)
            for imported in sorted(self.imports[source.module])
            if imported.split(".")[0] in (*PACKAGES, "tests")
            and imported not in PACKAGES
            and (self.room(imported) is None or self.room(imported) != own_room)
        }


def paths(root: pathlib.Path) -> list[pathlib.Path]:
    """The modules of the packages, sorted."""
    return sorted(p for top in PACKAGES for p in (root / top).rglob("*.py"))


@functools.cache
def read(root: pathlib.Path = ROOT) -> Tree:
    """Reads and parses the tree at `root`.

    Raises:
        ValueError: a relative import, which this project does not have.
    """
    sources = tuple(_source(root, path) for path in paths(root))
    rows = re.findall(
        r"^\| `([\w./]+)` \| ([^|]*) \|",
        (root / "BUILD.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return Tree(
        root=root,
        rooms={row: frozenset(re.findall(r"`([\w./]+)`", rest)) for row, rest in rows},
        sources=sources,
        imports={s.module: frozenset(imports(s.tree, root)) for s in sources},
    )


def _source(root: pathlib.Path, path: pathlib.Path) -> Source:
    relative = path.relative_to(root)
    parts = relative.with_suffix("").parts
    text = path.read_text(encoding="utf-8")
    return Source(
        path=pathlib.PurePosixPath(relative.as_posix()),
        module=".".join(parts[:-1] if parts[-1] == "__init__" else parts),
        lines=len(text.splitlines()),
        tree=ast.parse(text, filename=str(path)),
    )


def imports(tree: ast.Module, root: pathlib.Path = ROOT) -> Iterator[str]:
    """Dotted names of the modules that a parsed module imports, anywhere in it.

    A name that is imported from a module stands for the module, unless it is one.

    Raises:
        ValueError: a relative import.
    """
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"relative import: {ast.unparse(node)}")
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                place = root / dotted.replace(".", "/")
                is_module = place.is_dir() or place.with_suffix(".py").exists()
                yield dotted if is_module else node.module


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in a module, and no expressions, which are most of the text."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        for statement in getattr(node, field, ()):
            yield statement
            yield from _statements(statement)


def upward_imports(tree: Tree) -> list[str]:
    """Modules that import against the direction, each with the rooms above it.

    A room that lies inside another one is a part of it, so that a module of it must not
    import what itself stands upon the outer room. Nor may rooms stand in a circle.
    """
    arrows: dict[str, set[str]] = {room: set() for room in tree.rooms}
    leaving = []
    for source in tree.sources:
        room = tree.room(source.module)
        others = {other for other in tree.leaving(source).values() if other}
        if room is not None:
            arrows[room] |= others
            leaving.append((source, room, others))
    below = {room: _reach(arrows, room) for room in tree.rooms}
    upward = []
    for source, room, others in leaving:
        outer = {other for other in tree.rooms if room.startswith(other + "/")}
        inside = tuple(f"{other}/" for other in outer | {room})
        above = sorted(
            other
            for other in others - outer
            if below[other] & (outer | {room}) and not other.startswith(inside)
        )
        if above:
            upward.append(f"{source.path} -> {', '.join(above)}")
    return upward


def _reach(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        for room in arrows[ahead.pop()] - reached:
            reached.add(room)
            ahead.append(room)
    return reached
