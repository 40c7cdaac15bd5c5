"""tfpipeline: tf_keras networks, quantized and exported for microcontrollers."""

import importlib.util
import pathlib
import sys

__version__ = "0.1.0"

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def _find_own_export() -> None:
    """Makes `export` this project's package, whatever file lies in the current folder.

    `python -m` and notebooks look there first, and `export.py` is a common name.

    Raises:
        ImportError: another module of this name is already in use.
    """
    package = _ROOT.joinpath("export")
    loaded = sys.modules.get("export")
    spec = None if loaded is None else loaded.__spec__
    if loaded is None:
        spec = importlib.util.find_spec("export")
    file = package / "__init__.py"
    if spec is not None and spec.origin and file.samefile(spec.origin):
        return
    if loaded is not None:
        raise ImportError(
            f"{getattr(loaded, '__file__', 'a module')} is in use as 'export', which "
            "is the name of a package of tfpipeline: rename it, or import tfpipeline "
            "first"
        )
    spec = importlib.util.spec_from_file_location(
        "export", file, submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is missing: install tfpipeline again")
    module = importlib.util.module_from_spec(spec)
    sys.modules["export"] = module
    spec.loader.exec_module(module)


_find_own_export()
