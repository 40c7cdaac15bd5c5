"""Runs GreenWaves' NNTool on our files, as README.txt says.

`GAP8_NNTOOL` names a checkout of gap_sdk, `GAP8_NNTOOL_PYTHON` a Python that has the
requirements of its tools/nntool. Nothing of the tool is in this project.
"""

import dataclasses
import os
import pathlib
import pickle
import re
import subprocess

import numpy as np

from export.gap8 import nntool_files

_VARIABLES = ("GAP8_NNTOOL", "GAP8_NNTOOL_PYTHON")
_CALL = re.compile(r'(CNN_\w+)\("S(\d+)_\w*", (\w+|&\w+),([^;]*)\);', re.DOTALL)
_STACK = re.compile(r'AddStackedTensors\("(?:S(\d+)_Output|(\w+))", \d+,')


@dataclasses.dataclass(frozen=True)
class Call:
    """A generator's call in the tool's model, and the step of its graph."""

    generator: str
    step: int
    control: str
    arguments: tuple[int | str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What the tool made of our files.

    Attributes:
        calls: of generators, in order.
        stacks: steps that are concatenations.
        outputs: of every step for the image that was given, integers.
        model: the text of the AutoTiler model.
    """

    calls: list[Call]
    stacks: list[int]
    outputs: list[np.ndarray]
    model: str


def missing() -> str | None:
    """Why the tool cannot be run here."""
    absent = [name for name in _VARIABLES if name not in os.environ]
    return f"{' and '.join(absent)} not set" if absent else None


def run(folder: pathlib.Path, name: str, image: np.ndarray, home: pathlib.Path):
    """Our script on our files, then the tool's generator, then one image.

    Args:
        folder: that was exported.
        name: of the network.
        image: float32, channels, rows, columns.
        home: a folder that the tool may write to.
    """
    work = folder / nntool_files.FOLDER
    _nntool(home, work, "-s", "nntool_script", f"{name}.tflite")
    (work / "model").mkdir()
    generated = ("-M", "model", "-m", "net_model.c", "-T", "model/tensors")
    _nntool(home, work, "-g", f"{name}.json", *generated, "-H", "net_info.h")
    np.save(work / "image.npy", image)
    (work / "dump_script").write_text("dump -q -P steps.pickle image.npy\n")
    _nntool(home, work, "-s", "dump_script", f"{name}.json")
    with open(work / "steps.pickle", "rb") as stream:
        steps = pickle.load(stream)
    model = (work / "model" / "net_model.c").read_text(encoding="utf-8")
    calls = [
        Call(generator, int(step), control, _values(rest))
        for generator, step, control, rest in _CALL.findall(model)
    ]
    stacks = [int(step) for step, _ in _STACK.findall(model) if step]
    return Result(calls, stacks, [np.asarray(step[0]) for step in steps], model)


def _values(text: str) -> tuple[int | str, ...]:
    words = (word.strip() for word in text.split(","))
    return tuple(int(w) if re.fullmatch(r"-?\d+", w) else w for w in words)


def _nntool(home: pathlib.Path, work: pathlib.Path, *arguments: str) -> str:
    sdk = pathlib.Path(os.environ["GAP8_NNTOOL"]) / "tools"
    tiler = sdk / "autotiler_v3"
    paths = {
        "PYTHONPATH": sdk / "nntool",
        "HOME": home,
        "TILER_INC": tiler / "Autotiler",
        "TILER_CNN_KERNEL_PATH": tiler / "CNN_Libraries",
        "TILER_CNN_GENERATOR_PATH": tiler / "CNN_Generators",
        "TILER_CNN_KERNEL_PATH_SQ8": tiler / "CNN_Libraries_SQ8",
        "TILER_CNN_GENERATOR_PATH_SQ8": tiler / "CNN_Generators_SQ8",
    }
    environment = {"PATH": os.environ["PATH"]}
    environment |= {name: str(path) for name, path in paths.items()}
    script = str(sdk / "nntool" / "scripts" / "nntool")
    done = subprocess.run(
        [os.environ["GAP8_NNTOOL_PYTHON"], script, *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0 and "Traceback" not in log, log
    return log
