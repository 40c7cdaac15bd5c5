"""Values, names and comments as C spells them."""

import numpy as np
import pytest

from export.c import literals


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FaceNet v1", "facenet_v1"),
        ("8-bit", "network_8_bit"),
        ("--", "network"),
        ("mon modèle é", "mon_modele_e"),
        ("String", "network_string"),
    ],
)
def test_names_are_identifiers(name, expected):
    assert literals.identifier(name) == expected


def test_floats_are_read_back():
    random = np.random.default_rng(0)
    values = random.integers(1, 2**31 - 2**24, 1000).astype(np.uint32)
    for value in (1.0, 1 / 256, 1e20, *map(float, values.view(np.float32))):
        text = literals.real(value)
        assert text.endswith("f")
        assert "." in text or "e" in text
        assert np.float32(text[:-1]) == np.float32(value)


def test_long_lines_are_wrapped():
    text = literals.array("int32_t", "many", list(range(1000, 1100)))
    lines = text.splitlines()
    assert lines[0] == "static const int32_t many[100] = {"
    assert all(len(line) <= 88 for line in lines)
    words = " ".join(lines[1:-1]).split()
    assert words == [f"{value}," for value in range(1000, 1100)]
    long = literals.comment("word " * 40, "    ")
    assert all(len(line) <= 88 for line in long.splitlines())
    assert (long.count("/*"), long.count("*/")) == (1, 1)


def test_structs_have_named_fields():
    text = literals.struct("pair", "p", {"a": 1, "b": (2, -3), "c": "name"})
    assert text == "static const pair p = {\n    .a = 1, .b = {2, -3}, .c = name,\n};\n"
