"""What the command line of a study says."""

import dataclasses
import pathlib
from typing import Annotated

from export.given import Given
from tfpipeline import errors, workers
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.inference import runners
from tfpipeline.post_training import input_range as input_ranges
from tfpipeline.study.running import crops, decoders

CLASSIFIER, DETECTOR, VERIFIER = "classifier", "detector", "verifier"
SEGMENTER = "segmenter"
STAGES = (CLASSIFIER, SEGMENTER, DETECTOR, VERIFIER)
_ALONE = (CLASSIFIER, SEGMENTER)
_MODEL = "a .keras, .h5 or .tflite file, file.py:function, or the folder of a run"


def _require_there(model: str) -> None:
    Given(model).require_there()


@dataclasses.dataclass(frozen=True)
class Networks(fields.Config):
    """What is studied; which of them are given says what is measured."""

    classifier: Annotated[
        str | None,
        Flag(
            f"Takes pictures for classes: {_MODEL}.",
            check=_require_there,
        ),
    ] = None
    segmenter: Annotated[
        str | None,
        Flag("Gives each pixel a class; likewise.", check=_require_there),
    ] = None
    detector: Annotated[
        str | None,
        Flag("Finds faces or other objects; likewise.", check=_require_there),
    ] = None
    verifier: Annotated[
        str | None,
        Flag(
            "Gives descriptors of faces; likewise. Beside a detector, of those that it "
            "finds: a cascade.",
            check=_require_there,
        ),
    ] = None
    decoder: Annotated[
        str,
        Flag(
            "How the detector's outputs say boxes; auto: by their number.",
            choices=(decoders.AUTO, *decoders.DECODERS),
        ),
    ] = decoders.AUTO
    input_range: Annotated[str, Flag(input_ranges.HELP, check=input_ranges.parse)] = (
        input_ranges.AUTO
    )
    bgr: Annotated[
        tuple[str, ...],
        Flag("Which networks read blue first, as OpenCV does.", choices=STAGES),
    ] = ()


@dataclasses.dataclass(frozen=True)
class Data(fields.Config):
    """Pictures to measure on, and others for calibration."""

    data: Annotated[
        str | None,
        Flag(
            "Pictures: a folder (a class or a person a folder, one with images and "
            "masks, or with --labels or --annotations), lfw, or NAME:SPLIT of a "
            "prepared TFDS set with boxes, such as wider_face:validation."
        ),
    ] = None
    data_dir: Annotated[
        str | None, Flag("Where prepared TFDS sets are; default: where TFDS has them.")
    ] = None
    labels: Annotated[
        str | None,
        Flag("CSV with the columns file and label, of a folder without folders."),
    ] = None
    annotations: Annotated[
        str | None,
        Flag(
            "Boxes of the folder's pictures: a COCO .json, a folder of Pascal VOC "
            ".xml, or one of YOLO .txt with classes.txt."
        ),
    ] = None
    pairs: Annotated[
        str | None,
        Flag(
            "Pairs of pictures: LFW's pairs.txt, or CSV with the columns fold, same, "
            "file1 and file2. Default of a folder of people: drawn by --seed."
        ),
    ] = None
    pairs_a_fold: Annotated[
        int, Flag("So many pairs of each kind of a fold; 0: all.", low=0)
    ] = 0
    limit: Annotated[
        int | None,
        Flag("So many pictures at most, evenly spaced; not of pairs.", low=1),
    ] = None
    calibration: Annotated[
        str | None,
        Flag(
            "Other pictures, which set ranges: a folder (all below it) or NAME:SPLIT; "
            "lfw: of people who are in no measured pair."
        ),
    ] = None
    calibration_pictures: Annotated[
        int, Flag("So many of them, evenly spaced.", low=1)
    ] = 200


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """All flags."""

    workdir: Annotated[
        str | None, Flag("Folder of the study; the same command resumes there.")
    ] = None
    formats: Annotated[
        tuple[str, ...],
        Flag(
            "Number formats, the one that others are compared with first: "
            + "; ".join(f"{name}: {words}" for name, words in runners.FORMS.items())
            + ".",
            check=runners.known,
        ),
    ] = (runners.FLOAT, runners.INT8)
    detector_formats: Annotated[
        tuple[str, ...],
        Flag("Of a cascade's detector; default: --formats.", check=runners.known),
    ] = ()
    threshold: Annotated[
        float, Flag("Score from which a box counts.", low=0.01, high=0.99)
    ] = 0.3
    crop: Annotated[
        str,
        Flag(
            "How a face becomes the verifier's input: landmarks, box:K (a square of K "
            "times the longer side), or whole (the picture; without a detector).",
            check=crops.parse,
        ),
    ] = crops.LANDMARKS
    face_sizes: Annotated[
        tuple[int, ...],
        Flag("Faces shrunk to so many pixels and back; 0: as they are.", low=0),
    ] = (0,)
    grid_sizes: Annotated[
        tuple[int, ...],
        Flag(
            "Of these sizes also every detector format beside every verifier format.",
            low=0,
        ),
    ] = ()
    mirror: Annotated[
        bool, Flag("Descriptors are the sum of a face's and its mirror image's.")
    ] = False
    measure_only: Annotated[
        bool,
        Flag(
            "Runs nothing: measures the .npz and .jsonl records in WORKDIR/records, "
            "whoever wrote them."
        ),
    ] = False
    runner: workers.Runner = workers.AUTO
    resamples: Annotated[int, Flag("Of intervals.", low=10)] = 2000
    seed: Annotated[int, Flag("Of what is drawn.", low=0)] = 0
    networks: Annotated[Networks, Group("networks")] = Networks()
    data: Annotated[Data, Group("data")] = Data()

    @property
    def root(self) -> pathlib.Path:
        """The folder of the study.

        Raises:
            UsageError: there is none.
        """
        if not self.workdir:
            raise errors.UsageError("--workdir=DIR is missing: the folder of the study")
        return pathlib.Path(self.workdir)

    def check(self) -> None:
        """Only a cascade has two networks; nothing is there twice."""
        given = self._given()
        alone = [stage for stage in given if stage in _ALONE]
        if alone and len(given) > 1:
            others = " and ".join(f"--{each}" for each in given if each != alone[0])
            raise errors.UsageError(
                f"--{alone[0]} is a study of its own: leave out {others}"
            )
        for name in ("formats", "detector_formats", "face_sizes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise errors.UsageError(f"--{name} has a value twice")

    def stages(self) -> tuple[str, ...]:
        """Stages whose networks are given.

        Raises:
            UsageError: none is.
        """
        given = self._given()
        if not given:
            raise errors.UsageError(
                "say what is studied: --classifier, --segmenter, --detector, "
                "--verifier, or the last two together"
            )
        return given

    def _given(self) -> tuple[str, ...]:
        return tuple(each for each in STAGES if getattr(self.networks, each))
