"""`--custom_objects`: classes and functions of the user's that a Keras file names.

What they are called is read from their source. It is imported for files of Keras 2
only: those of Keras 3 need it in the child process, beside the Keras that it is for.
"""

import ast
import dataclasses
import importlib
import importlib.util
import pathlib
import sys
import types
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.untrusted import code, content


@dataclasses.dataclass(frozen=True)
class CustomObjects:
    """Python that the command line names.

    Attributes:
        text: `package.module` or `file.py`.
        path: of the file.
        names: of the classes and functions that it defines.
    """

    text: str
    path: pathlib.Path
    names: frozenset[str]

    @property
    def module(self) -> str:
        """With dots, or "" where `text` is a file's."""
        return "" if self.text.endswith(".py") else self.text

    def load(self) -> Mapping[str, Any]:
        """The classes and functions by name, imported beside tf_keras.

        Raises:
            UsageError: importing it raises.
        """
        try:
            with code.contained():
                if self.module:
                    module = importlib.import_module(self.module)
                else:
                    module = imported(f"tfpipeline_objects_{self.path.stem}", self.path)
        except Exception as error:
            raise errors.UsageError(
                f"--custom_objects={self.path.name}: importing it raised "
                f"{errors.brief(error)}. Beside a file of Keras 2 it needs `import "
                "tf_keras as keras` or `from tensorflow import keras`"
            ) from error
        return {name: getattr(module, name) for name in self.names}


def find(text: str, path: pathlib.Path) -> CustomObjects:
    """What Python of the user's defines, by its source.

    Args:
        text: `package.module` or `file.py`.
        path: of its file.

    Raises:
        UsageError: it is no Python, or defines nothing.
        StorageError: it cannot be read.
    """
    try:
        tree = ast.parse(content.read_text(path))
    except (SyntaxError, ValueError) as error:
        raise errors.UsageError(
            f"--custom_objects={path.name} is no Python: {errors.brief(error)}"
        ) from error
    kinds = (ast.ClassDef, ast.FunctionDef)
    names = frozenset(each.name for each in tree.body if isinstance(each, kinds))
    if not names:
        raise errors.UsageError(
            f"--custom_objects={path.name} defines no class and no function"
        )
    return CustomObjects(text, path, names)


def imported(name: str, path: pathlib.Path | None) -> types.ModuleType:
    """The module in a file, under a name that no other module has.

    Raises:
        ImportError: it is no Python file; or whatever the file raises.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
