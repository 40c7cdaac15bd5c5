"""The data that a network learns from."""

import dataclasses
from typing import Annotated

from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.data import preprocessing, specs

DataDir = Annotated[
    str | None,
    Flag("Folder of prepared TFDS data sets; nothing is downloaded then."),
]


@dataclasses.dataclass(frozen=True)
class Images(fields.Config):
    """Which images are read, and how networks take them."""

    dataset: Annotated[
        str,
        Flag(
            f"Data set: {', '.join(specs.DATASETS)}. The procedural ones need no "
            "download.",
            check=specs.named,
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

    @property
    def is_signed(self) -> bool:
        """Whether inputs lie in [-1, 127/128], as far as flags alone can tell."""
        return preprocessing.is_signed(self.input_range, self.normalize)
