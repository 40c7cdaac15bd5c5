"""TF_CONFIG: what it says, and one line for one that cannot be."""

import json

import pytest

from tfpipeline import errors
from tfpipeline.training import cluster


def _text(cluster_value, **task) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster_value, "task": task})}


def test_what_it_says():
    given = {"chief": ["one:1"], "worker": ["two:2", "[::1]:3"]}
    found = cluster.read(_text(given, type="worker", index=1))
    assert (found.own, found.workers, found.job) == ("[::1]:3", 3, "worker")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "is not set; it must be"),
        ({"TF_CONFIG": "{"}, "is no JSON"),
        ({"TF_CONFIG": "[1]"}, "has no 'cluster' and 'task'"),
        (_text({"ps": ["a:1"]}, type="ps", index=0), "has the job 'ps'"),
        (_text({"worker": "a:1"}, type="worker", index=0), "gives no list"),
        (_text({"worker": ["a"]}, type="worker", index=0), "addresses are HOST:PORT"),
        (_text({"worker": [{}]}, type="worker", index=0), "addresses are HOST:PORT"),
        (_text({"worker": ["a:99999"]}, type="worker", index=0), "HOST:PORT"),
        (_text({"worker": ["a:1", "a:1"]}, type="worker", index=0), "'a:1' twice"),
        (_text({"chief": ["a:1", "a:2"]}, type="chief", index=0), "several chiefs"),
        (_text({"worker": ["a:1"]}, type="chief", index=0), "is a 'chief'"),
        (_text({"worker": ["a:1"]}, type="worker", index=1), "from 0 to 0"),
        (_text({"worker": ["a:1"]}, type="worker", index="0"), "from 0 to 0"),
        (_text({"worker": ["a:1"]}, type=["worker"], index=0), "this process is a"),
        (_text({"worker": ["a:1"]}), "this process is a None"),
    ],
)
def test_what_is_wrong_is_one_line(environment, message):
    with pytest.raises(errors.UsageError, match="TF_CONFIG") as caught:
        cluster.read(environment)
    line = str(caught.value)
    assert message in line
    assert "\n" not in line
    assert len(line) < 400
