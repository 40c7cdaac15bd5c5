"""How every entry point starts and ends: absl, one line for an error, an exit code."""

import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags

from tfpipeline import errors

flags.DEFINE_bool("debug", False, "Show the traceback of an error, and more log lines.")

# Exit codes: 1 an unexpected error, 2 an error that the message explains,
# 130 interrupted from the keyboard (128 + SIGINT).
EXIT_UNEXPECTED = 1
EXIT_EXPLAINED = 2
EXIT_INTERRUPTED = 130


def run(
    main: Callable[[Sequence[str]], int | None],
    name: str,
    argv: Sequence[str] | None = None,
    verbs: Sequence[str] = (),
) -> None:
    """Parses flags, runs `main` and exits with its code.

    A PipelineError, or a flag that cannot be, becomes one line on standard error and
    exit code 2. Everything else that is raised is a defect or a broken machine: one
    line as well, exit code 1. `--debug` prints the traceback before the line.

    Args:
        main: takes the arguments left after flags; returns an exit code, None for 0.
        name: of the program, for the line.
        argv: program and flags; None for those of the process.
        verbs: if given, the first argument must be one of these.
    """

    def guarded(argv: Sequence[str]) -> int:
        try:
            _require_arguments(name, argv[1:], verbs)
            return main(argv) or 0
        except errors.PipelineError as error:
            return _report(name, str(error), EXIT_EXPLAINED)
        except KeyboardInterrupt:
            return _report(
                name, "interrupted; the same command resumes", EXIT_INTERRUPTED
            )
        except MemoryError:
            return _report(
                name, "out of memory; try a smaller --batch_size", EXIT_EXPLAINED
            )
        except Exception as error:  # the last resort of a program, not of a library
            first = next(iter(str(error).strip().splitlines()), "")
            text = f"unexpected {type(error).__name__}: {first} (--debug shows where)"
            return _report(name, text, EXIT_UNEXPECTED)

    def parsed(argv: Sequence[str]) -> Sequence[str]:
        try:
            rest: Sequence[str] = flags.FLAGS(argv)
        except flags.Error as error:
            raise SystemExit(
                _line(name, f"{error}; see --help", EXIT_EXPLAINED)
            ) from error
        return rest

    app.run(
        guarded,
        argv=list(argv) if argv is not None else None,
        flags_parser=parsed,
    )


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


def _report(name: str, text: str, code: int) -> int:
    if flags.FLAGS.debug:
        traceback.print_exc()
    return _line(name, text, code)


def _line(name: str, text: str, code: int) -> int:
    sys.stderr.write(f"{name}: error: {' '.join(text.split())}\n")
    return code
