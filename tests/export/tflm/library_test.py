"""Bundles with the real library: on this machine, and on an emulated Cortex-M7."""

import re

import pytest

from tests.export.tflm import library
from tfpipeline import api


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(library.HOST, marks=pytest.mark.vendor),
        pytest.param(library.CORTEX_M7, marks=[pytest.mark.emulated]),
    ],
)
def built(request, tmp_path_factory):
    return library.Library(request.param, tmp_path_factory.mktemp("library"))


@pytest.mark.parametrize("name", [*library.NETWORKS, *library.MADE])
def test_bundles_pass_in_the_arena_that_they_name(built, name, tmp_path):
    made = built.prepare(tmp_path, name)
    arena = made.host if built.machine == library.HOST else made.arm
    code, text = built.run(tmp_path)
    assert text.endswith("\nPASS\n"), text
    assert code == 0
    used, reserved = map(int, re.findall(r"arena_used_bytes (\d+) of (\d+)", text)[0])
    assert reserved == arena.arena_bytes
    # Of revision 90b983c2b3f1 to the byte. Others have a few more or fewer members:
    # 16 bytes is the step of the arena.
    assert abs(used - arena.used_bytes) <= 16 * len(made.program.operators)
    print(f"{name}: {used} bytes used, {arena.used_bytes} by the rule")


# Of a network of 8 bits, of 16, and of several ends.
@pytest.mark.parametrize("name", ["int8 residual", "int16 ds_cnn", "int8 several ends"])
def test_a_harness_answers_as_simulated(built, name, tmp_path):
    made = built.prepare(tmp_path, name)
    found = api.run_on_board(str(tmp_path), built.harness(tmp_path), limit=3)
    assert found.inputs == 3 and found.differing == ()
    assert found.values["network"] == made.name.removeprefix("model_")


def test_a_wrong_answer_fails(built, tmp_path):
    built.prepare(tmp_path, "int8 residual")
    file = tmp_path / "model_golden.cc"
    text = file.read_text()
    start = text.index("kOutput0[")
    number = re.compile(r"-?\d+,").search(text, text.index("{", start))
    other = int(number[0][:-1]) ^ 1
    file.write_text(f"{text[: number.start()]}{other},{text[number.end() :]}")
    code, text = built.run(tmp_path)
    assert code != 0
    assert "random: FAIL, 1 of " in text
    assert text.endswith("\nFAIL\n")


def test_an_arena_that_is_too_small_fails(built, tmp_path):
    made = built.prepare(tmp_path, "int8 autoencoder")
    arena = made.host if built.machine == library.HOST else made.arm
    # Planning takes more than what is used then: that too is exact.
    assert arena.arena_bytes > arena.used_bytes + 256
    code, text = built.run(tmp_path, ARENA_BYTES=arena.arena_bytes - 16)
    assert code != 0
    assert "FAIL: the arena is too small for these kernels" in text
