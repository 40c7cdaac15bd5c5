"""Flagfiles in the place of the flag that names them."""

import itertools

import pytest

from tfpipeline import errors
from tfpipeline.untrusted import flagfiles


def test_flags_stand_where_the_file_is_named(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("--b=2\n")
    outer.write_text(f"# words\n// words\n\n  --a=1  \n-flagfile={inner}\n--c=3")
    for spelling in ([f"--flagfile={outer}"], ["--flagfile", str(outer)]):
        arguments = ["verb", *spelling, "--d=4"]
        expected = ["verb", "--a=1", "--b=2", "--c=3", "--d=4"]
        assert flagfiles.expanded(arguments) == expected


def test_what_a_file_names_may_lie_beside_it(tmp_path, monkeypatch):
    files = tmp_path / "files"
    files.mkdir()
    (files / "inner.flags").write_text("--a=beside")
    (files / "outer.flags").write_text("--flagfile=inner.flags")
    outer = f"--flagfile={files / 'outer.flags'}"
    assert flagfiles.expanded([outer]) == ["--a=beside"]
    # The working folder comes first, as for absl, and is where a command line looks.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.StorageError, match=r"inner\.flags"):
        flagfiles.expanded(["--flagfile=inner.flags"])
    (tmp_path / "inner.flags").write_text("--a=here")
    assert flagfiles.expanded([outer]) == ["--a=here"]


def test_nothing_is_read_behind_two_dashes():
    rest = ["--", "--flagfile=absent"]
    assert flagfiles.expanded(rest) == rest


def test_an_empty_name_is_none():
    assert flagfiles.expanded(["--a", "--flagfile="]) == ["--a"]


def test_a_file_twice_is_read_twice(tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("--a")
    assert flagfiles.expanded([f"--flagfile={path}"] * 2) == ["--a", "--a"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\xff\xfe\0\1", "is not UTF-8"), (b"--model=a\0b", "is NUL"), (None, "No such")],
)
def test_what_is_no_flagfile(tmp_path, data, reason):
    path = tmp_path / "x.flags"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(errors.StorageError, match=reason) as caught:
        flagfiles.expanded([f"--flagfile={path}"])
    assert str(path) in str(caught.value)


def test_a_name_is_needed():
    with pytest.raises(errors.UsageError, match="needs the name"):
        flagfiles.expanded(["--flagfile"])


def test_files_that_include_each_other(tmp_path):
    first, second = tmp_path / "1.flags", tmp_path / "2.flags"
    first.write_text(f"--flagfile={second}")
    second.write_text(f"--flagfile={first}")
    with pytest.raises(errors.UsageError, match="includes itself"):
        flagfiles.expanded([f"--flagfile={first}"])


def test_files_that_multiply(tmp_path):
    paths = [tmp_path / f"{index}.flags" for index in range(12)]
    for path, inner in itertools.pairwise(paths):
        path.write_text(f"--flagfile={inner}\n" * 10)
    paths[-1].write_text("")
    with pytest.raises(errors.UsageError, match="over 10,000 flags and files"):
        flagfiles.expanded([f"--flagfile={paths[0]}"])
