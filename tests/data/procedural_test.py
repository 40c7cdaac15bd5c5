import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import (
    procedural,
    procedural_faces,
    procedural_objects,
    tfds_source,
)

BUILDERS = (procedural_objects.ProceduralObjects, procedural_faces.ProceduralFaces)


def _digests(folder: pathlib.Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.tfrecord-*"))
    }


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("builder", BUILDERS)
def test_same_seed_gives_same_files_and_another_seed_others(
    builder: type[tfds.core.GeneratorBasedBuilder], tmp_path: pathlib.Path
) -> None:
    first, again = (
        procedural.prepare(builder, tmp_path / name, procedural.config(6, 2, seed=3))
        for name in ("first", "again")
    )
    other = procedural.prepare(builder, tmp_path, procedural.config(6, 2, seed=4))
    assert len(_digests(first)) == 2
    assert _digests(first) == _digests(again)
    assert not set(_digests(first).values()) & set(_digests(other).values())


def test_small_set_is_the_beginning_of_a_large_one(
    objects_folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    small_folder = procedural.prepare(
        procedural_objects.ProceduralObjects, tmp_path, procedural.config(7, 5)
    )
    small, large = map(tfds_source.open_prepared, (small_folder, objects_folder))
    for split, count in (("train", 7), ("test", 5)):
        few, few_labels = tfds_source.read_images(small, split, (32, 32, 3))
        many, many_labels = tfds_source.read_images(large, split, (32, 32, 3))
        np.testing.assert_array_equal(few, many[:count])
        np.testing.assert_array_equal(few_labels, many_labels[:count])


def test_train_and_test_differ(objects_folder: pathlib.Path) -> None:
    builder = tfds_source.open_prepared(objects_folder)
    train, _ = tfds_source.read_images(builder, "train", (32, 32, 3))
    test, _ = tfds_source.read_images(builder, "test", (32, 32, 3))
    both = np.concatenate([train, test])
    assert len(np.unique(both, axis=0)) == len(both)


def test_tfds_itself_loads_the_set_by_name(objects_folder: pathlib.Path) -> None:
    root, config = objects_folder.parents[2], objects_folder.parent.name
    dataset = tfds.load(
        f"procedural_objects/{config}", split="test", data_dir=root, download=False
    )
    assert len(list(dataset)) == 20


def test_prepared_set_is_not_generated_again(
    objects_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: tfds.core.DatasetBuilder, **kwargs: object) -> None:
        raise AssertionError("generated again")

    monkeypatch.setattr(
        procedural_objects.ProceduralObjects, "download_and_prepare", refuse
    )
    before = _digests(objects_folder)
    again = procedural.prepare(
        procedural_objects.ProceduralObjects,
        objects_folder.parents[2],
        procedural.config(60, 20),
    )
    assert again == objects_folder
    assert _digests(again) == before


def test_nothing_but_the_set_is_left_in_the_root(objects_folder: pathlib.Path) -> None:
    assert [path.name for path in objects_folder.parents[2].iterdir()] == [
        "procedural_objects"
    ]


def test_generation_prints_nothing(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    procedural.prepare(
        procedural_objects.ProceduralObjects, tmp_path, procedural.config(2, 2)
    )
    assert capfd.readouterr().out == ""


def test_unwritable_root_is_a_storage_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(errors.StorageError, match="--data_dir") as caught:
        procedural.prepare(
            procedural_objects.ProceduralObjects,
            tmp_path / "file",
            procedural.config(2, 2),
        )
    assert "\n" not in str(caught.value)


def test_failure_after_another_process_finished_is_no_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = procedural_objects.ProceduralObjects
    generate = builder.download_and_prepare

    def lose_the_race(self: tfds.core.DatasetBuilder, **kwargs: object) -> None:
        generate(self, **kwargs)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(builder, "download_and_prepare", lose_the_race)
    folder = procedural.prepare(builder, tmp_path, procedural.config(2, 2))
    assert tfds_source.num_examples(tfds_source.open_prepared(folder), "train") == 2


def test_default_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    expected = pathlib.Path("/somewhere/cache/tfpipeline/tfds")
    assert procedural.default_root() == expected
    monkeypatch.setenv("TFDS_DATA_DIR", "/elsewhere")
    assert procedural.default_root() == pathlib.Path("/elsewhere")
