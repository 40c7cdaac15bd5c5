"""How a program starts and ends: its flags, its help, its exit code, and one line."""

import dataclasses
import logging
from typing import Annotated

import pytest
from absl import flags

from tests.configs import example
from tfpipeline import entry, errors
from tfpipeline.configs import fields


class _OwnError(BaseException):
    pass


def _start(main, *arguments):
    with pytest.raises(SystemExit) as stopped:
        entry.start(main, "tool", example.Run(), ["tool", *arguments])
    return stopped.value.code


def _run(raised, *arguments):
    def main(config):
        if raised is not None:
            raise raised

    return _start(main, *arguments)


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
            "tool: error: out of memory\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "here"),
            2,
            "tool: error: cannot use 'here': No such file or directory\n",
        ),
        (
            _OwnError("of theirs"),
            1,
            "tool: error: unexpected _OwnError: of theirs (--debug shows where)\n",
        ),
        (
            OSError("odd"),
            1,
            "tool: error: unexpected OSError: odd (--debug shows where)\n",
        ),
        (
            errors.DataError("red \x1b[31m and \u202e"),
            2,
            "tool: error: red \\x1b[31m and \\u202e\n",
        ),
    ],
)
def test_an_error_is_one_line(raised, code, text, capfd):
    assert _run(raised) == code
    assert capfd.readouterr().err == text


def test_a_line_has_an_end(capfd):
    text = f"/{'long' * 1000}/file is bad: {'many words ' * 1000}: choose another"
    assert _run(errors.DataError(text)) == 2
    line = capfd.readouterr().err
    assert len(line) == errors.MAX_LINE_CHARACTERS + 1
    assert line.startswith("tool: error: /long") and "gfile is" not in line
    assert line.endswith("many words : choose another\n")


@pytest.mark.parametrize(
    ("flag", "advice"),
    [
        (None, "another place"),
        ("--workdir={}", "another --workdir"),
        ("--workdir={}/run", "another place"),
        ("--workdir={}/file", "another --workdir"),
    ],
)
def test_advice_names_the_flag_of_the_place(flag, advice, tmp_path, capfd):
    error = errors.WriteError(f"{tmp_path}/file", OSError(28, "No space left"))
    assert _run(error, *([flag.format(tmp_path)] if flag else [])) == 2
    told = capfd.readouterr().err
    assert f": No space left. Free space or choose {advice}; nothing" in told


def test_out_of_memory_tells_of_batches_where_there_are_any(capfd):
    @dataclasses.dataclass(frozen=True)
    class Training(fields.Config):
        batch_size: Annotated[int, fields.Flag("Images.")] = 8

    def main(config):
        raise MemoryError

    with pytest.raises(SystemExit):
        entry.start(main, "tool", Training(), ["tool"])
    assert "out of memory; try a smaller --batch_size" in capfd.readouterr().err


def test_success_says_nothing(capfd):
    assert _run(None) == 0
    assert capfd.readouterr().err == ""


def test_stray_argument_is_refused(capfd):
    assert _run(None, "stray") == 2
    assert "unexpected argument 'stray'" in capfd.readouterr().err


@pytest.mark.parametrize(
    "flag",
    [
        *("--no_such_flag", "--debug=perhaps", "--bits", "--flagfile=absent"),
        "--export=1\n2",
    ],
)
def test_a_flag_that_cannot_be_is_one_line(flag, capfd):
    assert _run(None, flag) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("tool: error: ") and line.endswith("; see --help")
    assert flag.strip("-").split("=")[0] in line


def test_debug_adds_the_traceback(capfd):
    assert _run(errors.DataError("gone"), "--debug") == 2
    error = capfd.readouterr().err
    assert "Traceback" in error and error.endswith("tool: error: gone\n")


def _config(*arguments):
    """The config that `main` gets."""
    configs = []

    def main(config):
        configs.append(config)

    assert _start(main, *arguments) == 0
    [config] = configs
    return config


def test_main_gets_the_config_of_the_flags():
    assert _config("--bits=8", "--verbosity=0") == example.Run(bits=8)


def test_the_code_of_main_is_that_of_the_program():
    assert _start(lambda config: config.bits, "--bits=8") == 8


def test_a_config_that_cannot_be_is_one_line(capfd):
    assert _run(None, "--side=3") == 2
    assert capfd.readouterr().err == "tool: error: --side: it must be even; found 3\n"


