"""Figures of the source text, to compare two states of the project.

    python -m tests.measures [--tree=FOLDER] [--list]

The tree is the one this file lies in, or another one, of any age. `--list` names the
places behind a figure. Everything is read by `ast`; nothing is imported.

What each figure means:

* lines of functions: from `def` to the last line, docstring and nested ones included.
* upward imports: modules of a room that lies inside another room (`ir/readers` in `ir`)
  that import a room which itself stands upon the outer one; and modules in a circle
  of rooms.
* tables of number formats: dictionaries, tuples, lists and sets that name some of
  `FORMATS`, and functions whose comparisons do. Two of which int4 is one and int8 the
  other are types of integers, and do not count.
* modules that name a format which shares its scheme with an older one (int16x8,
  gap8_8bit): what one more format touches.
* modules that take a run's configuration: a parameter's type is one of
  `configuration_flow.TYPES`;
  and those that are reached from there when it, or a field of it, is an argument.
* complexity: McCabe's, with conditional expressions, comprehensions and `and`/`or`.
"""

import argparse
import ast
import dataclasses
import pathlib
import re
import statistics
from collections.abc import Callable, Iterator, Sequence

from tests import configuration_flow, room_table, source_functions

FORMATS = frozenset({"int8", "int16x8", "int4", "max78000", "gap8", "gap8_8bit"})
_INTEGER_TYPES = frozenset({"int8", "int4"})
_YOUNGER = frozenset({"int16x8", "gap8_8bit"})
_SAYS_NOTHING = frozenset({"found", "own", "wanted", "made"})
_NAMES = ast.Name | ast.Attribute
_LONG_FILE = 400
_ENTRY_PARTS = 2  # of tfpipeline/train.py and export/__main__.py


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the report.

    Attributes:
        name: what is measured.
        value: as it is printed.
        places: what it counts, where that is worth a list.
    """

    name: str
    value: str
    places: tuple[str, ...] = ()


def measure(root: pathlib.Path) -> list[Figure]:
    """All figures of the tree at `root`."""
    tree = room_table.read(root)
    sources = tree.sources
    functions = [f for source in sources for f in source_functions.functions(source)]
    return [
        *_sizes(sources, functions),
        _counted("upward imports", room_table.upward_imports(tree)),
        *_number_formats(sources),
        *_configurations(sources, functions),
        _counted("prints and exits below an entry point", _prints(sources)),
        _frozen(sources),
        *_public(functions),
        _complexity_figure(functions),
        _names(functions),
        _counted("tests of coverage (test_every_...)", _coverage_tests(root)),
    ]


def _counted(name: str, places: Sequence[str]) -> Figure:
    return Figure(name, str(len(places)), tuple(places))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def _sizes(
    sources: Sequence[room_table.Source],
    functions: Sequence[source_functions.Function],
) -> Iterator[Figure]:
    lines = sorted(f.lines for f in functions)
    tenths = statistics.quantiles(lines, n=10, method="inclusive")
    longest = max(functions, key=lambda f: f.lines)
    yield Figure("modules", str(len(sources)))
    yield Figure(
        "lines of functions, p50/p90/max",
        f"{tenths[4]:.0f}/{tenths[8]:.0f}/{lines[-1]} of {len(lines)}",
        (longest.place,),
    )
    files = sorted((source.lines, str(source.path)) for source in sources)
    long_files = [f"{path}: {count}" for count, path in files if count > _LONG_FILE]
    yield _counted(f"files of over {_LONG_FILE} lines", long_files)
    yield Figure("longest file", f"{files[-1][1]} ({files[-1][0]})")


def _number_formats(sources: Sequence[room_table.Source]) -> Iterator[Figure]:
    tables = [entry for source in sources for entry in _format_tables(source)]
    for least in (3, 2):
        yield _counted(
            f"tables and chains of {least} or more number formats",
            [place for names, place in tables if len(names) >= least],
        )
    naming = [
        str(source.path)
        for source in sources
        if any(_text(node) in _YOUNGER for node in ast.walk(source.tree))
    ]
    yield _counted("modules that name int16x8 or gap8_8bit", naming)


def _format_tables(
    source: room_table.Source,
) -> Iterator[tuple[frozenset[str], str]]:
    for node in ast.walk(source.tree):
        names: set[str | None] = set()
        if isinstance(node, ast.Dict):
            names = {_text(key) for key in node.keys}
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            names = {_text(element) for element in node.elts}
        elif isinstance(node, ast.FunctionDef):
            names = {
                _text(side)
                for compare in ast.walk(node)
                if isinstance(compare, ast.Compare)
                for side in (compare.left, *compare.comparators)
            }
        formats = frozenset(name for name in names if name in FORMATS)
        if len(formats) >= 2 and not formats <= _INTEGER_TYPES:
            yield formats, f"{source.path}:{node.lineno} {' '.join(sorted(formats))}"


def _text(node: ast.AST | None) -> str | None:
    """A string's value; a constant's name in small letters, as `formats.INT8` is."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    name = ast.unparse(node).rpartition(".")[2] if isinstance(node, _NAMES) else ""
    return name.lower() if name.isupper() else None


