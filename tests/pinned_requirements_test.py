"""What is installed: exact versions with hashes, of all that setup.cfg asks for."""

import configparser
import pathlib
import re

import pytest

from tests import pinned_requirements

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_LISTS = ("requirements.txt", "requirements-build.txt")


def _name(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def _pinned(file):
    text = (_ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("file", _LISTS)
def test_every_package_has_a_version_and_a_hash_and_no_address(file):
    for line in _pinned(file):
        assert re.fullmatch(
            r'[a-z0-9-]+==[\w.]+( ; python_version == "3\.1[12]")?'
            r"( +--hash=sha256:[0-9a-f]{64})+",
            line.rstrip(),
        ), line


def test_the_list_has_what_setup_cfg_asks_for():
    setup = configparser.ConfigParser()
    setup.read(_ROOT / "setup.cfg")
    asked = [
        *setup["options"]["install_requires"].split("\n"),
        *setup["options.extras_require"]["dev"].split("\n"),
    ]
    pinned = {_name(line): line for line in _pinned(_LISTS[0])}
    for requirement in (each for each in asked if each and not each.startswith("#")):
        assert _name(requirement) in pinned
        version = requirement.partition("==")[2]
        assert f"=={version}" in pinned[_name(requirement)]


def test_what_builds_is_in_both_lists():
    assert set(_pinned(_LISTS[1])) <= set(_pinned(_LISTS[0]))


def test_a_list_is_made_of_reports():
    def report(**packages):
        return {
            "install": [
                {
                    "metadata": {"name": name, "version": version},
                    "download_info": {
                        "url": "https://x.invalid/",
                        "archive_info": {"hashes": {"sha256": digest}},
                    },
                }
                for name, (version, digest) in packages.items()
            ]
        }

    reports = {
        "3.11": report(Some_Thing=("1", "a"), tool=("5", "c")),
        "3.12": report(Some_Thing=("1", "b"), tool=("6", "d")),
    }
    assert pinned_requirements.render(reports).splitlines()[2:] == [
        *("some-thing==1 \\", "    --hash=sha256:a \\", "    --hash=sha256:b"),
        *('tool==5 ; python_version == "3.11" \\', "    --hash=sha256:c"),
        *('tool==6 ; python_version == "3.12" \\', "    --hash=sha256:d"),
    ]
    only = pinned_requirements.render(reports, ["tool"])
    assert "some-thing" not in only and "tool==5" in only
