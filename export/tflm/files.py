"""The folder of a bundle."""

import os

from export import folder
from export.tflm import mps2, project, sources
from export.tflm.bundle import Bundle
from tfpipeline import atomic_files

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
        "CMakeLists.txt": project.CMAKE,
        "README.md": project.readme(bundle),
        **mps2.FILES,
    }


def write(path: str | os.PathLike[str], bundle: Bundle) -> None:
    """Writes all files; an older folder at `path` is replaced in one step.

    Raises:
        StorageError: the folder cannot be written.
    """
    written = texts(bundle)
    with folder.replace(path) as temporary:
        atomic_files.write_bytes(temporary / MODEL_FILE, bundle.model)
        (temporary / mps2.FOLDER).mkdir()
        for file, text in written.items():
            atomic_files.write_text(temporary / file, text)
