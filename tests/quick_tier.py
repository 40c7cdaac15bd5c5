"""Which test modules are quick: told from what they import, so that nobody marks them.

A quick test needs no TensorFlow and starts no process. Imports are followed through the
tests and the packages, those inside functions included, whether a test calls them or
not. Of the `conftest.py` above a test only the imports at its top count, since pytest
runs those for every test below it.
"""

import ast
import functools
import pathlib

from tests import room_table

# TensorFlow, and processes: interpreters of TFLite Micro, compilers, command lines.
_COSTLY = frozenset(
    {"tfpipeline.compat", "tensorflow", "tf_keras", "subprocess", "multiprocessing"}
)


def costly_imports(
    path: pathlib.Path, root: pathlib.Path = room_table.ROOT
) -> set[str]:
    """What makes the tests of a file costly; empty for quick ones.

    Args:
        path: of a module of tests, or of a folder of some, in `root`.
        root: top of the tree.
    """
    ahead = set(_imports(path, root) if path.is_file() else ())
    for folder in (path, *path.parents):
        if folder.is_relative_to(root):
            ahead |= _imports(folder / "conftest.py", root, top_only=True)
    reached: set[str] = set()
    while ahead:
        module = ahead.pop()
        reached.add(module)
        if module.split(".")[0] in ("tests", *room_table.PACKAGES):
            place = root / module.replace(".", "/")
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                ahead |= _imports(file, root) - reached
    return reached & _COSTLY


@functools.cache
def _imports(
    path: pathlib.Path, root: pathlib.Path, *, top_only: bool = False
) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if top_only:
        kinds = (ast.Import, ast.ImportFrom)
        tree.body = [each for each in tree.body if isinstance(each, kinds)]
    return frozenset(room_table.imports(tree, root))