def _configurations(
    sources: Sequence[room_table.Source], functions: Sequence[source_functions.Function]
) -> Iterator[Figure]:
    takes = configuration_flow.takers(sources, functions)
    modules = sorted({str(f.source.path) for f, _ in takes})
    yield Figure(
        "modules with functions that take a run's configuration",
        f"{len(modules)} ({len({f.place for f, _ in takes})} functions)",
        tuple(modules),
    )
    reached = configuration_flow.reached(sources, functions, takes)
    yield _counted("modules that it or a field of it is passed to", reached)


def _prints(sources: Sequence[room_table.Source]) -> list[str]:
    """Prints and exits in modules below the top, but for what `python -m` runs."""
    return [
        f"{source.path}:{node.lineno} {ast.unparse(node.func)}"
        for source in sources
        if len(source.path.parts) > _ENTRY_PARTS
        for statement in source.tree.body
        if not _is_main_block(statement)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "sys.exit", "exit", "os._exit")
    ]


def _is_main_block(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


def _frozen(sources: Sequence[room_table.Source]) -> Figure:
    decorators = {
        f"{source.path}:{node.lineno} {node.name}": ast.unparse(decorator)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if re.match(r"(dataclasses\.)?dataclass\b", ast.unparse(decorator))
    }
    open_ones = [p for p, text in decorators.items() if "frozen=True" not in text]
    count = len(decorators) - len(open_ones)
    return Figure("frozen dataclasses", _share(count, len(decorators)), (*open_ones,))


def _public(functions: Sequence[source_functions.Function]) -> Iterator[Figure]:
    public = [f for f in functions if not f.nested and f.node.name[0] != "_"]
    checks: dict[str, Callable[[source_functions.Function], bool]] = {
        "public functions with types": _has_types,
        "public functions with a docstring": lambda f: bool(ast.get_docstring(f.node)),
    }
    for name, check in checks.items():
        lacking = tuple(f.place for f in public if not check(f))
        value = _share(len(public) - len(lacking), len(public))
        yield Figure(name, value, lacking)


def _has_types(function: source_functions.Function) -> bool:
    return function.node.returns is not None and all(
        argument.annotation is not None
        for argument in function.parameters
        if argument.arg not in ("self", "cls")
    )


def complexity(node: ast.AST) -> int:
    """McCabe's number: one, and one for each place where the way divides."""
    total = 1
    for inner in ast.walk(node):
        if isinstance(inner, ast.BoolOp):
            total += len(inner.values) - 1
        elif isinstance(inner, ast.comprehension):
            total += 1 + len(inner.ifs)
        elif isinstance(
            inner,
            ast.If
            | ast.IfExp
            | ast.For
            | ast.While
            | ast.ExceptHandler
            | ast.match_case,
        ):
            total += 1
    return total


def _complexity_figure(functions: Sequence[source_functions.Function]) -> Figure:
    most = max(functions, key=lambda f: complexity(f.node))
    return Figure("complexity, max", str(complexity(most.node)), (most.place,))


def _names(functions: Sequence[source_functions.Function]) -> Figure:
    places = [
        f.place
        for f in functions
        if any(
            isinstance(n, ast.Name)
            and isinstance(n.ctx, ast.Store)
            and n.id in _SAYS_NOTHING
            for n in ast.walk(f.node)
        )
    ]
    name = "functions with locals named found, own, wanted or made"
    return Figure(name, _share(len(places), len(functions)), tuple(places))


def _coverage_tests(root: pathlib.Path) -> list[str]:
    pattern = re.compile(
        r"^def (test_every_(?:\w+_)?(?:kind|rule|reader|constraint|choice|pooling|"
        r"function|field|network|target|command|format)_\w+)\(",
        re.MULTILINE,
    )
    return [
        f"{path.relative_to(root).as_posix()} {name}"
        for path in sorted((root / "tests").rglob("*_test.py"))
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="Figures of the source text.")
    parser.add_argument("--tree", type=pathlib.Path, default=room_table.ROOT)
    parser.add_argument("--list", action="store_true", help="name the places")
    arguments = parser.parse_args(argv)
    for figure in measure(arguments.tree):
        print(f"{figure.name:56} {figure.value}")
        if arguments.list:
            for place in figure.places:
                print(f"    {place}")


if __name__ == "__main__":
    main()
