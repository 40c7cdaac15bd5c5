"""Where the copy of LFW is that verification reads; found without TensorFlow."""

import os
import pathlib

from tfpipeline import errors
from tfpipeline.data import prepared_folders

FOLDER_NAMES = ("lfw_crop128",)


def require(data_dir: str | os.PathLike[str] | None) -> pathlib.Path:
    """The version folder of the prepared 128x128 copy.

    Args:
        data_dir: TFDS root, folder of the data set or of its version; None for TFDS's
            own default.

    Raises:
        DataError: it is not there.
    """
    root = prepared_folders.default_root() if data_dir is None else data_dir
    folder = prepared_folders.find(FOLDER_NAMES, root)
    if folder is None:
        raise errors.DataError(
            f"no prepared data set {FOLDER_NAMES[0]} in {root}. Verification needs it: "
            "photographs of 128x128 with label and filename (docs/reidentification.md)"
        )
    return folder
