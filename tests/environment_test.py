"""What run.json says of the machine."""

import importlib.metadata
import json

from tfpipeline import environment


def test_versions_are_those_installed_and_everything_is_json():
    record = environment.describe()
    assert json.loads(json.dumps(record)) == record
    assert record["versions"]["numpy"] == importlib.metadata.version("numpy")
    assert record["machine"]["cores"] >= 1


def test_absent_package_and_absent_git_are_none(monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGES", ("no-such-package-anywhere",))
    monkeypatch.setenv("PATH", "")
    record = environment.describe()
    assert record["versions"]["no-such-package-anywhere"] is None
    assert record["git"] is None
