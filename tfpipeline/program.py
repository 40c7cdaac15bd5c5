"""One program for all commands: `tfpipeline train ...` is `python -m tfpipeline.train`.

Commands are found, not listed: a module of this package that starts as a program is
one, named as the module with hyphens for underscores, and so is the package `export`.
None is imported but the one that is asked for.
"""

import ast
import difflib
import pathlib
import pkgutil
import re
import runpy
import sys

import tfpipeline
from tfpipeline import errors

_PACKAGE = pathlib.Path(__file__).parent
_EXPORT = "export"
# What stands in the source of a module that starts as a program, behind its condition.
_STARTS = re.compile(r"^    entry\.start\(", re.MULTILINE)
_EXIT_EXPLAINED = 2
_USAGE = """\
tfpipeline: Keras networks on microcontrollers.

  tfpipeline COMMAND --flag=value ...
  tfpipeline COMMAND --help

commands:
"""


def commands() -> dict[str, str]:
    """Command -> module that `python -m` starts, sorted by name."""
    modules = {_EXPORT: _EXPORT}
    for module in pkgutil.iter_modules([str(_PACKAGE)]):
        name = f"tfpipeline.{module.name}"
        if _STARTS.search(_source(name)):
            modules[_hyphened(module.name)] = name
    return dict(sorted(modules.items()))


def main() -> None:
    """Runs the command that the first argument names, in this process."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("--help", "-h", "-?", "help"):
        sys.stdout.write(_USAGE + _listed(commands()))
        raise SystemExit(0 if arguments else _EXIT_EXPLAINED)
    if arguments[0] == "--version":
        print(tfpipeline.__version__)
        return
    known = commands()
    command = _hyphened(arguments[0])
    if command not in known:
        raise SystemExit(_unknown(arguments[0], known))
    # A script has its own folder in front, not the current one, where modules that a
    # command line names are; behind all others, so that they hide nothing.
    if "" not in sys.path and str(pathlib.Path.cwd()) not in sys.path:
        sys.path.append(str(pathlib.Path.cwd()))
    sys.argv = [f"tfpipeline {command}", *arguments[1:]]
    runpy.run_module(known[command], run_name="__main__", alter_sys=True)


def _hyphened(name: str) -> str:
    return name.replace("_", "-")


def _source(module: str) -> str:
    """Text of the file that `python -m module` runs; empty where there is none."""
    path = _PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _listed(known: dict[str, str]) -> str:
    """A line a command: its name and how its module's docstring begins."""
    width = 2 + max(map(len, known))
    lines = []
    for name, module in known.items():
        about = ast.get_docstring(ast.parse(_source(module))) or ""
        lines.append(f"  {name:<{width}}{about.partition(chr(10))[0]}\n")
    return "".join(lines)


def _unknown(given: str, known: dict[str, str]) -> int:
    close = difflib.get_close_matches(given, list(known), n=1)
    tip = f" (did you mean {close[0]}?)" if close else ""
    text = f"unknown command {errors.brief(given)}{tip}; see tfpipeline --help"
    sys.stderr.write(f"{errors.one_line(f'tfpipeline: error: {text}')}\n")
    return _EXIT_EXPLAINED
