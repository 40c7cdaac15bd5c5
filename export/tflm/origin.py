"""Where the network of a bundle comes from: its file, its name, its labels."""

import pathlib

from tfpipeline import errors, model_source, run_folder
from tfpipeline.untrusted import content


def find(model: str) -> tuple[pathlib.Path, str]:
    """The `.tflite` file that `model` means, and a name for it.

    Args:
        model: the file, or the folder of a run, whose int8 network comes before the one
            of int16 activations and the one of 4-bit weights.

    Returns:
        The file, and its name; of a file `model.tflite` the name of its folder, or of
        the run that it lies in.

    Raises:
        UsageError: nothing of the kind.
    """
    path = pathlib.Path(model)
    model_source.require_no_saved_model(path)
    if path.is_dir():
        candidates = run_folder.RunFolder(path).tflite_files().values()
        found = [each for each in candidates if each.is_file()]
        if not found:
            listed = " nor ".join(str(each.relative_to(path)) for each in candidates)
            raise errors.UsageError(
                f"'{path}' holds no network for TensorFlow Lite Micro: neither "
                f"{listed} is there"
            )
        path = found[0]
    elif path.suffix.lower() != ".tflite":
        raise errors.UsageError(
            f"'{path}' is neither a .tflite file nor the folder of a run"
        )
    return path, run_folder.telling_name(path.resolve())


def read(path: pathlib.Path) -> bytes:
    """The file.

    Raises:
        StorageError: it cannot be read.
    """
    return content.read(path)


def read_labels(file: str) -> tuple[str, ...]:
    """Labels from a text file of UTF-8, one a line.

    Raises:
        DataError: it cannot be read, or a label is empty or there twice.
    """
    try:
        lines = content.read_text(file).splitlines()
    except errors.StorageError as error:
        raise errors.DataError(f"the labels: {error}") from error
    labels = tuple(line.strip() for line in lines)
    if not labels:
        raise errors.DataError(f"the labels {file}: it has no line")
    seen: set[str] = set()
    for number, label in enumerate(labels, 1):
        if not label or label in seen:
            told = errors.brief(label)
            what = "is empty" if not label else f"{told} is there twice"
            raise errors.DataError(f"the labels {file}: line {number} {what}")
        seen.add(label)
    return labels
