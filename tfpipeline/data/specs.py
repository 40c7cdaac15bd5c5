"""The data sets by name: what is known of each before it is read."""

import dataclasses

from tfpipeline import errors
from tfpipeline.data import forms

# Pixels, of the prepared copy of LFW, and of made-up people.
LFW_SIDE = 128
# Data sets with pairs of photographs to verify; see verification_sets.
VERIFICATION = ("lfw", "procedural_faces")


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is read.

    Attributes:
        name: the name for `--dataset`, also that of the TFDS builder.
        description: one line for `--help` and the run's summary.
        num_classes: classes of the classification form; None when it depends on the
            prepared files.
        image_shape: (H, W, C) of the classification form.
        needs_download: False when the package makes the images itself.
        scene_splits: the source's splits that give (train and validation, test) scenes
            with face boxes; None when there are no scenes.
        folder_names: names that the prepared folder may have, best first.
        source_url: where the official builder downloads from; empty without download.
        reader: `module:function` below tfpipeline.data that reads it: (DatasetSpec,
            request.Request) -> splits.Dataset.
        where: of data of one's own, the text that names them.
    """

    name: str
    description: str
    num_classes: int | None = None
    image_shape: tuple[int, int, int] = (0, 0, 0)
    needs_download: bool = False
    scene_splits: tuple[str, str] | None = None
    folder_names: tuple[str, ...] = ()
    source_url: str = ""
    reader: str = "catalog:read_labeled"
    where: str = ""

    def __post_init__(self) -> None:
        if not self.folder_names:
            object.__setattr__(self, "folder_names", (self.name,))


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="cifar10",
            description="CIFAR-10: 50,000 + 10,000 photographs of 10 kinds of objects",
            num_classes=10,
            image_shape=(32, 32, 3),
            needs_download=True,
            source_url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        ),
        DatasetSpec(
            name="cifar100",
            description="CIFAR-100: photographs of 100 kinds of objects",
            num_classes=100,
            image_shape=(32, 32, 3),
            needs_download=True,
            source_url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        ),
        DatasetSpec(
            name="wider_face",
            description="WIDER FACE: face / no-face crops of photographs of crowds",
            num_classes=2,
            image_shape=(88, 88, 3),
            needs_download=True,
            # The official test split has no boxes; validation stands in for it.
            scene_splits=("train", "validation"),
            reader="catalog:read_face_crops",
            source_url="https://drive.google.com/",
        ),
        DatasetSpec(
            name="lfw",
            description="LFW: who is it, among people with at least 20 photographs",
            num_classes=None,
            image_shape=(LFW_SIDE, LFW_SIDE, 3),
            needs_download=True,
            folder_names=("lfw_crop128", "lfw"),
            reader="catalog:read_identities",
            source_url="https://ndownloader.figshare.com/files/5976018",
        ),
        DatasetSpec(
            name="procedural_objects",
            description="8,000 + 2,000 made-up images of 10 kinds of shapes, offline",
            num_classes=10,
            image_shape=(32, 32, 3),
            needs_download=False,
        ),
        DatasetSpec(
            name="procedural_faces",
            description="Made-up scenes with faces: face / no-face crops, offline",
            num_classes=2,
            image_shape=(88, 88, 3),
            needs_download=False,
            scene_splits=("train", "test"),
            reader="catalog:read_face_crops",
        ),
    )
}


def find(text: str) -> DatasetSpec:
    """The data set that `--dataset` names: one of ours, or data of one's own.

    Checks what can be without reading it.

    Raises:
        UsageError: it names none, or what is not there.
    """
    if text in DATASETS:
        return DATASETS[text]
    form = forms.find(text, DATASETS)
    return DatasetSpec(
        name=forms.telling_name(text),
        description=f"{text} ({form.name})",
        reader=form.reader,
        where=text,
    )


def named(name: str) -> DatasetSpec:
    """The data set called `name`.

    Raises:
        UsageError: there is none; the message lists the names.
    """
    if name not in DATASETS:
        raise errors.UsageError(
            f"unknown data set '{name}'. Choose one of: {', '.join(DATASETS)}"
        )
    return DATASETS[name]
