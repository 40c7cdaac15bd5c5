"""How every entry point starts and ends: absl, one line for an error, an exit code."""

import dataclasses
import difflib
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from absl import app, flags

from tfpipeline import errors
from tfpipeline.configs import command_line, fields, help_text

# Exit codes: 1 an unexpected error, 2 an error that the message explains,
# 130 interrupted from the keyboard (128 + SIGINT).
EXIT_UNEXPECTED = 1
EXIT_EXPLAINED = 2
EXIT_INTERRUPTED = 130


@dataclasses.dataclass(frozen=True)
class _Session(fields.Config):
    """The flags of every program, beside those of absl."""

    debug: Annotated[
        bool, fields.Flag("Show the traceback of an error, and more log lines.")
    ] = False


@dataclasses.dataclass(frozen=True)
class _Listed(_Session):
    """What `--help` lists beside a program's own; the others are read by absl."""

    flagfile: Annotated[
        str | None,
        fields.Flag("Reads flags from a file, one a line; the last of a flag counts."),
    ] = None
    helpfull: Annotated[bool, fields.Flag("Lists those of absl too.")] = False


def start(
    main: Callable[[fields.ConfigT], int | None]
    | Mapping[str, Callable[[fields.ConfigT], int | None]],
    name: str,
    config: fields.ConfigT,
    argv: Sequence[str] | None = None,
) -> None:
    """Reads the command line, runs `main` and exits with its code.

    A PipelineError, or a flag that cannot be, becomes one line on standard error and
    exit code 2. Everything else that is raised is a defect or a broken machine: one
    line as well, exit code 1. `--debug` prints the traceback before the line. `--help`
    prints the docstring of main's module and the flags, with exit code 0.

    Args:
        main: takes the config that the command line says; returns an exit code, None
            for 0. Or several of these by name, of which the first argument chooses.
        name: of the program, for the line.
        config: its values are the defaults of the flags.
        argv: program and flags; None for those of the process.
    """
    mains = main if isinstance(main, Mapping) else {"": main}
    verbs = tuple(mains) if isinstance(main, Mapping) else ()
    about = sys.modules[next(iter(mains.values())).__module__].__doc__ or ""
    values = flags.FlagValues()

    def parsed(argv: Sequence[str]) -> Sequence[str]:
        _define(values, config, about)
        rest = _parsed(name, values, argv)
        # absl reads its own flags there, which are the same objects.
        flags.FLAGS.mark_as_parsed()
        level = logging.DEBUG if values["debug"].value else logging.INFO
        logging.getLogger("tfpipeline").setLevel(level)
        return rest

    def work(argv: Sequence[str]) -> int | None:
        _require_arguments(name, argv[1:], verbs)
        chosen = mains[argv[1] if verbs else ""]
        return chosen(command_line.from_flags(config, values))

    app.run(
        lambda argv: _guarded(name, work, argv, values),
        argv=list(argv) if argv is not None else None,
        flags_parser=parsed,
    )


def log_to_terminal() -> None:
    """Sends the package's log lines to standard error, plain and without prefix."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger("tfpipeline")
    root.handlers = [handler]
    root.propagate = False
    # Libraries say "Load dataset info" and the like; a person needs their errors only.
    level = logging.INFO if root.isEnabledFor(logging.DEBUG) else logging.ERROR
    for library in ("absl", "tensorflow"):
        logging.getLogger(library).setLevel(level)


class _HelpFlag(flags.BooleanFlag):  # type: ignore[misc]
    """Prints and exits as soon as it is read, whatever else the command line says."""

    def __init__(self, name: str, text: str, short_name: str | None = None) -> None:
        super().__init__(name, False, "show this help", short_name=short_name)
        self._text = text

    def parse(self, argument: Any) -> None:
        """Prints, unless the flag is switched off."""
        if self._parse(argument):
            sys.stdout.write(self._text)
            raise SystemExit(0)


def _define(values: flags.FlagValues, config: fields.Config, about: str) -> None:
    """Defines a program's flags, those of every program, and shares absl's."""
    command_line.define(config, values)
    command_line.define(_Session(), values)
    of_absl = [
        flag
        for module, defined in flags.FLAGS.flags_by_module_dict().items()
        for flag in defined
        if module.startswith("absl.") and not flag.name.startswith("help")
    ]
    for flag in of_absl:
        values[flag.name] = flag
    listed = help_text.render(_Listed(), "of every program")
    text = "\n".join([about.strip(), "", help_text.render(config), listed])
    full = "\n".join(
        [text, "of absl:", *(f"  --{flag.name}: {flag.help}" for flag in of_absl), ""]
    )
    for help_flag in (
        _HelpFlag("help", text, short_name="?"),
        _HelpFlag("helpshort", text),
        _HelpFlag("helpfull", full),
    ):
        values[help_flag.name] = help_flag


def _parsed(name: str, values: flags.FlagValues, argv: Sequence[str]) -> Sequence[str]:
    """Program and arguments left after flags; exits for what is no flag."""
    try:
        rest: Sequence[str] = values(argv)
        return rest
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(values), n=1)
        tip = f" (did you mean --{close[0]}?)" if close else ""
        text = f"unknown flag --{error.flagname}{tip}"
    except flags.Error as error:
        text = str(error).removeprefix("ERROR:: ")
    except UnicodeDecodeError as error:
        text = f"a flagfile holds no text: {error}"
    raise SystemExit(_line(name, f"{text}; see --help", EXIT_EXPLAINED))


def _guarded(
    name: str,
    work: Callable[[Sequence[str]], int | None],
    argv: Sequence[str],
    values: flags.FlagValues,
) -> int:
    try:
        return work(argv) or 0
    except (Exception, KeyboardInterrupt) as error:  # of a program, not of a library
        if values["debug"].value:
            traceback.print_exc()
        return _line(name, *_explained(error))


def _explained(error: BaseException) -> tuple[str, int]:
    """What is told of an error, and the exit code."""
    match error:
        case errors.PipelineError():
            return str(error), EXIT_EXPLAINED
        case KeyboardInterrupt():
            return "interrupted; the same command resumes", EXIT_INTERRUPTED
        case MemoryError():
            return "out of memory; try a smaller --batch_size", EXIT_EXPLAINED
    first = next(iter(str(error).strip().splitlines()), "")
    text = f"unexpected {type(error).__name__}: {first} (--debug shows where)"
    return text, EXIT_UNEXPECTED


def _require_arguments(
    name: str, arguments: Sequence[str], verbs: Sequence[str]
) -> None:
    if verbs and (not arguments or arguments[0] not in verbs):
        found = f"; found '{arguments[0]}'" if arguments else ""
        raise errors.UsageError(
            f"say what to do: {name} {'|'.join(verbs)}{found}. See --help"
        )
    for extra in arguments[1:] if verbs else arguments:
        raise errors.UsageError(
            f"unexpected argument '{extra}'; flags are --name=value. See --help"
        )


def _line(name: str, text: str, code: int) -> int:
    sys.stderr.write(f"{name}: error: {' '.join(text.split())}\n")
    return code
