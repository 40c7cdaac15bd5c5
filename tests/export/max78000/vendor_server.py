"""Runs the vendor's tool again and again without importing it each time.

`vendor_tool` starts this file with the tool's Python in a checkout of the tool. Each
line of the input is a JSON list of arguments, and each line of the output the exit
status and what was printed. Every run is a process of its own, forked from this one.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback

# Of one run; the largest network takes a minute.
TIMEOUT_SECONDS = 600


def _run(arguments):
    """Exit status and text of one run; that of the signal where it takes too long."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            # Which ends the process by its own.
            signal.alarm(TIMEOUT_SECONDS)
            os._exit(_status(arguments))
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace")
    status = os.waitstatus_to_exitcode(status)
    if status == -signal.SIGALRM:
        text += f"\nended, because it took over {TIMEOUT_SECONDS} s"
    return status, text


def _status(arguments):
    sys.argv[1:] = arguments
    status = 0
    try:
        importlib.import_module("izer.izer").main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def main():
    sys.path.insert(0, os.getcwd())
    importlib.import_module("izer.izer")
    importlib.import_module("izer.backend.max7800x")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
