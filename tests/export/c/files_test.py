"""The folder: which files, and that an older one is replaced as a whole."""

import numpy as np
import pytest

from export.c import files
from export.c.cores import catalog
from export.harness import firmware_files
from tests import folder_trees, graph_builder
from tests.export.c import random_graphs
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.simulate import execution


def small():
    net = graph_builder.Builder((6, 6, 2))
    net.conv(3)
    net.mean()
    return random_graphs.quantized(net.build(), np.random.default_rng(0), "int8")


def test_the_folder_holds_all_files_and_none_of_an_older_one(tmp_path):
    folder = tmp_path / "c"
    files.write(folder, small(), "older")
    found = files.write(folder, small(), "Small Net")
    assert found.name == "small_net"
    names = {name: name.partition("/")[0] for name in folder_trees.ours(folder)}
    harness = {x for x, top in names.items() if top == firmware_files.FOLDER}
    assert {f"harness/{x}" for x in ("main.c", "Makefile", "boards/pc.c")} < harness
    board = ("board.h", "linker.ld", "processor.c", "startup.c")
    assert {*names} - harness == {
        *("small_net.c", "small_net.h", "small_net_test.c"),
        *(
            f"{family.folder}/{file}"
            for family in catalog.FAMILIES
            for file in ("Makefile", "profile.c", *board)
        ),
    }


def test_the_same_network_gives_the_same_bytes(tmp_path):
    written = []
    for name in ("one", "other"):
        files.write(tmp_path / name, small(), "net")
        paths = sorted((tmp_path / name).rglob("*"))
        written.append([path.read_bytes() for path in paths if path.is_file()])
    assert written[0] == written[1]


def test_known_answers_are_those_of_the_given_images(tmp_path):
    g = small()
    images = micro.random_images(g, 3)
    files.write(tmp_path / "c", g, "net", [images])
    text = (tmp_path / "c" / "net_test.c").read_text(encoding="utf-8")
    answers = execution.predict(g, images)
    numbers = ", ".join(map(str, answers.ravel())) + ","
    assert numbers in " ".join(text.split())
    assert "i < 3;" in text


def test_images_that_do_not_fit_leave_the_older_folder(tmp_path):
    files.write(tmp_path / "c", small(), "net")
    before = (tmp_path / "c" / "net.c").read_bytes()
    with pytest.raises(errors.UsageError, match="must be int8 of shape"):
        files.write(tmp_path / "c", small(), "net", [np.zeros((1, 5, 5, 2), np.int8)])
    assert (tmp_path / "c" / "net.c").read_bytes() == before
