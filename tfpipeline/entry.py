"""How every entry point starts and ends: absl, one line for an error, an exit code."""

import contextlib
import dataclasses
import difflib
import logging
import pathlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from absl import app, flags

from tfpipeline import errors, streams
from tfpipeline.configs import command_line, fields, help_text
from tfpipeline.untrusted import flagfiles

# Exit codes: 1 an unexpected error, 2 an error that the message explains,
# 130 interrupted from the keyboard (128 + SIGINT); of other signals `streams`.
EXIT_UNEXPECTED = 1
EXIT_EXPLAINED = 2
EXIT_INTERRUPTED = 130

_MAX_FLAG_CHARACTERS = 100
# Flags that say where a program writes.
_PLACES = ("workdir", "output", "people", "data_dir")


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
    *,
    arguments: Sequence[str] = (),
) -> None:
    """Reads the command line, runs `main` and exits with its code.

    A PipelineError, or a flag that cannot be, becomes one line on standard error and
    exit code 2. Everything else that is raised is a defect or a broken machine: one
    line as well, exit code 1. `--debug` prints the traceback before the line. `--help`
    prints the docstring of main's module and the flags, with exit code 0. A reader of
    standard output that leaves ends the program quietly. A line has up to
    `errors.MAX_LINE_CHARACTERS` characters.

    Args:
        main: takes the config that the command line says; returns an exit code, None
            for 0. Or several of these by name, of which the first argument chooses.
        name: of the program, for the line.
        config: its values are the defaults of the flags.
        argv: program and flags; None for those of the process.
        arguments: flags whose values are the arguments without a name, in their order;
            one that is a tuple takes all that are left.
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
        _quiet_libraries(values)
        rest = argv[1:]
        if verbs:
            _require_verb(name, rest, verbs)
        chosen = mains[rest[0] if verbs else ""]
        given = command_line.from_flags(config, values)
        named = _named(config, values, arguments, rest[1:] if verbs else rest)
        return chosen(fields.replaced(given, named))

    _run(name, values, parsed, work, argv)


def log_to_terminal() -> None:
    """Sends the package's log lines to standard error, plain and without prefix."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(message)s"))
    root = logging.getLogger("tfpipeline")
    root.handlers = [handler]
    root.propagate = False


def _quiet_libraries(values: flags.FlagValues) -> None:
    """They say "Load dataset info" and the like; a person needs their errors only.

    Once flags are read: absl sets its logger's level then.
    """
    level = logging.INFO if values["debug"].value else logging.ERROR
    for library in ("absl", "tensorflow"):
        logging.getLogger(library).setLevel(level)
    # Of what it cannot read, which is told in our own line.
    if not values["debug"].value:
        logging.getLogger("PIL").setLevel(logging.CRITICAL)


