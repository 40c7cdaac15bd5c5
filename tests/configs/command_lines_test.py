"""The command that repeats a run says what the run's flags said."""

import shlex

from absl import flags

from tfpipeline.configs import command_line, command_lines
from tfpipeline.configs.run import Run


def _read(words):
    values = flags.FlagValues()
    command_line.define(Run(), values)
    values(words)
    return command_line.from_flags(Run(), values)


def test_a_command_gives_the_same_flags_again():
    config = _read(
        [
            *("train", "--model=cmsisnet", "--dataset=procedural_objects"),
            *("--epochs=3", "--nonormalize", "--nesterov", "--width=0.25"),
            *("--export=int8,float32", "--learning_rate_milestones=1,2"),
        ]
    )
    text = command_lines.of("tfpipeline.train", config.identity(), Run())
    assert text.startswith("python -m tfpipeline.train \\\n  --")
    again = _read(shlex.split(text.replace("\\\n", " "))[2:])
    assert again.identity() == config.identity()
    assert again.workdir == "NEW_FOLDER"


def test_what_is_at_its_default_is_left_out():
    text = command_lines.of("tfpipeline.train", Run().identity(), Run())
    assert "--epochs" not in text
