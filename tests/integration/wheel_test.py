"""What a wheel holds: the program, the demo's flags, and no checkout behind it."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tests import fresh_wheel
from tfpipeline import program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the content of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(fresh_wheel.wheel(folder)) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _run(site, folder, *arguments):
    (folder / "export.py").write_text("raise SystemExit('the file of the user')")
    return subprocess.run(
        (sys.executable, "-m", "tfpipeline", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )


def test_every_command_is_there_and_is_of_the_wheel(site, tmp_path):
    done = _run(site, tmp_path, "--help")
    assert done.returncode == 0
    assert set(program.commands()) <= set(done.stdout.split())
    code = "import tfpipeline, export; print(tfpipeline.__file__, export.__file__)"
    found = subprocess.run(
        (sys.executable, "-c", code),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert found.stderr == ""
    assert [pathlib.Path(each).parents[1] for each in found.stdout.split()] == [
        site
    ] * 2


def test_networks_by_name_and_the_demo_travel(site, tmp_path):
    done = _run(site, tmp_path, "estimate", "--model=cmsisnet", "--target=gap8,nrf5340")
    assert (done.returncode, done.stderr) == (0, "")
    done = _run(
        site, tmp_path, "demo", "--width=0.25", "--train_limit=300", "--epochs=1",
        "--qat_epochs=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1000:]
    assert (tmp_path / "runs" / "demo" / "export" / "int8" / "model.tflite").is_file()


def test_the_console_script_is_declared(site):
    [entry_points] = site.glob("*.dist-info/entry_points.txt")
    text = entry_points.read_text(encoding="utf-8")
    assert "tfpipeline = tfpipeline.program:main" in text
