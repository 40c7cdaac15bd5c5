"""Several processes take candidates of one study in PostgreSQL, one of them killed."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

optuna = pytest.importorskip("optuna")
pytest.importorskip("psycopg")

# What follows needs it.
from tests.search import studies_test  # noqa: E402
from tfpipeline import errors  # noqa: E402
from tfpipeline.search import studies  # noqa: E402

pytestmark = [pytest.mark.slow]
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COUNT, _PROCESSES = 14, 4
# PostgreSQL refuses to run as root.
_NOBODY = 65534
_AS_NOBODY = (
    ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
    if os.geteuid() == 0
    else ()
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Of a database that lives as long as the tests."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed")
    folder = tmp_path_factory.mktemp("postgres")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if _AS_NOBODY:
        os.chown(data, _NOBODY, _NOBODY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command):
        subprocess.run(
            (*_AS_NOBODY, *command), check=True, cwd=data, stdout=subprocess.DEVNULL
        )

    run("initdb", "--no-sync", "--auth=trust", "--username=test", "-D", data)
    options = f"-h 127.0.0.1 -p {port} -k {data}"
    log = data / "log"
    run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
    yield f"postgresql+psycopg://test@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture
def study(url, tmp_path):
    """Opens a study by its name, as a process of a search does."""
    opened = []

    def of(name):
        opened.append(studies.storage(tmp_path, url))
        space = studies_test._SPACE
        return studies.opened(opened[-1], name, space, "tpe", 0, higher=True)

    yield of
    for kept in opened:
        kept.remove_session()
        kept.engine.dispose()


def _start(url, folder, seconds):
    given = (url, str(folder), str(_COUNT), str(seconds))
    return subprocess.Popen(
        (sys.executable, "-m", "tests.search.database_worker", *given),
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_a_killed_process_left_is_trained_by_others(url, study, tmp_path):
    # This one alone begins the study, and is killed while it trains.
    lost = _start(url, tmp_path / "0", 600)
    assert any(line == "training\n" for line in lost.stdout)
    lost.send_signal(signal.SIGKILL)
    lost.communicate()
    others = [_start(url, tmp_path / str(i), 0.3) for i in range(1, _PROCESSES)]
    told = [process.communicate(timeout=300)[0] for process in others]
    assert [process.returncode for process in others] == [0] * len(others)
    shared = study("shared")
    ended = studies.ended(shared)
    # Two may ask for the last one at once.
    assert _COUNT <= len(ended) < _COUNT + len(others)
    every = shared.get_trials()
    [silent] = [
        each
        for each in every
        if each.state is studies.State.FAIL and studies.MESSAGE not in each.user_attrs
    ]
    [again] = [x for x in every if x.system_attrs.get("failed_trial") == silent.number]
    assert again.params == silent.params and again in ended
    # All took some, and nobody what another one had.
    taken = [sum(" trained " in line for line in out.splitlines()) for out in told]
    assert min(taken) > 0
    assert len({str(each.params) for each in ended}) > _COUNT // 2


def test_another_search_of_the_same_name_is_refused(study):
    mine = study("mine")
    studies.require_same(mine, {"space": "one"})
    studies.require_same(study("mine"), {"space": "one"})
    with pytest.raises(errors.UsageError, match="'mine' of --storage is another"):
        studies.require_same(mine, {"space": "other"})
