import pathlib
import re
import time

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import (
    catalog,
    procedural,
    procedural_faces,
    specs,
    splits,
    tfds_download,
)

NAMES = (
    "cifar10",
    "cifar100",
    "wider_face",
    "lfw",
    "procedural_objects",
    "procedural_faces",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def objects(root: pathlib.Path) -> splits.Dataset:
    return catalog.load("procedural_objects", data_dir=root, limit=200)


@pytest.fixture
def faces_root(
    faces_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """Root of a tiny `procedural_faces`, made the builder's only config."""
    tiny = procedural.config(num_train=24, num_test=8)
    monkeypatch.setattr(procedural_faces.ProceduralFaces, "BUILDER_CONFIGS", [tiny])
    return faces_folder.parents[2]


def test_catalog_has_the_stated_names() -> None:
    assert set(specs.DATASETS) == set(NAMES)
    for name, spec in specs.DATASETS.items():
        assert spec.name == name
        assert spec.needs_download == bool(spec.source_url)
        assert spec.description


@pytest.mark.parametrize("load", [catalog.load, specs.named])
def test_unknown_name_lists_the_choices(load: object) -> None:
    assert callable(load)
    with pytest.raises(errors.UsageError, match="'cifar'") as caught:
        load("cifar")
    for name in NAMES:
        assert name in str(caught.value)


@pytest.mark.slow
def test_limit_says_how_many_examples(objects: splits.Dataset) -> None:
    assert [len(objects.train), len(objects.validation), len(objects.test)] == [
        180,
        20,
        40,
    ]
    spec = specs.named("procedural_objects")
    assert objects.input_shape == spec.image_shape
    assert objects.num_classes == spec.num_classes
    assert objects.test.targets.max() < 10


@pytest.mark.slow
def test_limit_takes_the_first_examples(
    root: pathlib.Path, objects: splits.Dataset
) -> None:
    fewer = catalog.load("procedural_objects", data_dir=root, limit=100)
    np.testing.assert_array_equal(fewer.test.inputs, objects.test.inputs[:20])
    whole = _in_source_order(objects)
    np.testing.assert_array_equal(_in_source_order(fewer), whole[:100])


def _in_source_order(dataset: splits.Dataset) -> np.ndarray:
    images = np.concatenate([dataset.train.inputs, dataset.validation.inputs])
    positions = np.concatenate([dataset.train_indices, dataset.validation_indices])
    assert sorted(positions) == list(range(len(images)))
    return images[np.argsort(positions)]


@pytest.mark.slow
def test_seed_moves_validation_only(
    root: pathlib.Path, objects: splits.Dataset
) -> None:
    other = catalog.load("procedural_objects", data_dir=root, limit=200, seed=1)
    again = catalog.load("procedural_objects", data_dir=root, limit=200)
    assert again.fingerprint() == objects.fingerprint()
    assert other.fingerprint() != objects.fingerprint()
    np.testing.assert_array_equal(_in_source_order(other), _in_source_order(objects))
    np.testing.assert_array_equal(other.test.inputs, objects.test.inputs)


@pytest.mark.slow
def test_face_crops_are_balanced_and_as_many_as_the_limit(
    faces_root: pathlib.Path,
) -> None:
    faces = catalog.load(
        "procedural_faces", data_dir=faces_root, limit=40, validation_fraction=0.25
    )
    assert faces.input_shape == (88, 88, 3)
    assert faces.class_names == ("no_face", "face")
    for split, count in ((faces.train, 30), (faces.validation, 10), (faces.test, 8)):
        assert len(split) == count
        assert np.bincount(split.targets).tolist() == [count // 2] * 2
    assert re.search(r"train: \d+ no_face, \d+ face, \d+ ambig", faces.description)


@pytest.mark.slow
def test_no_scene_is_in_train_and_validation(faces_root: pathlib.Path) -> None:
    faces = catalog.load(
        "procedural_faces", data_dir=faces_root, validation_fraction=0.25, seed=2
    )
    train, validation = set(faces.train_indices), set(faces.validation_indices)
    assert len(train) > 5
    assert validation
    assert not train & validation
    assert len(faces.train_indices) == len(faces.train)
    opened = [
        set(
            catalog.load_scenes(
                "procedural_faces",
                split,
                data_dir=faces_root,
                validation_fraction=0.25,
                seed=2,
            ).positions
        )
        for split in ("train", "validation", "test")
    ]
    assert train <= opened[0]
    assert validation <= opened[1]
    assert opened[0] | opened[1] == set(range(24))
    assert opened[2] == set(range(8))


@pytest.mark.slow
def test_scenes_are_limited_and_read_lazily(faces_root: pathlib.Path) -> None:
    found = catalog.load_scenes(
        "procedural_faces", "test", data_dir=faces_root, limit=3
    )
    assert len(found) == 3
    assert [scene.name for scene in found] == [f"test_0000{n}.jpg" for n in range(3)]


def test_small_limits_need_small_sets_only(root: pathlib.Path) -> None:
    catalog.load("procedural_objects", data_dir=root, limit=1000)
    made = {path.name for path in (root / "procedural_objects").iterdir()}
    assert {name for name in made if name.startswith("train")} == {
        "train1000_test200_seed0"
    }


def test_limit_below_five_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="limit must be 5 or more"):
        catalog.load("cifar10", limit=4)


def test_scenes_of_a_set_without_boxes_list_those_with() -> None:
    with pytest.raises(errors.UsageError, match="wider_face, procedural_faces"):
        catalog.load_scenes("cifar10", "train")


def test_unknown_scene_split_lists_the_choices(root: pathlib.Path) -> None:
    with pytest.raises(errors.UsageError, match="train, validation, test"):
        catalog.load_scenes("procedural_faces", "val", data_dir=root)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "wider_face", "lfw"])
def test_absent_set_fails_fast_and_clearly_offline(
    name: str,
    offline: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    begin = time.monotonic()
    with pytest.raises(errors.DataError) as caught:
        catalog.load(name)
    message = str(caught.value)
    assert time.monotonic() - begin < 30
    assert f"'{name}' is not in {tmp_path}" in message
    assert "network failed" in message
    assert "--data_dir=FOLDER" in message
    assert "\n" not in message
    # One host is asked, once or twice (IPv4, IPv6); Google's storage is not.
    assert len(set(offline)) == 1
    assert "googleapis" not in offline[0]
    assert list(tmp_path.iterdir()) == []


def test_given_folder_and_download_off_never_ask_the_network(
    offline: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(errors.DataError, match="--data_dir=FOLDER"):
        catalog.load("cifar10", data_dir=tmp_path)
    with pytest.raises(errors.DataError, match="--data_dir=FOLDER"):
        catalog.load("cifar10", download=False)
    assert offline == []


def test_failed_download_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds_download.requests, "head", lambda *_, **__: None)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("checksum differs\nsecond line")

    monkeypatch.setattr(tfds_download.tfds, "builder", fail)
    with pytest.raises(
        errors.DataError, match="download failed: checksum differs"
    ) as e:
        catalog.load("cifar10")
    assert "\n" not in str(e.value)
    assert "--data_dir=FOLDER" in str(e.value)


def test_procedural_sets_need_no_network(
    offline: list[str], tmp_path: pathlib.Path
) -> None:
    dataset = catalog.load("procedural_objects", data_dir=tmp_path, limit=50)
    assert len(dataset.test) == 10
    assert offline == []
