"""Pages in a browser: nothing missing, nothing cut off, readable by everybody.

`make test-pages`: needs node and a Chromium; `TFPIPELINE_BROWSER` names it where it is
not called chromium, `TFPIPELINE_AXE` a folder whose node_modules hold puppeteer-core
and axe-core. Screenshots for a person stay in build/pages.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from tests.report.run_pages import made_runs
from tfpipeline.report.run_pages import run_page, stored_runs

pytestmark = pytest.mark.pages

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_LOOK = pathlib.Path(__file__).with_name("look.mjs")
_SHOTS = _ROOT / "build" / "pages"
_BROWSER = shutil.which(os.environ.get("TFPIPELINE_BROWSER", "chromium"))
_MODULES = os.environ.get("TFPIPELINE_AXE", "")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Page -> width and scheme -> what the browser found."""
    if _BROWSER is None or not shutil.which("node") or not _MODULES:
        pytest.skip("node, a Chromium or TFPIPELINE_AXE is not there")
    root = tmp_path_factory.mktemp("runs")
    pages = []
    for name in made_runs.KINDS:
        network = "facenet_v7" if name == "binary" else "cmsisnet"
        folder = made_runs.write(root, name, network=network)
        run_page.write(folder, stored_runs.results(folder))
        pages.append(str(folder.report))
    _SHOTS.mkdir(parents=True, exist_ok=True)
    command = ["node", str(_LOOK), _MODULES, _BROWSER, str(_SHOTS), *pages]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1_500, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


def _all(seen, what):
    return {
        f"{pathlib.Path(file).parent.name} {how}": found[what]
        for file, each in seen.items()
        for how, found in each.items()
    }


def test_pages_are_opened_at_both_widths(seen):
    assert len(seen) == len(made_runs.KINDS)
    for each in seen.values():
        assert set(each) == {"390 light", "1280 light", "1280 dark"}
    assert all(count > 0 for count in _all(seen, "images").values())


@pytest.mark.parametrize("what", ["scripts", "missing", "unnamed"])
def test_nothing_is_missing(seen, what):
    assert not any(_all(seen, what).values()), _all(seen, what)


@pytest.mark.parametrize("what", ["said", "others", "overlaps", "violations"])
def test_nothing_is_complained_about(seen, what):
    found = {name: each for name, each in _all(seen, what).items() if each}
    assert not found, json.dumps(found, indent=1)


def test_pages_do_not_scroll_sideways(seen):
    assert all(pixels <= 0 for pixels in _all(seen, "scroll").values())
