"""How a program ends: its exit code, and one line."""

import pytest
from absl.testing import flagsaver

from tfpipeline import entry, errors


def _run(raised, *arguments):
    def main(argv):
        if raised is not None:
            raise raised

    with flagsaver.flagsaver(), pytest.raises(SystemExit) as stopped:
        entry.run(main, "tool", ["tool", *arguments])
    return stopped.value.code


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (errors.DataError("a is\nmissing"), 2, "tool: error: a is missing\n"),
        (
            ValueError("odd\nsecond line"),
            1,
            "tool: error: unexpected ValueError: odd (--debug shows where)\n",
        ),
        (KeyError(), 1, "tool: error: unexpected KeyError: (--debug shows where)\n"),
        (
            KeyboardInterrupt(),
            130,
            "tool: error: interrupted; the same command resumes\n",
        ),
        (
            MemoryError(),
            2,
            "tool: error: out of memory; try a smaller --batch_size\n",
        ),
    ],
)
def test_an_error_is_one_line(raised, code, text, capfd):
    assert _run(raised) == code
    assert capfd.readouterr().err == text


def test_success_says_nothing(capfd):
    assert _run(None) == 0
    assert capfd.readouterr().err == ""


def test_stray_argument_is_refused(capfd):
    assert _run(None, "stray") == 2
    assert "unexpected argument 'stray'" in capfd.readouterr().err


@pytest.mark.parametrize("flag", ["--no_such_flag", "--debug=perhaps"])
def test_a_flag_that_cannot_be_is_one_line(flag, capfd):
    assert _run(None, flag) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("tool: error: ") and line.endswith("; see --help")
    assert flag.strip("-").split("=")[0] in line


def test_debug_adds_the_traceback(capfd):
    assert _run(errors.DataError("gone"), "--debug") == 2
    error = capfd.readouterr().err
    assert "Traceback" in error and error.endswith("tool: error: gone\n")
