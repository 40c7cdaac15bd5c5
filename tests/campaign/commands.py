"""The commands that write files, small enough to be run hundreds of times."""

import dataclasses
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from export.tflite import from_graph
from tests.export.gap8 import files_test as gap8_files_test
from tests.identification import gap8_descriptor
from tests.integration import study_test
from tfpipeline import markers
from tfpipeline.ir import serialize
from tfpipeline.networks import catalog
from tfpipeline.pictures import png_images
from tfpipeline.targets.gap8 import program_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/tflite_int8/plain_qat.tflite"
_SPACE = """\
flags:
  learning_rate: [0.003, 0.001]
objectives:
  - metric
"""
_TRAIN = (
    *("--dataset=procedural_objects", "--train_limit=160", "--model=cmsisnet"),
    *("--width=0.25", "--learning_rate=0.003", "--epochs=2", "--qat_epochs=1"),
    *("--early_stopping_patience=0", "--batch_size=32", "--random_crop=2"),
    *("--horizontal_flip", "--dropout=0.1", "--calibration_images=16"),
    # So little training says little; it must only be the same each time.
    *("--verification_images=256", "--consistency_tolerance=50"),
)


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        name: of it in counts.
        module: that `python -m` runs.
        flags: {out} is the folder that gets the files, {inputs} has what it reads.
        weight: how often it is chosen, relative to others.
        begins_with: a folder of the inputs, whose files stand in {out} before.
        in_any_folder: whether {out} may have files of others before it is written to.
        is_compared: whether it is run twice, to know what is always the same.
        is_timed: whether its files tell how long it took, which is not compared.
    """

    name: str
    module: str
    flags: tuple[str, ...]
    weight: int = 4
    begins_with: str | None = None
    in_any_folder: bool = False
    is_compared: bool = True
    is_timed: bool = False


def _export(target: str, model: str, *flags: str) -> Command:
    return Command(
        f"export {target}",
        "export",
        (f"--model={model}", f"--targets={target}", "--output={out}", *flags),
    )


ALL = (
    _export("c", str(GOLDEN)),
    _export("tflm", str(GOLDEN)),
    _export("int8", str(GOLDEN)),
    _export("max78000", "{inputs}/facenet", "--no_calibration"),
    _export("gap8", "{inputs}/fire.tflite", "--calibration={inputs}/images"),
    Command("plan", "tfpipeline.plan", ("--model=cmsisnet", "--output={out}")),
    Command(
        "camera",
        "tfpipeline.camera",
        ("--input={inputs}/classes/a/0.png", "--output={out}/face.h"),
        weight=2,
        in_any_folder=True,
    ),
    Command(
        "identify enroll",
        "tfpipeline.identify",
        (
            *("enroll", "--network={inputs}/program.npz", "--people={out}/people.json"),
            *("--name=Ann", "--images={inputs}/face.png"),
        ),
        weight=2,
        in_any_folder=True,
    ),
    Command("report", "tfpipeline.report", ("{out}",), 2, begins_with="run"),
    Command(
        "layer_error",
        "tfpipeline.layer_error",
        ("--run={out}", "--num_images=8", "--formats=wi8_ai8"),
        2,
        begins_with="run",
    ),
    Command(
        "study",
        "tfpipeline.study",
        study_test.classifier(
            pathlib.Path("{inputs}"), "{out}", "--formats=float,int8"
        ),
        is_timed=True,
    ),
    Command(
        "train", "tfpipeline.train", (*_TRAIN, "--workdir={out}"), 6, is_timed=True
    ),
    Command(
        "search",
        "tfpipeline.search",
        (*_TRAIN, "--workdir={out}", "--space={inputs}/space.yaml", "--trials=1"),
        1,
        is_compared=False,
    ),
)


def in_turn(choice: random.Random) -> Iterator[Command]:
    """All of them, the quickest first, and then any for ever, by their weights."""
    yield from ALL
    while True:
        yield choice.choices(ALL, [each.weight for each in ALL])[0]


def prepare(inputs: pathlib.Path) -> None:
    """Writes what the commands read, but for the trained run."""
    inputs.mkdir(parents=True)
    serialize.write(catalog.load("facenet_v7"), inputs / "facenet")
    program_file.write(inputs / "program.npz", gap8_descriptor.descriptor())
    numbers = np.random.default_rng(0)
    fire = from_graph.to_bytes(gap8_files_test.fire_graph())
    (inputs / "fire.tflite").write_bytes(fire)
    (inputs / "images").mkdir()
    for index in range(3):
        pixels = numbers.integers(0, 256, gap8_files_test.SHAPE, np.uint8)
        (inputs / "images" / f"{index}.png").write_bytes(png_images.write(pixels))
    pixels = numbers.integers(0, 256, (8, 8, 1), np.uint8)
    (inputs / "face.png").write_bytes(png_images.write(pixels))
    (inputs / "space.yaml").write_text(_SPACE)
    study_test.draw(
        inputs / "classes", [f"{'abc'[i % 3]}/{i}.png" for i in range(6)], 1
    )
    study_test.draw(inputs / "others", [f"{i}.png" for i in range(4)], 4)


def save_classifier(inputs: pathlib.Path) -> None:
    """Writes the study's network: in a process of its own, as it runs TensorFlow."""
    keras = study_test.keras
    keras.utils.set_random_seed(3)
    source = keras.Input((24, 24, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(source)
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    end = keras.layers.Dense(3, activation="softmax")(x)
    keras.Model(source, end).save(inputs / "classifier.keras")


class Place:
    """Where a command runs: its output, inputs, and files of others.

    Attributes:
        root: of it all; what a command writes elsewhere is beside it.
        inputs: what `prepare` wrote.
        out: the folder that gets the files.
        log: what the last command printed.
    """

    def __init__(
        self, root: pathlib.Path, inputs: pathlib.Path, command: Command
    ) -> None:
        self.root, self.inputs = root, inputs
        self.out, self.log = root / "out", root.with_suffix(".log")
        self._foreign: dict[pathlib.Path, bytes] = {}
        if command.begins_with is not None:
            shutil.copytree(inputs / command.begins_with, self.out)
        self._put(root / "notes.txt", b"mine\n")
        if command.in_any_folder:
            self._put_inside()
        self.add_foreign()

    def add_foreign(self) -> None:
        """Puts files of others into {out}, where that is known to be a command's."""
        if (self.out / markers.NAME).exists():
            self._put_inside()

    def _put_inside(self) -> None:
        self._put(self.out / "mine.txt", b"mine too\n")
        self._put(self.out / "mine" / "keep.bin", bytes(range(256)))

    def _put(self, path: pathlib.Path, data: bytes) -> None:
        if path not in self._foreign:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self._foreign[path] = data

    def changed_foreign(self) -> list[str]:
        """Names of files of others that are not as they were."""
        return [
            str(path.relative_to(self.root))
            for path, data in self._foreign.items()
            if not path.is_file() or path.read_bytes() != data
        ]

    def ours(self) -> dict[str, pathlib.Path]:
        """Files of ours below {out} by name."""
        return {
            path.relative_to(self.out).as_posix(): path
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and path not in self._foreign
        }


def begun(
    command: Command, place: Place, before: Callable[[], None] = lambda: None
) -> int:
    """Starts a command in a fork of this process, which has imported all it needs.

    Args:
        command: what to run.
        place: where.
        before: called in the new process first.

    Returns:
        Its number, which is that of its group of processes.
    """
    number = os.fork()
    if number:
        return number
    code = 99
    try:
        os.setsid()
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = _run(command, place, before)
    finally:
        os._exit(code)


def _run(command: Command, place: Place, before: Callable[[], None]) -> int:
    import runpy

    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.chdir(ROOT)
    for name in ("cache", "tmp"):
        (place.root.parent / name).mkdir(exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(place.root.parent / "cache")
    os.environ["TMPDIR"] = str(place.root.parent / "tmp")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    warnings.filterwarnings("ignore", ".*found in sys.modules after import")
    given = [
        each.replace("{out}", str(place.out)).replace("{inputs}", str(place.inputs))
        for each in command.flags
    ]
    sys.argv = [command.module, *given]
    before()
    try:
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if not ended.code else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def ended(number: int, deadline: float, poll: Callable[[], bool] | None = None) -> int:
    """Waits for a command; kills its group when `poll` says so, or at the deadline.

    Returns:
        Its exit code, negative that of a signal; -9 of one that was killed.
    """
    while True:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline or (poll is not None and poll()):
            with_group(number, signal.SIGKILL)
            _, status = os.waitpid(number, 0)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)


def with_group(number: int, signal_number: int) -> None:
    """Sends a signal to a command and all that it started."""
    try:
        os.killpg(number, signal_number)
    except ProcessLookupError:
        # Before setsid.
        os.kill(number, signal_number)