@pytest.mark.parametrize(
    ("flag", "tip"), [("--opimizer=sgd", " (did you mean --optimizer?)"), ("--zz", "")]
)
def test_an_unknown_flag_names_a_near_one(flag, tip, capfd):
    assert _run(None, flag) == 2
    name = flag.split("=")[0]
    text = f"tool: error: unknown flag {name}{tip}; see --help\n"
    assert capfd.readouterr().err == text


def test_a_flagfile_without_text_is_one_line(tmp_path, capfd):
    path = tmp_path / "x.flags"
    path.write_bytes(b"\xff\xfe")
    assert _run(None, f"--flagfile={path}") == 2
    assert f"--flagfile: {path} is no text" in capfd.readouterr().err


def test_a_flag_without_an_end_is_unknown(tmp_path, capfd):
    path = tmp_path / "x.flags"
    path.write_text(f"--{'a' * 100_000}=1")
    assert _run(None, f"--flagfile={path}") == 2
    line = capfd.readouterr().err
    assert line.startswith("tool: error: unknown flag '--aaa") and len(line) < 200


def test_a_value_with_nul_is_refused(capfd):
    assert _run(None, "--workdir=a\0b") == 2
    assert "--workdir holds the character NUL" in capfd.readouterr().err


def test_flags_after_a_flagfile_override_it(tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("# a comment\n--bits=1\n--rate=0.25\n")
    expected = example.Run(optimizer=example.Optimizer(rate=0.25), bits=8)
    assert _config(f"--flagfile={path}", "--bits=8") == expected


@pytest.mark.parametrize("flag", ["--help", "-?", "--helpshort", "--helpfull"])
def test_help_shows_every_flag_and_is_no_failure(flag, capfd):
    assert _start(test_help_shows_every_flag_and_is_no_failure, flag) == 0
    out = capfd.readouterr().out
    assert out.startswith("How a program starts and ends")
    for text in ("training:", "--[no]nesterov", "--workdir", "--[no]debug"):
        assert text in out
    assert ("--run_with_pdb" in out) == (flag == "--helpfull")


def test_verbs_choose_what_is_done(capfd):
    done = []
    mains = {
        "put": lambda config: done.append(("put", config.bits)),
        "take": lambda config: done.append(("take", config.bits)),
    }
    assert _start(mains, "take", "--bits=1") == 0
    assert done == [("take", 1)]
    assert _start(mains) == 2
    assert _start(mains, "drop") == 2
    assert _start(mains, "put", "again") == 2
    assert capfd.readouterr().err.splitlines() == [
        "tool: error: say what to do: tool put|take. See --help",
        "tool: error: say what to do: tool put|take; found 'drop'. See --help",
        "tool: error: unexpected argument 'again'; flags are --name=value. See --help",
    ]


@dataclasses.dataclass(frozen=True)
class _Named(fields.Config):
    model: Annotated[str | None, fields.Flag("A network.")] = None
    inputs: Annotated[tuple[str, ...], fields.Flag("Files.")] = ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), _Named()),
        (("net",), _Named("net")),
        (("net", "a,b", "c"), _Named("net", ("a,b", "c"))),
        (("--inputs=c", "net"), _Named("net", ("c",))),
    ],
)
def test_arguments_are_values_of_flags(arguments, expected):
    given = []

    def main(config):
        given.append(config)

    with pytest.raises(SystemExit):
        entry.start(
            main,
            "tool",
            _Named(),
            ["tool", *arguments],
            arguments=("model", "inputs"),
        )
    assert given == [expected]


def test_an_argument_and_its_flag_do_not_go_together(capfd):
    with pytest.raises(SystemExit) as stopped:
        entry.start(
            lambda _: None,
            "tool",
            _Named(),
            ["tool", "net", "--model=other"],
            arguments=("model",),
        )
    assert stopped.value.code == 2
    assert capfd.readouterr().err == (
        "tool: error: both 'net' and --model say the same: leave one of them out\n"
    )


def test_debug_sets_the_level_of_our_lines():
    logger = logging.getLogger("tfpipeline")
    assert _run(None, "--debug") == 0
    assert logger.level == logging.DEBUG
    assert _run(None) == 0
    assert logger.level == logging.INFO


def test_pillow_says_nothing_beside_our_line():
    found = []

    def main(config):
        found.append(logging.getLogger("PIL.TiffImagePlugin").isEnabledFor(40))

    assert _start(main) == 0
    assert found == [False]


def test_a_program_leaves_no_flag_behind():
    before = set(flags.FLAGS)
    assert _run(None) == 0
    assert "workdir" not in flags.FLAGS
    assert set(flags.FLAGS) - before <= {
        "help",
        "?",
        "helpshort",
        "helpfull",
        "helpxml",
    }
