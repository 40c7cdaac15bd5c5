"""The tier of quick tests, `--quick`, and what holds for every test."""

import collections
import gc
import os
import pathlib
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests import quick_tier

# A quick run is for the errors that show at once; the default one looks further.
hypothesis.settings.register_profile("quick", max_examples=20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="leave out test modules that import TensorFlow or start processes",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        hypothesis.settings.load_profile("quick")


def pytest_ignore_collect(
    collection_path: pathlib.Path, config: pytest.Config
) -> bool | None:
    """Before the module is imported: TensorFlow's import alone costs seconds."""
    if not config.getoption("quick"):
        return None
    is_tests = collection_path.is_dir() or collection_path.name.endswith("_test.py")
    return True if is_tests and quick_tier.costly_imports(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves `default_cases` of a test in the default tier, the first among them."""
    cases = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("default_cases") is not None:
            cases[item.nodeid.partition("[")[0]].append(item)
    for of_test in cases.values():
        marker = of_test[0].get_closest_marker("default_cases")
        assert marker is not None
        (count,) = marker.args
        kept = {place * len(of_test) // count for place in range(count)}
        for place, item in enumerate(of_test):
            if place not in kept:
                item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What stands when the tests begin, some two million objects, stays to the end.

    Each look of the garbage collector at them costs a second; and a tree of syntax or a
    network, which is garbage as a whole or not at all, is looked at less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def _files_need_not_outlast_the_machine() -> Iterator[None]:
    """A test sees what it wrote without waiting for the disk, a third of some tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _dropout_as_in_a_fresh_process() -> Iterator[None]:
    """Training switches Keras' generators on for its process, which layers describe."""
    yield
    keras = sys.modules.get("tf_keras")
    if keras is not None:
        keras.backend.experimental.disable_tf_random_generator()
