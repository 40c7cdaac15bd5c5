"""Writes the list of pinned requirements, with hashes, from reports of pip.

    python -m tests.pinned_requirements 3.11=REPORT 3.12=REPORT > requirements.txt
    python -m tests.pinned_requirements 3.11=REPORT 3.12=REPORT setuptools wheel \\
        packaging > requirements-build.txt

A report is what `pip install --dry-run --ignore-installed --no-deps --report=REPORT`
says for one Python; BUILD.md has the whole command. Only names, versions and hashes are
taken from it, no addresses.
"""

import collections
import json
import pathlib
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

_HEADER = """\
# What `make install` installs, by pip's --require-hashes: the files for x86-64 Linux of
# each Python that setup.cfg allows. BUILD.md says how to renew this list.
"""


def render(reports: Mapping[str, Mapping[str, Any]], only: Collection[str] = ()) -> str:
    """The list: each package once a version, with the Pythons that it is for.

    Args:
        reports: Python's version -> pip's report.
        only: names of packages; all if none.
    """
    pythons: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    hashes: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
    for python, report in reports.items():
        for item in report["install"]:
            name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
            if only and name not in only:
                continue
            package = (name, item["metadata"]["version"])
            pythons[package].append(python)
            hashes[package].add(
                item["download_info"]["archive_info"]["hashes"]["sha256"]
            )
    lines = [_HEADER]
    for (name, version), found in sorted(hashes.items()):
        marker = ""
        if len(pythons[name, version]) < len(reports):
            [python] = pythons[name, version]
            marker = f' ; python_version == "{python}"'
        listed = "".join(f" \\\n    --hash=sha256:{each}" for each in sorted(found))
        lines.append(f"{name}=={version}{marker}{listed}\n")
    return "".join(lines)


def main(arguments: list[str]) -> None:
    """Prints the list that reports make."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    reports = {
        python: json.loads(pathlib.Path(report).read_text(encoding="utf-8"))
        for python, report in given.items()
    }
    names = [argument for argument in arguments if "=" not in argument]
    sys.stdout.write(render(reports, names))


if __name__ == "__main__":
    main(sys.argv[1:])
