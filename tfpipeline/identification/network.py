"""The descriptor network as the device runs it, and the threshold that goes with it."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import atomic_files, errors, run_folder
from tfpipeline.targets.gap8 import program, program_file, simulate

THRESHOLD_FILE = "identification.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A descriptor network.

    Attributes:
        program: takes one gray image of raw pixels, gives a vector.
        threshold: squared L2 at or below which two faces count as one person's;
            `None` where none was chosen.
    """

    program: program.Program
    threshold: int | None = None

    @property
    def side(self) -> int:
        """Rows and columns of the image."""
        return self.program.input.shape[1]

    @property
    def length(self) -> int:
        """Values of a descriptor."""
        return self.program.tensors[self.program.outputs[0]].num_elements

    @property
    def fingerprint(self) -> str:
        """Tells networks apart."""
        return program_file.fingerprint(self.program)

    def describe(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
        """Descriptors, int16 [N, length], of uint8 [N, side, side, 1].

        Computed as the chip's kernels with 32-bit accumulators do ("double precision").
        """
        data = simulate.quantize_images(self.program, images.astype(np.float32))
        values = simulate.predict(self.program, data)
        return values.reshape(len(images), -1).astype(np.int16)


def load(path: str | os.PathLike[str]) -> Network:
    """Reads a network from its file, its folder, or the folder of a run.

    Raises:
        StorageError: no such file, or a damaged one.
        UsageError: a network that gives no descriptor of one gray image.
    """
    given = pathlib.Path(path)
    # A folder may hold it itself, or as the folder of a run.
    within = run_folder.RunFolder(given).export_file("gap8")
    places = [given] if given.is_file() else [given / program_file.FILE_NAME, within]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise errors.StorageError(
            f"{path} holds no {program_file.FILE_NAME}: give the folder of a run that "
            "was exported for gap8, or of that export"
        )
    p = program_file.read(file)
    channels, rows, columns = p.input.shape
    if channels != 1 or rows != columns or len(p.outputs) != 1:
        raise errors.UsageError(
            f"{file} ('{p.name}') must take one square gray image and give one vector; "
            f"it takes {channels}x{rows}x{columns} and gives {len(p.outputs)}"
        )
    return Network(p, _threshold(file.with_name(THRESHOLD_FILE)))


def write_threshold(
    folder: str | os.PathLike[str], threshold: int, record: dict[str, Any]
) -> None:
    """Writes the threshold beside the program, with how it was chosen.

    Args:
        folder: that holds the program.
        threshold: squared L2 in squared steps of the descriptor.
        record: JSON values for a reader: pairs, rates.
    """
    atomic_files.write_json(
        pathlib.Path(folder) / THRESHOLD_FILE, {"threshold": threshold, **record}
    )


def threshold_record(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What `write_threshold` wrote into a folder; empty if nothing.

    Raises:
        StorageError: a file that it did not write.
    """
    file = pathlib.Path(folder) / THRESHOLD_FILE
    if _threshold(file) is None:
        return {}
    return dict(atomic_files.read_json(file))


def _threshold(file: pathlib.Path) -> int | None:
    if not file.exists():
        return None
    content = atomic_files.read_json(file)
    value = content.get("threshold") if isinstance(content, dict) else None
    if not isinstance(value, int):
        raise errors.StorageError(f"{file} has no whole number 'threshold'")
    return value
