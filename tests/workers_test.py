"""Work on many parts: the same results in the same order, wherever they are made."""

import functools
import importlib.util
import os
import pathlib
import signal
import time

import pytest

from tfpipeline import errors, workers

_COUNT = 300


def squares():
    return lambda part: [each * each for each in part]


def refusing():
    def work(part):
        raise errors.DataError("no squares today")

    return work


def dying():
    def work(part):
        if 70 in part:
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    return work


def noted(folder, seconds):
    """Squares, slowly; leaves a file named after the process and its node."""

    def work(part):
        node = "here"
        if "RAY_NODE_ID" in os.environ or importlib.util.find_spec("ray"):
            import ray

            if ray.is_initialized():
                node = ray.get_runtime_context().get_node_id()
        pathlib.Path(folder, f"{node}-{os.getpid()}").touch()
        time.sleep(seconds)
        return [each * each for each in part]

    return work


def _mapped(where, make, count=_COUNT):
    return list(workers.mapped(where, make, range(count), count))


@pytest.mark.parametrize("where", ["here", "auto"])
def test_short_work_is_done_here_in_parts(where):
    asked = []

    def make():
        def work(part):
            asked.append(len(part))
            return [each * each for each in part]

        return work

    assert _mapped(where, make) == [n * n for n in range(_COUNT)]
    assert asked == [64, 64, 64, 64, 44]
    assert _mapped(where, make, 0) == []


def test_what_is_prepared_already_is_not_made_again():
    def make():
        raise AssertionError

    work = functools.partial(map, str)
    found = workers.mapped("here", make, range(3), 3, here=work)
    assert list(found) == ["0", "1", "2"]


@pytest.mark.parametrize("where", ["", "procesess", "processes:0", "processes:x", "10"])
def test_another_place_is_refused(where):
    with pytest.raises(errors.UsageError, match="must be auto, here, processes"):
        workers._known(where)


@pytest.mark.parametrize(
    "where", ["auto", "here", "processes", "processes:3", "ray", "ray://host:10001"]
)
def test_places(where):
    workers._known(where)


def test_without_ray_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.UsageError, match=r"pip install 'tfpipeline\[ray\]'"):
        _mapped("ray", squares)


@pytest.mark.slow
def test_processes_give_the_same(tmp_path):
    make = functools.partial(noted, str(tmp_path), 0.2)
    assert _mapped("processes:2", make) == [n * n for n in range(_COUNT)]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_long_work_goes_to_processes_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_WORTH_SECONDS", 0.1)
    make = functools.partial(noted, str(tmp_path), 0.2)
    assert _mapped("auto", make) == [n * n for n in range(_COUNT)]
    assert len(list(tmp_path.iterdir())) == 1 + (os.cpu_count() or 1)


@pytest.mark.slow
def test_errors_of_processes_are_one_line():
    with pytest.raises(errors.DataError, match="no squares today"):
        _mapped("processes:2", refusing)
    with pytest.raises(errors.VerificationError, match="was killed"):
        _mapped("processes:2", dying)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of a Ray cluster, whose processes run on this machine."""
    utils = pytest.importorskip(
        "ray.cluster_utils", reason="Ray, the extra `ray`, is not installed"
    )
    root = str(pathlib.Path(__file__).resolve().parents[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", root)
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        made.shutdown()


@pytest.mark.slow
def test_parts_of_a_lost_node_are_done_again(cluster, tmp_path):
    lost = cluster.add_node(num_cpus=1)
    make = functools.partial(noted, str(tmp_path), 0.3)
    count = 64 * 60
    found = []
    for value in workers.mapped("ray", make, range(count), count):
        found.append(value)
        if len(found) == 64 * 12:
            nodes = {each.name.partition("-")[0] for each in tmp_path.iterdir()}
            assert len(nodes) == 2, "both nodes have worked"
            cluster.remove_node(lost, allow_graceful=False)
    assert found == [n * n for n in range(count)]


@pytest.mark.slow
def test_errors_of_a_cluster_are_those_of_the_work(cluster):
    with pytest.raises(errors.DataError, match="no squares today"):
        _mapped("ray", refusing)


@pytest.mark.slow
def test_a_cluster_that_is_not_there():
    pytest.importorskip("ray", reason="Ray, the extra `ray`, is not installed")
    with pytest.raises(errors.UsageError, match="finds no cluster"):
        _mapped("ray://127.0.0.1:1", squares)
