import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data import identities

NAMES = np.array([b"Cyd"] * 5 + [b"Ann"] * 12 + [b"Bob"] * 3 + [b"Ann"] * 3, object)


def test_select_keeps_people_with_enough_photographs() -> None:
    chosen = identities.select(NAMES, min_images=5)
    assert chosen.class_names == ("Ann", "Cyd")
    both = np.concatenate([chosen.train, chosen.test])
    assert sorted(both) == sorted(np.flatnonzero(NAMES != b"Bob"))


def test_every_fifth_photograph_of_a_person_is_a_test_image() -> None:
    chosen = identities.select(NAMES, min_images=5)
    # Ann's are at 5..16 and 20..22: her fifth, tenth and fifteenth; Cyd's fifth is 4.
    assert sorted(chosen.test) == [4, 9, 14, 22]


def test_beginning_holds_everybody() -> None:
    chosen = identities.select(NAMES, min_images=5)
    assert set(NAMES[chosen.train[:2]]) == {b"Ann", b"Cyd"}
    assert set(NAMES[chosen.test[:2]]) == {b"Ann", b"Cyd"}


def test_too_few_photographs_are_a_data_error() -> None:
    with pytest.raises(errors.DataError, match="the largest of 3 people has 15"):
        identities.select(NAMES, min_images=20)
