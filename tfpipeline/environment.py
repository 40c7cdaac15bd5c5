"""What a run ran on: versions, machine, source revision."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

_PACKAGES = (
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "tensorflow-datasets",
    "tflite-micro",
    "ai-edge-litert",
    "numpy",
)


def describe() -> dict[str, Any]:
    """Versions, machine and git revision as JSON values, for run.json."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
        },
        "git": _git_revision(),
    }


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _processor(path: pathlib.Path = pathlib.Path("/proc/cpuinfo")) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    return next(names, platform.processor())


def _git_revision() -> dict[str, Any] | None:
    """The commit of the source tree this package lies in, None outside git."""
    folder = pathlib.Path(__file__).parent
    commands = (
        ("rev-parse", "HEAD"),
        ("status", "--porcelain", "--untracked-files=no"),
    )
    outputs = []
    for command in commands:
        try:
            done = subprocess.run(
                # Status would refresh the index: killed then, it leaves a lock there
                # that stops the next commit.
                ("git", "--no-optional-locks", *command),
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        outputs.append(done.stdout.strip())
    return {"commit": outputs[0], "modified": bool(outputs[1])}
