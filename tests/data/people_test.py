"""People in folds, and photographs that training may see."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import people


def _source(**changes):
    values = {
        "name": "few",
        "images": np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2, 1),
        # Ann, Ann, Bob, Bob, Cid, Dot, Dot; Dot is in no pair.
        "labels": np.array([0, 0, 1, 1, 2, 3, 3], np.int32),
        "names": ("Ann", "Bob", "Cid", "Dot"),
        "pairs": _pairs([0, 0, 2], [1, 4, 3], [True, False, True], [0, 0, 1]),
    }
    return people.People(**{**values, **changes})


def _pairs(first, second, same, folds):
    return people.Pairs(*map(np.array, (first, second, same, folds)))


def test_people_are_in_the_fold_of_their_pairs():
    source = _source()
    folds = people.folds_of_people(source.labels, source.pairs, 4)
    assert folds.tolist() == [0, 1, 0, people.NO_FOLD]


@pytest.mark.parametrize(
    ("held_out", "min_images", "expected"),
    [
        ((0,), 1, [2, 3, 5, 6]),
        ((1,), 1, [0, 1, 4, 5, 6]),
        ((1,), 2, [0, 1, 5, 6]),
        ((), 1, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_training_sees_nobody_of_a_held_out_fold(held_out, min_images, expected):
    found = people.training_positions(_source(), held_out, min_images)
    assert found.tolist() == expected


def test_too_few_people_left_are_refused():
    with pytest.raises(errors.DataError, match="few: 1 people with 1 photographs"):
        people.training_positions(_source(), (0, 1))


def test_a_person_in_two_folds_is_refused():
    pairs = _pairs([0, 0], [1, 2], [True, False], [0, 1])
    with pytest.raises(errors.DataError, match="1 people are in pairs of two folds"):
        people.folds_of_people(_source().labels, pairs, 4)


def test_an_answer_against_the_labels_is_refused():
    pairs = _pairs([0, 0], [1, 2], [False, False], [0, 0])
    with pytest.raises(errors.DataError, match=r"contradict the labels, .* numbers 0"):
        people.folds_of_people(_source().labels, pairs, 4)


def test_pairs_of_some_folds():
    taken = _source().pairs.take([1])
    assert (len(taken), taken.num_folds) == (1, 2)
    assert taken.first.tolist() == [2] and taken.same.tolist() == [True]


def test_fingerprint_sees_pixels_people_and_pairs():
    source = _source()
    others = [
        _source(images=255 - source.images),
        _source(labels=source.labels[::-1].copy()),
        _source(pairs=source.pairs.take([0])),
    ]
    prints = {other.fingerprint() for other in [source, *others]}
    assert len(prints) == 4 and _source().fingerprint() in prints


def test_box_resizing_takes_rounded_means():
    image = np.array([[0, 1, 10, 10], [1, 0, 10, 11], [5, 5, 0, 0], [5, 5, 0, 255]])
    small = people.box_resized(image.astype(np.uint8)[None, ..., None], 2)
    # 0.5, 10.25, 5 and 63.75: halves go up.
    assert small[0, ..., 0].tolist() == [[1, 10], [5, 64]]
    with pytest.raises(errors.DataError, match="Received: 3"):
        people.box_resized(np.zeros((1, 4, 4, 1), np.uint8), 3)
