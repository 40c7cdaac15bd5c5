import io
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.data import procedural, procedural_objects, tfds_source

SHAPE = (32, 32, 3)
NAMES = ("procedural_objects",)


@pytest.fixture
def copied(objects_folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A version folder that a test may damage, as `root/procedural_objects/1.0.0`."""
    return pathlib.Path(
        shutil.copytree(objects_folder, tmp_path / "procedural_objects" / "1.0.0")
    )


def _shard(folder: pathlib.Path, split: str) -> pathlib.Path:
    (path,) = folder.glob(f"*-{split}.tfrecord-*")
    return path


def _rewrite(path: pathlib.Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def _records(path: pathlib.Path) -> list[bytes]:
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def _example(image: bytes, label: int = 0) -> bytes:
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString())


def _png(height: int, width: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def _read(folder: pathlib.Path, split: str = "train") -> np.ndarray:
    builder = tfds_source.open_prepared(folder)
    return tfds_source.read_images(builder, split, SHAPE)[0]


def test_read_images_gives_what_was_drawn_in_that_order(
    objects_folder: pathlib.Path,
) -> None:
    builder = tfds_source.open_prepared(objects_folder)
    images, labels = tfds_source.read_images(builder, "train", SHAPE)
    first, first_labels = procedural_objects.draw_batch(0, procedural.TRAIN, 0)
    second, _ = procedural_objects.draw_batch(0, procedural.TRAIN, len(first))
    np.testing.assert_array_equal(images, np.concatenate([first, second])[:60])
    np.testing.assert_array_equal(labels[: len(first)], first_labels)
    np.testing.assert_array_equal(labels, tfds_source.read_labels(builder, "train"))
    assert tfds_source.class_names(builder)[:2] == ("disk", "ring")


@pytest.mark.parametrize("positions", [[0], [59], [3, 4, 40], list(range(60)), []])
def test_positions_choose_examples(
    objects_folder: pathlib.Path, positions: list[int]
) -> None:
    builder = tfds_source.open_prepared(objects_folder)
    images, labels = tfds_source.read_images(builder, "train", SHAPE)
    chosen = np.array(positions, np.int64)
    some, some_labels = tfds_source.read_images(builder, "train", SHAPE, chosen)
    np.testing.assert_array_equal(some, images[chosen])
    np.testing.assert_array_equal(some_labels, labels[chosen])
    examples = list(tfds_source.read_examples(builder, "train", chosen))
    assert len(examples) == len(positions)
    for example, image in zip(examples, some, strict=True):
        np.testing.assert_array_equal(example["image"], image)


def test_truncated_shard_is_named(copied: pathlib.Path) -> None:
    shard = _shard(copied, "train")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(errors.DataError, match=shard.name) as caught:
        _read(copied)
    assert "after record 59" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(_read(copied, "test")) == 20


def test_flipped_byte_is_named_with_its_record(copied: pathlib.Path) -> None:
    shard = _shard(copied, "test")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(errors.DataError, match=rf"{shard.name} is damaged after"):
        _read(copied, "test")
    builder = tfds_source.open_prepared(copied)
    with pytest.raises(errors.DataError, match=rf"{shard.name} is damaged after"):
        list(tfds_source.read_examples(builder, "test"))
    with pytest.raises(errors.DataError, match=rf"{shard.name} is damaged after"):
        tfds_source.read_labels(builder, "test")


def test_shard_cut_between_records_is_noticed(copied: pathlib.Path) -> None:
    shard = _shard(copied, "train")
    _rewrite(shard, _records(shard)[:-1])
    with pytest.raises(errors.DataError, match="expected 60 examples, found 59"):
        _read(copied)
    builder = tfds_source.open_prepared(copied)
    with pytest.raises(errors.DataError, match="expected 60 examples, found 59"):
        list(tfds_source.read_examples(builder, "train"))


def test_absent_shard_is_named(copied: pathlib.Path) -> None:
    shard = _shard(copied, "test")
    shard.unlink()
    with pytest.raises(errors.DataError, match=rf"{shard.name} is absent"):
        _read(copied)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_broken_description_is_a_data_error(copied: pathlib.Path, name: str) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(errors.DataError, match="not a readable TFDS folder") as caught:
        _read(copied)
    assert "\n" not in str(caught.value)


def test_wrong_image_shape_is_told_with_expected_and_found(
    copied: pathlib.Path,
) -> None:
    shard = _shard(copied, "train")
    records = _records(shard)
    records[7] = _example(_png(28, 30))
    _rewrite(shard, records)
    with pytest.raises(errors.DataError) as caught:
        _read(copied)
    message = str(caught.value)
    assert f"record 7 of {shard}" in message
    assert "shape (28, 30, 3) where (32, 32, 3) is expected" in message


def test_undecodable_image_is_told_with_its_record(copied: pathlib.Path) -> None:
    shard = _shard(copied, "train")
    records = _records(shard)
    records[11] = _example(_png(32, 32)[:60])
    _rewrite(shard, records)
    with pytest.raises(errors.DataError, match=f"record 11 of {shard}") as caught:
        _read(copied)
    assert "\n" not in str(caught.value)
    builder = tfds_source.open_prepared(copied)
    with pytest.raises(errors.DataError, match=f"record 11 of {shard}"):
        list(tfds_source.read_examples(builder, "train"))


def test_record_without_an_image_is_told(copied: pathlib.Path) -> None:
    shard = _shard(copied, "train")
    _rewrite(shard, [tf.train.Example().SerializeToString(), *_records(shard)[1:]])
    with pytest.raises(errors.DataError, match=f"record 0 of {shard}"):
        _read(copied)


def test_unknown_split_lists_the_splits(objects_folder: pathlib.Path) -> None:
    builder = tfds_source.open_prepared(objects_folder)
    with pytest.raises(errors.DataError, match=r"has no split 'val'.*train, test"):
        tfds_source.read_images(builder, "val", SHAPE)
