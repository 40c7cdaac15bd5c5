"""Downloads an official TFDS data set, and fails fast and clearly without a network."""

import pathlib

import requests
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import tfds_source

# Seconds to connect and to the first answer. The download itself has no limit; this
# only decides whether there is a network at all before TFDS tries again and again.
_PROBE_TIMEOUT_SECONDS = 5.0


def prepare(name: str, root: pathlib.Path, source_url: str) -> pathlib.Path:
    """Downloads and prepares a data set under `root` with its official builder.

    Google's cloud storage, where TFDS would first look for a prepared copy, is left
    alone.

    Args:
        name: the builder's name.
        root: the TFDS root to write to.
        source_url: where the builder downloads from, asked first.

    Returns:
        The version folder.

    Raises:
        DataError: no network, or the download or preparation failed.
        ForeignFileError: a file is in the way that TFDS did not write.
    """
    tfds_source.require_free(root / name)
    _probe(name, root, source_url)
    try:
        builder = tfds.builder(name, data_dir=root, try_gcs=False)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    # A builder runs code for archives, checksums and web pages of many kinds, whose
    # errors have no common base.
    except Exception as error:
        raise errors.DataError(
            f"data set '{name}' is not in {root} and its download failed: "
            f"{tfds_source.first_line(error)}. {_advice()}"
        ) from error
    return pathlib.Path(builder.data_dir)


def _probe(name: str, root: pathlib.Path, source_url: str) -> None:
    try:
        requests.head(source_url, timeout=_PROBE_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        host = source_url.split("/")[2]
        raise errors.DataError(
            f"data set '{name}' is not in {root} and the network failed: cannot reach "
            f"{host} ({type(error).__name__}). {_advice()}"
        ) from error


def _advice() -> str:
    return "Give --data_dir=FOLDER of a prepared TFDS copy to work offline"
