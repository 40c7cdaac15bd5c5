"""The folder of a bundle."""

import os

from export.tflm import harness, mps2, project, sources
from export.tflm.bundle import Bundle
from tfpipeline import marked_folder

MODEL_FILE = "model.tflite"


def texts(bundle: Bundle) -> dict[str, str]:
    """All files but the network, by name."""
    return {
        **sources.model_data(bundle),
        "model_ops.h": sources.model_ops(bundle),
        "model_arena.h": sources.model_arena(bundle),
        "model_io.h": sources.model_io(bundle),
        **sources.model_golden(bundle),
        "main.cc": project.main(bundle),
        "CMakeLists.txt": project.CMAKE + harness.CMAKE,
        "README.md": project.readme(bundle),
        **mps2.FILES,
        **harness.contents(bundle),
    }


def contents(bundle: Bundle) -> dict[str, str | bytes]:
    """All files by name."""
    return {MODEL_FILE: bundle.model, **texts(bundle)}


def write(path: str | os.PathLike[str], bundle: Bundle) -> None:
    """Writes `contents`, in place of those of an earlier export to `path`.

    Raises:
        ForeignFileError: the folder holds what is not ours.
        StorageError: the folder cannot be written.
    """
    marked_folder.write(path, contents(bundle))
