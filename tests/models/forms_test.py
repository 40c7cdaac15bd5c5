"""Every form of `--model` is told from its text, and what is none says what is."""

import pathlib
import sys

import pytest

from tfpipeline import disk, errors
from tfpipeline.models import forms, specs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file of each form, which is where Python looks for modules."""
    for name in ("my net-2.keras", "net.h5", "net.tflite", "graph.json", "net.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "net.py").write_text("def small():\n    pass\n", encoding="utf-8")
    package = tmp_path / "strangers" / "nets"
    package.mkdir(parents=True)
    (tmp_path / "strangers" / "__init__.py").write_text("1 / 0\n", encoding="utf-8")
    (package / "__init__.py").write_text("1 / 0\n", encoding="utf-8")
    (package / "tiny.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / forms.SAVED_MODEL).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind", "name", "title"),
    [
        ("cmsisnet", forms.Kind.NAME, "cmsisnet", "cmsisnet"),
        ("my net-2.keras", forms.Kind.KERAS_FILE, "my_net_2", "my net-2.keras"),
        ("./net.h5", forms.Kind.KERAS_FILE, "net", "net.h5"),
        ("net.tflite", forms.Kind.TFLITE_FILE, "net", "net.tflite"),
        ("graph.json", forms.Kind.GRAPH, "graph", "graph.json"),
        ("saved", forms.Kind.SAVED_MODEL, "saved", "saved"),
        ("strangers", forms.Kind.FOLDER, "strangers", "strangers"),
        ("./net.py:small", forms.Kind.FUNCTION, "small", "net.py:small"),
        (
            "strangers.nets.tiny:make",
            forms.Kind.FUNCTION,
            "make",
            "strangers.nets.tiny:make",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_forms(text, kind, name, title):
    form = forms.find(text)
    assert (form.kind, form.name, form.title) == (kind, name, title)


def test_nothing_is_imported_to_find_a_function(folder):
    # Each of these files would raise.
    form = forms.find("strangers.nets.tiny:make")
    assert form.path == folder / "strangers" / "nets" / "tiny.py"
    assert forms.find("strangers.nets:make").path.name == "__init__.py"
    assert not any(name.startswith("strangers") for name in sys.modules)


def test_digests_are_of_the_file(folder):
    expected = disk.digest(b"net.h5")
    assert forms.find("net.h5").digest() == expected
    (folder / "link.h5").symlink_to(folder / "net.h5")
    assert forms.find("link.h5").digest() == expected
    source = (folder / "net.py").read_bytes()
    assert forms.find("net.py:small").digest() == disk.digest(source)
    assert forms.find("cmsisnet").digest() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "no network and no file is called 'nothing'; give the name of"),
        ("", "no network and no file is called ''"),
        ("net.onnx", "'net.onnx' is no network by its name: give the name of a"),
        ("other.py:small", "there is no file 'other.py'"),
        ("strangers.none:make", "no Python module is called 'strangers.none'"),
        ("strangers.nets.tiny.more:make", "no Python module is called"),
        ("saved", "a SavedModel holds operations but no layers: estimate takes it"),
        ("net.tflite", "holds operators but no layers"),
        (
            "graph.json",
            "it is a graph.json or quant.json; training takes the name of",
        ),
        ("a\0b", "no network and no file"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_trained(text, message):
    with pytest.raises(errors.UsageError) as caught:
        forms.trainable(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < errors.MAX_LINE_CHARACTERS


def test_the_error_of_an_unknown_network_lists_all():
    with pytest.raises(errors.UsageError) as caught:
        forms.find("nothing")
    families = (
        "facenet_*, cmsisnet, nascifarnet, simplenet, cmsis_cifar10, resnet8, "
        "reid_squeezenet, lffd_*, mobilefacenet_*, arcface_*, unet_*"
    )
    assert str(caught.value).endswith(families)
    assert specs.listed_families() == families
    assert len(str(caught.value)) < errors.MAX_LINE_CHARACTERS
    for kind in forms.Kind:
        assert kind.value in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Net", "Net"),
        ("my-net 2.1", "my_net_2_1"),
        ("3d", "network_3d"),
        ("é", "network"),
        ("__", "network"),
        ("a" * 100, "a" * 60),
    ],
)
def test_valid_names(text, name):
    assert forms.valid_name(text) == name
    assert name.isidentifier()
    assert name.isascii()


def test_words_are_those_of_the_kinds():
    assert forms.words([forms.Kind.NAME]) == "the name of a network"
    assert forms.words(forms.TRAINABLE) == (
        "the name of a network, a .keras or .h5 file or file.py:function or "
        "package.module:function"
    )
    assert pathlib.Path(forms.SAVED_MODEL).suffix == ".pb"
