"""`python -m tfpipeline.layer_error` as a user runs it, on files."""

import pathlib

import numpy as np
import pytest

from export.tflite import from_graph
from tests import float_graphs, folder_trees, programs
from tfpipeline import run_folder
from tfpipeline.ir import serialize
from tfpipeline.precision import formats, quantize, ranges

ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments):
    return programs.run("tfpipeline.layer_error", *arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A float graph, an int8 file of it, and images."""
    folder = tmp_path_factory.mktemp("files")
    g = float_graphs.small_network()
    images = float_graphs.images(g, 24)
    serialize.write(g, folder / "float")
    np.save(folder / "images.npy", images)
    integer = quantize.quantize(
        g, ranges.observe(g, images[:12]), formats.named("wi8_ai8")
    )
    (folder / "own.tflite").write_bytes(from_graph.to_bytes(integer))
    return folder


def test_compares_formats_and_files(files, tmp_path):
    done = run(
        f"--float_model={files / 'float'}",
        f"--models={files / 'own.tflite'}",
        f"--images={files / 'images.npy'}",
        "--formats=wi8_ai8,wi16_ai16",
        f"--output={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "'small', SQNR of each layer's output over 12 images"
    assert "not deployable by TFLite" in done.stdout
    rows = (tmp_path / "out" / "layer_error.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 11
    # The file has the integers of the format that was quantized here.
    ours = [row.replace("wi8_ai8 PTQ", "own") for row in rows if "wi8_ai8" in row]
    assert ours == [row for row in rows if ",own," in row]
    assert (tmp_path / "out" / "layer_error.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --run=FOLDER or --float_model=FILE"),
        (
            ["--float_model={}/own.tflite", "--images={}/images.npy"],
            "is no float graph: tensor 'input' is int8",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, files):
    done = run(*(each.format(files) for each in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("layer_error: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_files_of_others_stay(files, tmp_path):
    flags = [
        f"--float_model={files / 'float'}",
        f"--images={files / 'images.npy'}",
        "--formats=wi8_ai8",
    ]
    (tmp_path / "layer_error.csv").write_text("mine")
    done = run(*flags, f"--output={tmp_path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not empty, and `layer_error` did not write it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert folder_trees.files(tmp_path) == {"layer_error.csv": b"mine"}
    for form in ("wi8_ai8", "wi8_ai16"):
        done = run(*flags, f"--formats={form}", f"--output={tmp_path / 'out'}")
        assert done.returncode == 0, done.stderr
    assert "wi8_ai16" in (tmp_path / "out" / "layer_error.csv").read_text()
    # A run's own folder lists what is written beside its files.
    begun = run_folder.RunFolder(tmp_path / "run")
    run_folder.begin(begun, {"flags": {}, "data": {"fingerprint": ""}})
    for form in ("wi8_ai8", "wi8_ai16"):
        done = run(*flags, f"--formats={form}", f"--output={begun.root}")
        assert done.returncode == 0, done.stderr
    begun.layer_error_csv.write_text("edited")
    done = run(*flags, f"--output={begun.root}")
    assert done.returncode == 2
    assert "layer_error.csv is there already, and is not as this" in done.stderr
    assert begun.layer_error_csv.read_text() == "edited"
