"""Command lines mean the runs that they meant when these goldens were recorded.

The goldens are of the flags before configs: every flagfile that was there then, and
more. What came later has no past to keep.
"""

import json
import pathlib

import pytest
from absl import flags

from tfpipeline.configs import command_line, descriptor, fields, run
from tfpipeline.untrusted import flagfiles

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "tests" / "golden" / "identities"


def _commands(program):
    record = json.loads((_FOLDER / f"{program}.json").read_text(encoding="utf-8"))
    return [
        pytest.param(
            each["flags"], {**record["defaults"], **each["changes"]}, id=each["flags"]
        )
        for each in record["commands"]
    ]


def _config(default, text):
    values = flags.FlagValues()
    command_line.define(default, values)
    assert values(["program", *flagfiles.expanded(text.split())]) == ["program"]
    return command_line.from_flags(default, values)


@pytest.mark.parametrize(("text", "identity"), _commands("train"))
def test_a_run(text, identity, monkeypatch):
    monkeypatch.chdir(_ROOT)
    found = _config(run.Run(), text)
    assert found.identity() == identity
    # And back: what run.json holds is the run, but for where it lies.
    assert fields.replaced(run.Run(), identity).identity() == identity


@pytest.mark.parametrize(("text", "identity"), _commands("train_descriptor"))
def test_a_descriptor(text, identity, monkeypatch):
    monkeypatch.chdir(_ROOT)
    found = _config(descriptor.DescriptorRun(), text)
    assert {**found.identity(), **found.quantization.identity()} == identity
    assert not found.identity().keys() & found.quantization.identity().keys()
