"""`procedural_faces`: a TFDS builder of scenes that hold zero to four made-up faces."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tfpipeline.data import face_drawing, face_scene_drawing, procedural

# Nobody appears in both splits, so that verification is tested on strangers.
NUM_TRAIN_IDENTITIES = 40
NUM_TEST_IDENTITIES = 20
# High enough that artifacts stay below the scenes' own noise; 25 KB an image.
_JPEG_QUALITY = 92
# Third number of the identities' seeds, beside the splits' 0 and 1.
_IDENTITY_STREAM = 2


class ProceduralFaces(tfds.core.GeneratorBasedBuilder):
    """Boxes, identities and conditions of faces, made without a download.

    The features are those of TFDS's `wider_face` as far as they go, so that one reader
    serves both; `identity`, `roll`, `yaw` and `pitch` (degrees) are extra.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (the base class's way)
    BUILDER_CONFIGS = [  # noqa: RUF012
        procedural.config(num_train=400, num_test=100),
        procedural.config(num_train=60, num_test=20),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = face_scene_drawing.SCENE_SIZE
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(size, size, 3), encoding_format="jpeg"
                    ),
                    "image/filename": tfds.features.Text(),
                    "faces": tfds.features.Sequence(
                        {
                            "bbox": tfds.features.BBoxFeature(),
                            "blur": np.uint8,
                            "occlusion": np.uint8,
                            "illumination": np.bool_,
                            "pose": np.bool_,
                            "identity": np.int32,
                            "roll": np.float32,
                            "yaw": np.float32,
                            "pitch": np.float32,
                        }
                    ),
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        del dl_manager
        config = self.builder_config
        return {
            "train": self._generate_examples(procedural.TRAIN, config.num_train),
            "test": self._generate_examples(procedural.TEST, config.num_test),
        }

    def _generate_examples(
        self, split: int, count: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        seed = self.builder_config.seed
        known = people(seed, split)
        for index in range(count):
            generator = np.random.default_rng([seed, split, index])
            image, faces = face_scene_drawing.draw(generator, known)
            yield (
                index,
                {
                    "image": _jpeg(image),
                    "image/filename": f"{('train', 'test')[split]}_{index:05d}.jpg",
                    "faces": [_face_features(face) for face in faces],
                },
            )


def people(seed: int, split: int) -> dict[int, face_drawing.Identity]:
    """Who may appear in a split (`procedural.TRAIN` or `TEST`), by number."""
    if split == procedural.TRAIN:
        numbers = range(NUM_TRAIN_IDENTITIES)
    else:
        numbers = range(
            NUM_TRAIN_IDENTITIES, NUM_TRAIN_IDENTITIES + NUM_TEST_IDENTITIES
        )
    return {
        number: face_drawing.draw_identity(
            np.random.default_rng([seed, _IDENTITY_STREAM, number])
        )
        for number in numbers
    }


def _face_features(face: face_scene_drawing.Face) -> dict[str, Any]:
    ymin, xmin, ymax, xmax = face.box / face_scene_drawing.SCENE_SIZE
    return {
        "bbox": tfds.features.BBox(
            ymin=float(ymin), xmin=float(xmin), ymax=float(ymax), xmax=float(xmax)
        ),
        "blur": face.blur,
        "occlusion": face.occlusion,
        "illumination": face.illumination,
        "pose": face.pose,
        "identity": face.identity,
        "roll": face.roll,
        "yaw": face.yaw,
        "pitch": face.pitch,
    }


def _jpeg(image: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_JPEG_QUALITY)
    stream.seek(0)
    return stream
