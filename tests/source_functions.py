"""The functions of a module, as text: where they stand and how long they are."""

import ast
import dataclasses
from collections.abc import Iterator

from tests import room_table


@dataclasses.dataclass(frozen=True)
class Function:
    """A function or method, and the module that it stands in.

    Attributes:
        source: the module.
        node: its definition.
        nested: whether it stands inside another function.
    """

    source: room_table.Source
    node: ast.FunctionDef
    nested: bool

    @property
    def lines(self) -> int:
        """From `def` to the end."""
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.source.path}:{self.node.lineno} {self.node.name}"

    @property
    def parameters(self) -> list[ast.arg]:
        """Without those of `*` and `**`."""
        arguments = self.node.args
        return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def functions(source: room_table.Source) -> Iterator[Function]:
    """All functions, methods and nested functions, in the order of the text."""
    yield from _walk(source, source.tree, nested=False)


def _walk(
    source: room_table.Source, node: ast.AST, *, nested: bool
) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield Function(source, child, nested)
            yield from _walk(source, child, nested=True)
        else:
            yield from _walk(source, child, nested=nested)