class _Lines(logging.Formatter):
    """Keeps warnings, which may quote what a file holds, to a line."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return errors.one_line(text) if record.levelno >= logging.WARNING else text


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
        given = flagfiles.expanded(argv[1:])
        for argument in given:
            # absl would look for what is meant, by recursion over every character.
            name_of_flag = argument.partition("=")[0]
            if argument.startswith("-") and len(name_of_flag) > _MAX_FLAG_CHARACTERS:
                raise errors.UsageError(f"unknown flag {errors.brief(name_of_flag)}")
        rest: Sequence[str] = values([argv[0], *given])
        return rest
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(values), n=1)
        tip = f" (did you mean --{close[0]}?)" if close else ""
        text = f"unknown flag --{error.flagname}{tip}"
    except flags.Error as error:
        text = str(error).removeprefix("ERROR:: ")
    except errors.UsageError as error:
        text = str(error)
    except errors.PipelineError as error:
        text = f"--flagfile: {error}"
    raise SystemExit(_line(name, f"{text}; see --help", EXIT_EXPLAINED))


def _run(
    name: str,
    values: flags.FlagValues,
    parse: Callable[[Sequence[str]], Sequence[str]],
    work: Callable[[Sequence[str]], int | None],
    argv: Sequence[str] | None,
) -> None:
    """Parses, works, and exits with the code of whatever came of it."""
    given = list(argv) if argv is not None else None
    code: Any
    try:
        with streams.prepared():
            app.run(lambda rest: work(rest) or 0, argv=given, flags_parser=parse)
    except SystemExit as ended:
        code = ended.code
    # Of a program, not of a library: signals, and whatever a user's code may raise.
    except BaseException as error:
        # An error of a file has its name.
        is_nameless = isinstance(error, OSError) and error.filename is None
        code = _output_code(name, probe=is_nameless)
        if code is None:
            if "debug" in values and values["debug"].value:
                traceback.print_exc()
            code = _line(name, *_explained(error, values))
    unwritten = _output_code(name)
    raise SystemExit(code if unwritten is None else unwritten)


def _output_code(name: str, *, probe: bool = False) -> int | None:
    """The exit code of a program whose output was not taken; None if it was."""
    failure = streams.failure(sys.stdout, probe=probe)
    if failure is None:
        return None
    if isinstance(failure, BrokenPipeError):
        return streams.EXIT_CLOSED
    text = f"cannot write to standard output: {failure.strerror or failure}"
    return _line(name, text, EXIT_EXPLAINED)


def _explained(error: BaseException, values: flags.FlagValues) -> tuple[str, int]:
    """What is told of an error, and the exit code."""
    match error:
        case errors.WriteError():
            return _with_place(error, values), EXIT_EXPLAINED
        case errors.PipelineError():
            return str(error), EXIT_EXPLAINED
        case KeyboardInterrupt():
            return f"interrupted{_resumes(values)}", EXIT_INTERRUPTED
        case streams.EndedError():
            return f"ended by {error}{_resumes(values)}", error.exit_code
        case MemoryError():
            tip = "; try a smaller --batch_size" if "batch_size" in values else ""
            return f"out of memory{tip}", EXIT_EXPLAINED
        case OSError(filename=str(path)) if error.strerror:
            return f"cannot use '{path}': {error.strerror}", EXIT_EXPLAINED
    first = next(iter(str(error).strip().splitlines()), "")
    text = f"unexpected {type(error).__name__}: {first} (--debug shows where)"
    return text, EXIT_UNEXPECTED


def _require_verb(name: str, arguments: Sequence[str], verbs: Sequence[str]) -> None:
    if not arguments or arguments[0] not in verbs:
        found = f"; found '{arguments[0]}'" if arguments else ""
        raise errors.UsageError(
            f"say what to do: {name} {'|'.join(verbs)}{found}. See --help"
        )


def _named(
    config: fields.Config,
    values: flags.FlagValues,
    names: Sequence[str],
    arguments: Sequence[str],
) -> dict[str, Any]:
    """Values of the flags `names` that arguments without a name say."""
    tuples = {leaf.name for leaf, _ in fields.leaves(config) if leaf.is_tuple}
    left, named = list(arguments), dict[str, Any]()
    for name in names:
        if not left:
            break
        if values[name].present:
            raise errors.UsageError(
                f"both '{left[0]}' and --{name} say the same: leave one of them out"
            )
        named[name] = left if name in tuples else left[0]
        left = [] if name in tuples else left[1:]
    for extra in left:
        raise errors.UsageError(
            f"unexpected argument '{extra}'; flags are --name=value. See --help"
        )
    return named


def _with_place(error: errors.WriteError, values: flags.FlagValues) -> str:
    """The message, with the flag that chose the place instead of "place"."""
    path = pathlib.Path(error.path).absolute()
    for name in (name for name in _PLACES if name in values and values[name].value):
        place = pathlib.Path(values[name].value).absolute()
        if place == path or place in path.parents:
            return str(error).replace("another place", f"another --{name}")
    return str(error)


def _resumes(values: flags.FlagValues) -> str:
    return "; the same command resumes" if "workdir" in values else ""


def _line(name: str, text: str, code: int) -> int:
    # Nobody may read it; the code says as much.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{errors.one_line(f'{name}: error: {text}')}\n")
        sys.stderr.flush()
    return code
