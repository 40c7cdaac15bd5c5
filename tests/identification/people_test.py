"""The file of people: what it keeps, and that nothing loses it."""

import json
import multiprocessing
import os

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.identification import people


def _person(name, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.integers(-(2**15), 2**15, (2, 4)).astype(np.int16)
    return people.Person(name, values)


def _add(path, name, seed=0):
    return people.change(
        path, lambda known: (known or people.People("n", 4)).added(_person(name, seed))
    )


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "folder" / "people.json"
    _add(path, "Ann", 1)
    _add(path, 'Żaneta \\ "quoted"', 2)
    found = people.read(path)
    assert (found.network, found.length) == ("n", 4)
    assert found.names == ("Ann", 'Żaneta \\ "quoted"')
    for person, seed in zip(found.persons, (1, 2), strict=True):
        np.testing.assert_array_equal(person.descriptors, _person("", seed).descriptors)
    assert people.change(path, lambda known: known.removed("Ann")).names == (
        'Żaneta \\ "quoted"',
    )
    assert people.read(path).names == ('Żaneta \\ "quoted"',)


def test_the_last_one_can_be_removed(tmp_path):
    path = tmp_path / "people.json"
    _add(path, "Ann")
    people.change(path, lambda known: known.removed("Ann"))
    assert people.read(path).persons == ()


def test_no_file_is_nobody(tmp_path):
    assert people.read(tmp_path / "people.json") is None


def test_a_taken_name_and_an_unknown_one_leave_the_file_alone(tmp_path):
    path = tmp_path / "people.json"
    _add(path, "Ann")
    before = path.read_bytes()
    with pytest.raises(errors.UsageError, match="'Ann' is enrolled already"):
        _add(path, "Ann")
    with pytest.raises(errors.UsageError, match="'Bob' is not enrolled; known: 'Ann'"):
        people.change(path, lambda known: known.removed("Bob"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "  ", " Ann", "a\nb", "x" * 81, "tab\t"])
def test_what_is_no_name(name):
    with pytest.raises(errors.UsageError, match="a name "):
        people.require_name(name)


def test_a_failing_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "people.json"
    _add(path, "Ann")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.StorageError, match="No space left"):
        _add(path, "Bob")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


def test_commands_at_the_same_time_lose_nobody(tmp_path):
    path = tmp_path / "people.json"
    context = multiprocessing.get_context("fork")
    names = [f"person {number}" for number in range(8)]
    workers = [context.Process(target=_add, args=(path, name)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(people.read(path).names) == names


def _good():
    return {
        "format": "tfpipeline people",
        "version": 1,
        "network": "n",
        "length": 2,
        "people": [{"name": "Ann", "descriptors": [[1, 2]]}],
    }


def test_the_form_that_is_damaged_below_is_read(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps(_good()))
    np.testing.assert_array_equal(people.read(path).persons[0].descriptors, [[1, 2]])


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"length": "2"},
        {"network": None},
        {"people": [{"name": "Ann"}]},
        {"people": [{"name": 5, "descriptors": [[1, 2]]}]},
        {"people": [{"name": "Ann", "descriptors": [[1, 2, 3]]}]},
        {"people": [{"name": "Ann", "descriptors": [[1, 2], [3]]}]},
        {"people": [{"name": "Ann", "descriptors": []}]},
        {"people": [{"name": "Ann", "descriptors": [[1, 99999]]}]},
        {"people": [{"name": "Ann", "descriptors": [[1, 0.5]]}]},
        {"people": 2 * [{"name": "Ann", "descriptors": [[1, 2]]}]},
    ],
)
def test_a_file_of_something_else_is_refused_and_stays(tmp_path, damage):
    path = tmp_path / "people.json"
    path.write_text(json.dumps(_good() | damage))
    before = path.read_bytes()
    with pytest.raises(errors.StorageError, match="does not hold people"):
        _add(path, "Bob")
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    path = tmp_path / "people.json"
    path.write_text(text)
    with pytest.raises(errors.StorageError, match=r"people\.json"):
        people.read(path)
