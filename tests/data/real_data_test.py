"""The prepared real images, against the counts and sums that came with them."""

import hashlib
import pathlib

import numpy as np
import pytest

from tfpipeline.compat import tf
from tfpipeline.data import catalog, tfds_source

pytestmark = pytest.mark.real_data


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("below", ["", "cifar10", "cifar10/3.0.2"])
def test_cifar10_is_found_at_any_level(shared_data: pathlib.Path, below: str) -> None:
    dataset = catalog.load("cifar10", data_dir=shared_data / "tfds" / below, limit=500)
    assert (len(dataset.train), len(dataset.validation)) == (450, 50)
    assert len(dataset.test) == 100
    assert dataset.class_names[:3] == ("airplane", "automobile", "bird")
    assert dataset.class_names[9] == "truck"


def _ids(builder: object, split: str) -> np.ndarray:
    paths = [str(path) for path in builder.info.splits[split].filepaths]
    feature = {"id": tf.io.FixedLenFeature([], tf.string)}
    batches = tf.data.TFRecordDataset(paths).batch(1000)
    return np.concatenate(
        [tf.io.parse_example(batch, feature)["id"].numpy() for batch in batches]
    )


@pytest.mark.parametrize(
    ("where", "split", "count", "digest"),
    [
        ("tfds/cifar10/3.0.2", "test", 10_000, "c2fadad6caccabb38d09a2eeadea924c"),
        (
            "tfds_subset/cifar100/3.0.2",
            "test",
            2_000,
            "5030e48fe6fcbd3defcae0d2be697b3d",
        ),
    ],
)
def test_pixels_have_the_published_sum(
    shared_data: pathlib.Path, where: str, split: str, count: int, digest: str
) -> None:
    """md5 of the images in the order of their ids, from the data's own README."""
    builder = tfds_source.open_prepared(shared_data / where)
    images, labels = tfds_source.read_images(builder, split, (32, 32, 3))
    assert len(images) == len(labels) == count
    in_order = images[np.argsort(_ids(builder, split), kind="stable")]
    assert hashlib.md5(in_order).hexdigest() == digest


def test_order_is_that_of_tfds(shared_data: pathlib.Path) -> None:
    import tensorflow_datasets as tfds

    builder = tfds_source.open_prepared(shared_data / "tfds" / "cifar10" / "3.0.2")
    dataset = builder.as_dataset(
        split="test[2490:2510]",
        shuffle_files=False,
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    expected = list(dataset.as_numpy_iterator())
    images, labels = tfds_source.read_images(
        builder, "test", (32, 32, 3), np.arange(2490, 2510)
    )
    assert labels.tolist() == [example["label"] for example in expected]
    np.testing.assert_array_equal(images, [example["image"] for example in expected])


@pytest.mark.slow
def test_cifar100_subset(shared_data: pathlib.Path) -> None:
    dataset = catalog.load("cifar100", data_dir=shared_data / "tfds_subset")
    assert len(dataset.train) + len(dataset.validation) == 10_000
    assert len(dataset.test) == 2_000
    assert dataset.num_classes == 100
    assert (np.bincount(dataset.test.targets) == 20).all()


def test_wider_face_scenes(shared_data: pathlib.Path) -> None:
    folder = shared_data / "tfds_subset"
    parts = {
        split: catalog.load_scenes("wider_face", split, data_dir=folder)
        for split in ("train", "validation", "test")
    }
    assert len(parts["train"]) + len(parts["validation"]) == 267
    assert len(parts["test"]) == 111
    assert not set(parts["train"].positions) & set(parts["validation"].positions)
    faces = 0
    for scene in parts["test"]:
        faces += len(scene.boxes)
        height, width = scene.image.shape[:2]
        assert (scene.boxes[:, 2:] <= (height, width)).all()
        # Annotations are whole pixels.
        np.testing.assert_array_equal(scene.boxes, scene.boxes.round())
        assert (scene.identities == -1).all()
    assert faces == 2_191


def test_wider_face_crops(shared_data: pathlib.Path) -> None:
    dataset = catalog.load(
        "wider_face", data_dir=shared_data / "tfds_subset", limit=100
    )
    assert dataset.input_shape == (88, 88, 3)
    assert np.bincount(dataset.train.targets).tolist() == [45, 45]
    assert np.bincount(dataset.test.targets).tolist() == [10, 10]


@pytest.mark.slow
def test_lfw_takes_the_prepared_crops(shared_data: pathlib.Path) -> None:
    dataset = catalog.load("lfw", data_dir=shared_data / "tfds", limit=310)
    assert dataset.input_shape == (128, 128, 3)
    assert dataset.num_classes == 62
    labels = np.concatenate([dataset.train.targets, dataset.validation.targets])
    assert (np.bincount(labels, minlength=62) == 5).all()
    assert (np.bincount(dataset.test.targets, minlength=62) == 1).all()
    assert "George_W_Bush" in dataset.class_names
    builder = tfds_source.open_prepared(shared_data / "tfds" / "lfw_crop128" / "1.0.0")
    assert tfds_source.num_examples(builder, "train") == 11_684
