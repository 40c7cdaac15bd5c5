"""What run.json says of the machine."""

import importlib.metadata
import json
import os
import shutil
import subprocess

import pytest

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


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_source_tree_is_only_read(tmp_path, monkeypatch):
    source = tmp_path / "environment.py"
    source.write_text("x = 1\n")
    ours = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "x")):
        subprocess.run(("git", *ours, *command), cwd=tmp_path, check=True)
    monkeypatch.setattr(environment, "__file__", str(source))
    # A file that is only newer: status would note that in the index, under a lock.
    os.utime(source, (2e9, 2e9))
    index = (tmp_path / ".git/index").read_bytes()
    assert environment.describe()["git"]["modified"] is False
    assert (tmp_path / ".git/index").read_bytes() == index
    source.write_text("x = 2\n")
    assert environment.describe()["git"]["modified"] is True
