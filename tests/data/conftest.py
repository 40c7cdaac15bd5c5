"""Small prepared data sets, the real ones where they are, and a machine offline."""

import os
import pathlib
import socket

import pytest


@pytest.fixture(scope="session")
def objects_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Version folder of 60 + 20 images of `procedural_objects`; not to be changed."""
    # Not above: quick tests of this folder need no TensorFlow.
    from tfpipeline.data import procedural, procedural_objects

    return procedural.prepare(
        procedural_objects.ProceduralObjects,
        tmp_path_factory.mktemp("objects"),
        procedural.config(num_train=60, num_test=20),
    )


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Version folder of 24 + 8 scenes of `procedural_faces`; not to be changed."""
    from tfpipeline.data import procedural, procedural_faces

    return procedural.prepare(
        procedural_faces.ProceduralFaces,
        tmp_path_factory.mktemp("faces"),
        procedural.config(num_train=24, num_test=8),
    )


@pytest.fixture
def shared_data() -> pathlib.Path:
    """Folder of the real images; the test is skipped where it is absent."""
    configured = os.environ.get("TFPIPELINE_SHARED")
    repository = pathlib.Path(__file__).parents[2]
    folder = pathlib.Path(configured or repository.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder} (set TFPIPELINE_SHARED)")
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes every look-up of a host fail; gives the hosts that were asked for."""
    asked: list[str] = []

    def refuse(host: str, *args: object, **kwargs: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked
