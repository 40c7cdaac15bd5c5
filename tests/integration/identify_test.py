"""`python -m tfpipeline.identify` as its users run it."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.identification import gap8_descriptor
from tfpipeline import entry, identify
from tfpipeline.identification import network
from tfpipeline.targets.gap8 import program_file


@pytest.fixture
def folder(tmp_path):
    """A network, and pictures: two of Ann that differ little, Bob, a stranger."""
    program_file.write(tmp_path / "net" / "program.npz", gap8_descriptor.descriptor())
    generator = np.random.default_rng(5)
    ann, bob, stranger = generator.integers(20, 230, (3, 8, 8), np.uint8)
    again = ann + generator.integers(0, 3, ann.shape, np.uint8)
    for name, pixels in (
        ("ann", ann),
        ("ann_again", again),
        ("bob", bob),
        ("stranger", stranger),
    ):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def _run(folder, *arguments):
    """Exit code of the command; relative names are below `folder`."""
    shared = (f"--network={folder / 'net'}", f"--people={folder / 'people.json'}")
    with pytest.raises(SystemExit) as stopped:
        entry.start(
            identify.VERBS,
            "identify",
            identify.Command(),
            ["identify", *arguments, *shared],
        )
    return stopped.value.code


def _images(folder, *names):
    return "--images=" + ",".join(str(folder / f"{name}.png") for name in names)


def test_people_are_enrolled_found_listed_and_removed(folder, capfd):
    assert _run(folder, "enroll", "--name=Ann", _images(folder, "ann")) == 0
    assert _run(folder, "enroll", "--name=Bob", _images(folder, "bob")) == 0
    capfd.readouterr()

    names = ("ann", "ann_again", "bob", "stranger")
    arguments = ("match", "--format=json", _images(folder, *names))
    assert _run(folder, *arguments, "--threshold=0") == 0
    distances = [r["squared_distance"] for r in json.loads(capfd.readouterr().out)]
    assert distances[0] == distances[2] == 0 < distances[1] < distances[3]

    network.write_threshold(folder / "net", (distances[1] + distances[3]) // 2, {})
    assert _run(folder, *arguments) == 0
    found = json.loads(capfd.readouterr().out)
    assert [row["name"] for row in found] == ["Ann", "Ann", "Bob", None]
    assert _run(folder, "match", _images(folder, "stranger")) == 0
    assert "stranger.png: a stranger, nearest is " in capfd.readouterr().out

    assert _run(folder, "list") == 0
    assert capfd.readouterr().out == "Ann: 1 picture(s)\nBob: 1 picture(s)\n"
    assert _run(folder, "remove", "--name=Ann") == 0
    assert _run(folder, "match", _images(folder, "ann")) == 0
    assert "stranger" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to do: identify enroll|match|list|remove"),
        (("find",), "found 'find'"),
        (("list", "extra"), "unexpected argument 'extra'"),
        (("match", "--images=a.png"), "nobody is enrolled in"),
        (("list",), "nobody is enrolled in"),
        (("remove", "--name=Ann"), "nobody is enrolled in"),
        (("remove",), "say who: --name=NAME"),
        (("enroll",), "say who: --name=NAME"),
        (("enroll", "--name=A"), "say which pictures"),
        (("enroll", "--name=A", "--images=no.png"), "cannot read no.png"),
        (("list", "--format=xml"), "--format must be one of text, json; found 'xml'"),
    ],
)
def test_wrong_use_is_one_line(folder, capfd, arguments, message):
    assert _run(folder, *arguments) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert message in line
    assert not (folder / "people.json").exists()


def test_what_goes_wrong_leaves_the_people_as_they_are(folder, capfd):
    assert _run(folder, "enroll", "--name=Ann", _images(folder, "ann")) == 0
    before = (folder / "people.json").read_bytes()
    (folder / "bad.png").write_bytes(b"no picture")
    other = folder / "other.npz"
    program_file.write(other, gap8_descriptor.descriptor(seed=9))
    for arguments, message in (
        (("enroll", "--name=Ann", _images(folder, "bob")), "enrolled already"),
        (("enroll", "--name=Bob", _images(folder, "bob", "bad")), "is not a PNG"),
        (("match", _images(folder, "bob")), "no threshold of its own"),
        (("remove", "--name=Bob"), "known: 'Ann'"),
    ):
        assert _run(folder, *arguments) == 2
        assert message in capfd.readouterr().err
    (folder / "net" / "program.npz").write_bytes(other.read_bytes())
    assert _run(folder, "match", "--threshold=1", _images(folder, "bob")) == 2
    assert "made with another network" in capfd.readouterr().err
    assert (folder / "people.json").read_bytes() == before
