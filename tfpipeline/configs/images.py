"""The data that a network learns from."""

import dataclasses
from typing import Annotated

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.configs.sound import Sound
from tfpipeline.data import forms, preprocessing, specs

_MAX_SIDE = 4096


def size(text: str) -> tuple[int, int]:
    """`H,W` as two numbers.

    Raises:
        UsageError: it is something else.
    """
    try:
        height, width = map(int, text.split(","))
    except ValueError:
        height = width = 0
    if not (1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
        raise errors.UsageError(
            f"'{text[:40]}' is no size of a picture: give H,W in pixels, such as 96,96"
        )
    return height, width


DataDir = Annotated[
    str | None,
    Flag("Folder of prepared TFDS data sets; nothing is downloaded then."),
]


@dataclasses.dataclass(frozen=True)
class Examples(fields.Config):
    """How data of one's own become examples; each flag for some forms."""

    image_size: Annotated[
        str | None,
        Flag(
            "Pictures are resized to H,W pixels. Default: as they are, all of one "
            "size.",
            check=size,
            is_later=True,
        ),
    ] = None
    grayscale: Annotated[bool, Flag("Pictures become gray.", is_later=True)] = False
    label: Annotated[
        tuple[str, ...],
        Flag(
            "Column of a table with the class or the number to learn; several for "
            "several numbers or labels.",
            is_later=True,
        ),
    ] = ()
    columns: Annotated[
        tuple[str, ...],
        Flag(
            "Columns of a table that are inputs. Default: all with numbers.",
            is_later=True,
        ),
    ] = ()
    group: Annotated[
        str | None,
        Flag(
            "Column of a table, such as a person or a recording, whose rows are never "
            "divided between train, validation and test.",
            is_later=True,
        ),
    ] = None
    window: Annotated[
        int | None,
        Flag(
            "Rows of a table that are one input [rows, columns]. Default: each row is "
            "one.",
            low=2,
            is_later=True,
        ),
    ] = None
    stride: Annotated[
        int | None,
        Flag(
            "Rows from the start of a window to that of the next. Default: --window, "
            "without overlap.",
            low=1,
            is_later=True,
        ),
    ] = None
    sound: Annotated[Sound, Group("sounds of your own")] = Sound()

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """Of --image_size."""
        return None if self.image_size is None else size(self.image_size)

    def check(self) -> None:
        """Windows, and what belongs to them."""
        if self.stride is not None and self.window is None:
            raise errors.UsageError("--stride goes with --window=ROWS")


@dataclasses.dataclass(frozen=True)
class Reading(Examples):
    """How data of one's own become the splits of a run."""

    targets: Annotated[
        str,
        Flag(
            "What labels are: classes or numbers. auto: numbers if any has a fraction "
            "or there are several columns.",
            choices=("auto", "classes", "numbers"),
            is_later=True,
        ),
    ] = "auto"
    test_fraction: Annotated[
        float,
        Flag(
            "Share of examples kept for test where the data have no test part, chosen "
            "by --seed.",
            low=0.001,
            high=0.9,
            is_later=True,
        ),
    ] = 0.2


@dataclasses.dataclass(frozen=True)
class Images(fields.Config):
    """Which images are read, and how networks take them."""

    dataset: Annotated[
        str,
        Flag(
            f"Data set: {', '.join(specs.DATASETS)}; the procedural ones need no "
            "download. Or data of your own (docs/data.md): "
            f"{', '.join(form.syntax for form in forms.FORMS)}.",
            check=specs.find,
        ),
    ] = "procedural_objects"
    data_dir: DataDir = None
    train_limit: Annotated[
        int | None,
        Flag(
            "Use only the first N examples of the train split (and N/5 of test): for "
            "trying things out.",
            low=10,
        ),
    ] = None
    validation_fraction: Annotated[
        float,
        Flag(
            "Share of the train split kept for validation, chosen by --seed.",
            low=0.001,
            high=0.9,
        ),
    ] = 0.1
    normalize: Annotated[
        bool,
        Flag(
            "Network input (pixel - 128) / 128, in [-1, 127/128]; with --nonormalize "
            "pixel / 256, in [0, 255/256]. The int8 input is pixel - 128 in both."
        ),
    ] = True
    input_range: Annotated[
        str,
        Flag(
            "Range of the network's input: auto, pixels or LOW,HIGH. auto: pixels as "
            "--normalize says, other data in the range of the train split. LOW,HIGH: "
            "pixels 0 to 255 are mapped to it; of other data it says what the "
            "integers cover. pixels: 0,255.",
            check=preprocessing.require_text,
            is_later=True,
        ),
    ] = preprocessing.AUTO
    memory_limit: Annotated[
        float | None,
        Flag(
            "GiB that data may take in memory; larger sets are kept in --cache_dir and "
            "streamed from there, to the same result. Default: a quarter of the "
            "machine's memory.",
            low=0.0,
            is_later=True,
        ),
    ] = None
    cache_dir: Annotated[
        str | None,
        Flag(
            "Folder for sets larger than --memory_limit. Default: tfpipeline/data in "
            "the user's cache folder.",
            is_later=True,
        ),
    ] = None
    reading: Annotated[Reading, Group("data of your own")] = Reading()

    @property
    def memory_bytes(self) -> int | None:
        """Of --memory_limit."""
        return None if self.memory_limit is None else int(self.memory_limit * 2**30)

    @property
    def is_signed(self) -> bool:
        """Whether inputs lie in [-1, 127/128], as far as flags alone can tell."""
        return preprocessing.is_signed(self.input_range, self.normalize)
