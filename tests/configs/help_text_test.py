"""The flags as people read them."""

from tests.configs import example
from tfpipeline.configs import fields, help_text

_TEXT = """\
training:
  --optimizer=TEXT        Which one. [one of adam, sgd; default adam]
  --rate=X                Highest rate. [0 or more; default 0.5]
  --[no]nesterov          Its form. [default no]
  --milestones=N,...      Epochs. [1 or more]

flags:
  --forms=TEXT,...        What. [one of a, b; may be given several times; default a]
  --export=TEXT,...       Where.
  --bits=N                Width. [one of 1, 8]
  --dropout=X             Rate. [from 0 to 0.95]
  --[no]batch_norm        Default: the network's own.
  --[no]normalize         Pixels in [-1, 1). [default yes]
  --policy=FILE           YAML.
  --side=N                Of images. [default 32]
  --workdir=TEXT          Of the run.
"""


def test_help_in_groups():
    assert help_text.render(example.Run()) == _TEXT


def test_every_flag_has_a_line():
    text = help_text.render(example.Run())
    for leaf, _ in fields.leaves(example.Run()):
        assert f"{leaf.name}=" in text or f"--[no]{leaf.name}" in text
