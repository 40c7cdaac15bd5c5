"""Configs of parsed flags."""

import dataclasses
from typing import Annotated

import pytest
from absl import flags

from tests.configs import example
from tfpipeline import errors
from tfpipeline.configs import command_line, fields, help_text
from tfpipeline.configs.fields import Flag, Group


def _config(*arguments, defaults=None):
    defaults = defaults or example.Run()
    values = flags.FlagValues()
    command_line.define(defaults, values)
    assert values(["program", *arguments]) == ["program"]
    return command_line.from_flags(defaults, values)


def test_no_flags_give_the_defaults():
    assert _config() == example.Run()
    other = example.Run(milestones=(7,), normalize=False, policy="kept")
    assert _config(defaults=other) == other


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("--optimizer=sgd", "optimizer", "sgd"),
        ("--rate=1e-3", "rate", 0.001),
        ("--milestones=100,150", "milestones", [100, 150]),
        ("--milestones=", "milestones", []),
        ("--export=int8, int4", "export", ["int8", "int4"]),
        ("--forms=b", "forms", ["b"]),
        ("--bits=8", "bits", 8),
        ("--dropout=0", "dropout", 0.0),
        ("--batch_norm", "batch_norm", True),
        ("--nobatch_norm", "batch_norm", False),
        ("--nonormalize", "normalize", False),
        ("--normalize=false", "normalize", False),
        ("--workdir=runs/a", "workdir", "runs/a"),
    ],
)
def test_a_flag_sets_its_field_alone(argument, name, value):
    found = fields.identity(_config(argument))
    assert found == {**fields.identity(example.Run()), name: value}
    assert type(found[name]) is type(value)


def test_a_flag_that_repeats_adds_up_and_another_is_overridden():
    assert _config("--forms=a", "--forms=b").forms == ("a", "b")
    assert _config("--forms=b,a").forms == ("b", "a")
    assert _config("--export=x", "--export=y").export == ("y",)


def test_a_file_is_given_by_its_path_and_held_as_its_text(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("weight_bits: 4\n", encoding="utf-8")
    assert _config(f"--policy={path}").policy == "weight_bits: 4\n"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read(content, tmp_path):
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.StorageError, match=f"--policy: .*{path.name}"):
        _config(f"--policy={path}")


def test_whole_numbers_of_a_list():
    with pytest.raises(errors.UsageError) as raised:
        _config("--milestones=1,b")
    text = "--milestones takes whole numbers, as in 0,1,2; found 1,b"
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("argument", "rule"),
    [
        ("--rate=fast", "it must be a number"),
        ("--bits=2.5", "it must be a whole number"),
        ("--batch_norm=perhaps", "it must be true or false"),
    ],
)
def test_text_of_another_kind(argument, rule):
    with pytest.raises(flags.IllegalFlagValueError) as raised:
        _config(argument)
    assert str(raised.value) == f"flag {argument}: {rule}"


def test_nothing_is_added_to_the_flags_of_the_process():
    before = set(flags.FLAGS)
    _config()
    assert set(flags.FLAGS) == before


@dataclasses.dataclass(frozen=True)
class _Narrow(fields.Config):
    bits: Annotated[int | None, Flag("Of one.", high=8)] = None


@dataclasses.dataclass(frozen=True)
class _Wide(fields.Config):
    bits: Annotated[int | None, Flag("Of another.")] = None


@dataclasses.dataclass(frozen=True)
class _Both(fields.Config):
    narrow: Annotated[_Narrow, Group("narrow")] = _Narrow()
    wide: Annotated[_Wide, Group("wide")] = _Wide()


def test_two_configs_may_have_one_flag():
    config = _config("--bits=4", defaults=_Both())
    assert (config.narrow.bits, config.wide.bits) == (4, 4)
    text = help_text.render(_Both())
    assert text.count("--bits=N") == 2
    assert "Of one. [8 or less]" in text and "Of another." in text


@pytest.mark.parametrize(
    ("kind", "default"), [(int | None, 3), (float | None, None), (str | None, None)]
)
def test_one_flag_has_one_type_and_one_default(kind, default):
    other = dataclasses.make_dataclass(
        "Other",
        [("bits", Annotated[kind, Flag("Another.")], default)],
        bases=(_Both,),
        frozen=True,
    )
    with pytest.raises(TypeError, match="two fields make different flags --bits"):
        command_line.define(other(), flags.FlagValues())
