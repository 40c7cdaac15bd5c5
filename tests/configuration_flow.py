"""How far the configuration of a run gets: a walk along the arguments of calls."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from tests import room_table, source_functions

# The value that holds everything, wherever it was and is defined.
TYPES = frozenset({"RunConfig", "DescriptorConfig", "Run", "DescriptorRun"})
_MODULES = ("tfpipeline.flags", "tfpipeline.descriptor_flags", "tfpipeline.configs")


def takers(
    sources: Sequence[room_table.Source],
    functions: Sequence[source_functions.Function],
) -> list[tuple[source_functions.Function, str]]:
    """Functions with a parameter whose type is a run's configuration, and its name."""
    aliases = {source.module: _aliases(source) for source in sources}
    return [
        (function, parameter.arg)
        for function in functions
        for parameter in function.parameters
        if parameter.annotation is not None
        and _is_configuration(parameter.annotation, function, aliases)
    ]


def _is_configuration(
    annotation: ast.expr,
    function: source_functions.Function,
    aliases: Mapping[str, Mapping[str, str]],
) -> bool:
    before, _, name = ast.unparse(annotation).rpartition(".")
    if name not in TYPES:
        return False
    module = function.source.module
    known = aliases[module]
    defined_in = known.get(before, known.get(name, module))
    return defined_in.startswith(_MODULES)


def reached(
    sources: Sequence[room_table.Source],
    functions: Sequence[source_functions.Function],
    takes: Sequence[tuple[source_functions.Function, str]],
) -> list[str]:
    """Paths of the modules that a configuration, or a field of one, is passed to."""
    by_name = {
        (f.source.module, f.node.name): f
        for f in functions
        if f.node in f.source.tree.body
    }
    aliases = {source.module: _aliases(source) for source in sources}
    seen: set[tuple[str, str]] = set()
    paths: set[str] = set()
    ahead = list(takes)
    while ahead:
        function, parameter = ahead.pop()
        if (function.place, parameter) in seen:
            continue
        seen.add((function.place, parameter))
        paths.add(str(function.source.path))
        module = function.source.module
        for call in ast.walk(function.node):
            if not isinstance(call, ast.Call):
                continue
            callee = by_name.get(_callee(call, module, aliases[module]))
            if callee is not None:
                ahead += [(callee, name) for name in _receives(call, callee, parameter)]
    return sorted(paths)


def _aliases(source: room_table.Source) -> dict[str, str]:
    """Name in the module -> what `from ... import` binds it to."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _callee(call: ast.Call, module: str, aliases: Mapping[str, str]) -> tuple[str, str]:
    """Module and name of the function that is called, empty where the text hides it."""
    if isinstance(call.func, ast.Name):
        imported = aliases.get(call.func.id)
        if imported is None:
            return module, call.func.id
        package, _, name = imported.rpartition(".")
        return package, name
    if isinstance(call.func, ast.Attribute):
        return aliases.get(ast.unparse(call.func.value), ""), call.func.attr
    return "", ""


def _receives(
    call: ast.Call, callee: source_functions.Function, parameter: str
) -> Iterator[str]:
    """Parameters of `callee` that get `parameter` or a field of it."""
    names = [known.arg for known in callee.parameters]
    for name, value in zip(names, call.args, strict=False):
        if _is_of(value, parameter):
            yield name
    for keyword in call.keywords:
        if keyword.arg in names and _is_of(keyword.value, parameter):
            yield str(keyword.arg)


def _is_of(value: ast.expr, parameter: str) -> bool:
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, ast.Name) and value.id == parameter
