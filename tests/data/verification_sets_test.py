"""Photographs and pairs by name; LFW's where it is."""

import csv

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import lfw_people, people, verification_sets


@pytest.fixture(scope="module")
def drawn():
    return verification_sets.load("procedural_faces", side=32, photographs=3)


@pytest.mark.slow
def test_made_up_people_are_gray_and_repeatable(drawn):
    again = verification_sets.load("procedural_faces", side=32, photographs=3)
    assert drawn.images.shape == (180, 32, 32, 1)
    assert drawn.fingerprint() == again.fingerprint()
    assert len(np.unique(drawn.images.reshape(180, -1), axis=0)) == 180


@pytest.mark.slow
def test_made_up_pairs_are_clean_and_of_the_last_people(drawn):
    folds = people.folds_of_people(drawn.labels, drawn.pairs, len(drawn.names))
    assert (folds[:40] == people.NO_FOLD).all()
    assert np.bincount(folds[40:]).tolist() == [4] * 5
    assert np.bincount(drawn.pairs.folds).tolist() == [60] * 5
    assert drawn.pairs.same.mean() == 0.5
    assert (drawn.pairs.first != drawn.pairs.second).all()


def test_gray_is_the_luma_rounded_half_up():
    colors = np.array([[255, 255, 255], [1, 0, 0], [2, 0, 0], [0, 0, 10]], np.uint8)
    # 255, 0.299, 0.598, 1.14
    assert lfw_people.gray(colors)[:, 0].tolist() == [255, 0, 1, 1]


def test_names_and_flags_that_cannot_be(tmp_path):
    with pytest.raises(errors.UsageError, match="Choose one of: lfw, procedural_faces"):
        verification_sets.load("faces")
    with pytest.raises(errors.UsageError, match="needs --pairs=FILE"):
        verification_sets.load("lfw")
    with pytest.raises(errors.DataError, match="the pairs: cannot read"):
        verification_sets.load("lfw", data_dir=tmp_path, pairs=tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_text("1 1\nAnn 1 2\nAnn 1 Bob 1\n")
    with pytest.raises(errors.DataError, match="no prepared data set lfw_crop128"):
        verification_sets.load("lfw", data_dir=tmp_path, pairs=tmp_path / "pairs.txt")


@pytest.fixture(scope="module")
def three_photographs(tmp_path_factory):
    """A prepared `lfw_crop128` of Ann, Ann and Bob."""
    folder = tmp_path_factory.mktemp("lfw")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(128, 128, 3)),
            "label": tfds.features.Text(),
            "filename": tfds.features.Text(),
        }
    )

    def examples():
        for index, (name, number) in enumerate((("Ann", 1), ("Ann", 2), ("Bob", 1))):
            image = np.full((128, 128, 3), 50 * index + 20, np.uint8)
            file_name = f"{name}_{number:04d}.jpg"
            yield index, {"image": image, "label": name, "filename": file_name}

    tfds.dataset_builders.store_as_tfds_dataset(
        name="lfw_crop128",
        version="1.0.0",
        features=features,
        data_dir=folder,
        split_datasets={"train": list(examples())},
        disable_shuffling=True,
    )
    return folder


def _pairs(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    return path


def test_lfw_finds_photographs_by_file_name(three_photographs, tmp_path):
    pairs = _pairs(tmp_path, "1 1\nAnn 2 1\nAnn 1 Bob 1\n")
    found = verification_sets.load("lfw", data_dir=three_photographs, pairs=pairs)
    assert found.names == ("Ann", "Bob")
    assert found.labels.tolist() == [0, 0, 1]
    assert found.images[:, 0, 0, 0].tolist() == [20, 70, 120]
    assert found.pairs.first.tolist() == [1, 0]
    assert found.pairs.second.tolist() == [0, 2]


def test_lfw_without_a_photograph_of_the_pairs_is_refused(three_photographs, tmp_path):
    pairs = _pairs(tmp_path, "1 1\nAnn 2 3\nAnn 1 Bob 1\n")
    with pytest.raises(
        errors.DataError, match=r"1 photographs .*, Ann_0003\.jpg first"
    ):
        verification_sets.load("lfw", data_dir=three_photographs, pairs=pairs)


@pytest.mark.real_data
@pytest.mark.slow
def test_lfw_has_the_folds_of_view_2(shared_data):
    found = verification_sets.load(
        "lfw", data_dir=shared_data / "tfds", pairs=shared_data / "lfw" / "pairs.txt"
    )
    table = (shared_data / "lfw" / "pairs.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    pairs = found.pairs
    for column, values in (
        ("index1", pairs.first),
        ("index2", pairs.second),
        ("same", pairs.same),
        ("fold", pairs.folds),
    ):
        assert values.astype(int).tolist() == [int(row[column]) for row in rows]
    # Nobody is left who is in no pair, so a training has to leave folds out.
    folds = people.folds_of_people(found.labels, pairs, len(found.names))
    assert np.bincount(folds).tolist() == [
        *(435, 409, 397, 423, 422),
        *(419, 443, 443, 439, 451),
    ]
