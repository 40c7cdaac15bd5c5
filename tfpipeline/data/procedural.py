"""What the builders of made-up images share: their size, seed, and preparation."""

import contextlib
import dataclasses
import io
import os
import pathlib
from collections.abc import Iterator

import tensorflow_datasets as tfds

from tfpipeline import errors, leftovers
from tfpipeline.compat import tf
from tfpipeline.data import tfds_source

# Split numbers for `numpy.random.default_rng([seed, split, ...])`.
TRAIN, TEST = 0, 1


@dataclasses.dataclass(kw_only=True)
class ProceduralConfig(tfds.core.BuilderConfig):
    """How many examples, and from which seed.

    Attributes:
        num_train: examples of the train split.
        num_test: examples of the test split.
        seed: two seeds give two different sets; one seed always the same.
    """

    num_train: int
    num_test: int
    seed: int = 0


def config(num_train: int, num_test: int, seed: int = 0) -> ProceduralConfig:
    """A config of any size; its name, part of the folder's, says all of it."""
    return ProceduralConfig(
        name=f"train{num_train}_test{num_test}_seed{seed}",
        description=f"{num_train} train and {num_test} test examples from seed {seed}",
        num_train=num_train,
        num_test=num_test,
        seed=seed,
    )


def default_root() -> pathlib.Path:
    """Where made-up sets are kept: $TFDS_DATA_DIR, or the user's cache folder."""
    configured = os.environ.get("TFDS_DATA_DIR")
    if configured:
        return pathlib.Path(configured).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(cache).expanduser() / "tfpipeline" / "tfds"


def prepare(
    builder_class: type[tfds.core.GeneratorBasedBuilder],
    root: str | os.PathLike[str],
    builder_config: ProceduralConfig,
) -> pathlib.Path:
    """Generates a set under `root` unless it is there already.

    TFDS writes into a temporary folder and renames it, so an interrupted run leaves
    nothing that looks complete; of two runs at once one wins, and both read the same.

    Args:
        builder_class: the builder of the set.
        root: TFDS root; the set goes to `root/name/config/version`.
        builder_config: how many examples from which seed.

    Returns:
        The version folder, readable with `tfds_source.open_prepared`.

    Raises:
        ForeignFileError: a file is in the way that TFDS did not write.
        StorageError: the folder cannot be written.
    """
    root = pathlib.Path(root).expanduser()
    name = builder_config.name
    folder = root / builder_class.name / name / str(builder_class.VERSION)
    if _is_complete(folder):
        return folder
    tfds_source.require_free(root / builder_class.name)
    download_config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        # TFDS creates a folder for downloads even where nothing is downloaded.
        with _quiet(), leftovers.scratch_folder() as unused:
            # TFDS wants a config that the class lists by its name only.
            listed = name in builder_class.builder_configs
            builder_class(
                data_dir=os.fspath(root), config=name if listed else builder_config
            ).download_and_prepare(
                download_dir=os.fspath(unused), download_config=download_config
            )
    except (OSError, tf.errors.OpError) as error:
        # Another process may have finished the same set in the meantime.
        if not _is_complete(folder):
            raise errors.StorageError(
                f"cannot generate data set '{builder_class.name}' in {root}: "
                f"{getattr(error, 'strerror', None) or error}. "
                "Free space or give a writable --data_dir=FOLDER."
            ) from error
    return folder


def _is_complete(folder: pathlib.Path) -> bool:
    return (folder / "dataset_info.json").is_file()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without TFDS's banner and bars, which speak of a download that there is not."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
