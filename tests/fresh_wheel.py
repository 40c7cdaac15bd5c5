"""Installs the wheel into a fresh environment and goes a newcomer's first steps there.

    python -m tests.fresh_wheel

The environment and the folder are new ones below the temporary folder, and are removed
at the end. Dependencies are the pinned ones, by their hashes.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A file of the user that must hide nothing of ours.
_OWN_EXPORT = "raise SystemExit('export.py of the user')\n"
_OWN_NETWORK = """
from tfpipeline.compat import keras

def small():
    image = keras.Input((16, 16, 1))
    features = keras.layers.Conv2D(8, 3, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, keras.layers.Dense(3)(pooled))
"""
_OWN_DATA = """
import numpy as np
import net
np.savez("pictures.npz", x=np.random.default_rng(0).uniform(-1, 1, (64, 16, 16, 1)),
         y=np.arange(64) % 3)
net.small().save("my.keras")
"""


def _run(*command: str | pathlib.Path, cwd: pathlib.Path = ROOT) -> None:
    start = time.monotonic()
    print("$", *(pathlib.Path(command[0]).name, *command[1:]), flush=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(command, cwd=cwd, check=True, env=environment)
    print(f"  {time.monotonic() - start:.1f} s", flush=True)


def _copied(folder: pathlib.Path) -> pathlib.Path:
    """What is in version control: setuptools builds inside the tree it is given."""
    listed = subprocess.run(
        ("git", "ls-files", "tfpipeline", "export", "*.cfg", "*.toml", "README.md"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    return folder


def wheel(folder: pathlib.Path) -> pathlib.Path:
    """Builds the wheel of the tree into `folder`; returns its path."""
    _run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
        *("--no-build-isolation", "--disable-pip-version-check"),
        *("--wheel-dir", folder, _copied(folder / "source")),
    )
    [path] = folder.glob("*.whl")
    return path


def main() -> None:
    """Builds, installs, runs; stops at the first command that fails."""
    with tempfile.TemporaryDirectory(prefix="fresh_wheel_") as name:
        folder = pathlib.Path(name)
        built = wheel(folder)
        venv.create(folder / "venv", with_pip=True)
        program = folder / "venv" / "bin"
        pip = (program / "python", "-m", "pip", "install", "--quiet")
        pip = (*pip, "--disable-pip-version-check")
        requirements = ("requirements-build.txt", "requirements.txt")
        for each in requirements:
            _run(*pip, "--require-hashes", "--no-build-isolation", "-r", ROOT / each)
        _run(*pip, "--no-deps", built)
        home = folder / "home"
        home.mkdir()
        (home / "export.py").write_text(_OWN_EXPORT, encoding="utf-8")
        (home / "net.py").write_text(_OWN_NETWORK, encoding="utf-8")
        ours = program / "tfpipeline"
        _run(ours, "demo", cwd=home)
        _run(program / "python", "-c", _OWN_DATA, cwd=home)
        _run(ours, "estimate", "my.keras", cwd=home)
        _run(
            *(ours, "export", "my.keras", "--targets=tflm,c"),
            *("--calibration=pictures.npz", "--output=build"),
            cwd=home,
        )
        assert (home / "build" / "c" / "my.c").is_file()


if __name__ == "__main__":
    main()
