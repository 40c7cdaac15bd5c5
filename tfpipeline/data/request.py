"""What is asked of a data set when it is read."""

import dataclasses
import os

from tfpipeline.configs import images


@dataclasses.dataclass(frozen=True)
class Request:
    """How a data set is to be read; see catalog.load for the common ones.

    Attributes:
        data_dir: TFDS root, None for the usual one.
        seed: chooses validation and, where there is none, test examples.
        validation_fraction: share of the train examples kept for validation.
        limit: most train examples (validation's included), and a fifth of it of test.
        download: whether a TFDS set may be downloaded.
        reading: flags of data of one's own.
        memory_bytes: splits that together have more are kept on the disk; None: a
            quarter of the machine's memory.
        cache_dir: where; None for the user's cache folder.
        needs_every_class: whether training must see each class, of two at least.
        reads_boxes: whether objects and their boxes are asked for.
        input_shape: (H, W, C) of the network, where pictures of any size are fitted.
    """

    data_dir: str | os.PathLike[str] | None = None
    seed: int = 0
    validation_fraction: float = 0.1
    limit: int | None = None
    download: bool = True
    reading: images.Reading = images.Reading()  # noqa: RUF009 a frozen value
    memory_bytes: int | None = None
    cache_dir: str | os.PathLike[str] | None = None
    needs_every_class: bool = True
    reads_boxes: bool = False
    input_shape: tuple[int, int, int] | None = None
