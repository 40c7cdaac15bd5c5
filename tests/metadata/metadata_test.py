"""How a network is fed travels with its files, as the standard says and as we do."""

import dataclasses
import pathlib
import struct

import numpy as np
import pytest

from export.c import files as c_files
from export.c import network as c_network
from export.tflite import metadata_entry
from tfpipeline import errors
from tfpipeline.audio import front_end
from tfpipeline.configs import fields, images
from tfpipeline.data import preprocessing
from tfpipeline.ir import from_tflite
from tfpipeline.metadata import flags, model_metadata, tflite_metadata, words

_FILE = pathlib.Path(__file__).parents[1] / "golden/tflite_int8/plain_ptq.tflite"
FOUND = model_metadata.Metadata(
    preprocessing.of_bytes(-1.0, 0.9921875),
    is_of_pixels=True,
    names=("cat", "d*/og", "größe"),
    reading={"image_size": "32,24", "grayscale": True},
    front_end=front_end.FrontEnd(kind="log_mel", mel_bins=20),
    task={"name": "regression", "head": "linear", "mean": [2.0], "deviation": [0.5]},
)


def test_json_gives_the_value_back():
    assert model_metadata.from_json(FOUND.to_json(), "it") == FOUND
    plain = model_metadata.Metadata(preprocessing.in_range(-3, 2), False)
    assert model_metadata.from_json(plain.to_json(), "it") == plain
    assert plain.to_json().keys() == {"format", "input"}


@pytest.mark.parametrize(
    "change",
    [
        {"input": {}},
        {"input": {"pixels": True, "low": 1, "high": 2, "zero": 0, "scale": 1}},
        {"input": {"pixels": True, "low": "x"}},
        {"outputs": [1]},
        {"outputs": "abc"},
        {"reading": []},
        {"front_end": {"kind": "mfcc"}},
        {"more": 1},
    ],
)
def test_damaged_json_is_one_error(change):
    with pytest.raises(errors.DamagedFileError, match=r"^it"):
        model_metadata.from_json({**FOUND.to_json(), **change}, "it")


def test_a_file_carries_it_and_computes_the_same():
    data = _FILE.read_bytes()
    assert metadata_entry.read(data, "it") is None
    described = metadata_entry.added(data, FOUND, "net")
    assert metadata_entry.read(described, "it") == FOUND
    g, other = (from_tflite.read(each, name="n") for each in (data, described))
    assert (g.layers, g.tensors) == (other.layers, other.tensors)
    for name, values in g.constants.items():
        np.testing.assert_array_equal(values, other.constants[name])
    # Others take its place, and none leaves the file as it was.
    plain = model_metadata.Metadata(preprocessing.in_range(-3, 2), False)
    again = metadata_entry.added(described, plain, "net")
    assert metadata_entry.read(again, "it") == plain
    without = metadata_entry.without(described)
    assert metadata_entry.without(without) is without
    assert metadata_entry.added(without, FOUND, "net") == described
    assert metadata_entry.added(data, None) is data


def _slot(data, table, place):
    """Where a field of a flatbuffer's table lies; 0 where it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    if 4 + 2 * place >= size:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * place)[0]
    return table + offset if offset else 0


def _follow(data, at):
    return at + struct.unpack_from("<I", data, at)[0]


def _first(data, at):
    """The first table of a vector."""
    return _follow(data, _follow(data, at) + 4)


def _text(data, at):
    start = _follow(data, at)
    (length,) = struct.unpack_from("<I", data, start)
    return data[start + 4 : start + 4 + length].decode()


def test_other_readers_find_the_standard_fields():
    """By the places of metadata_schema.fbs, read without the code that writes."""
    data = tflite_metadata.to_bytes(FOUND, "net", (1, 24, 32, 3))
    assert data[4:8] == b"M001"
    root = _follow(data, 0)
    assert _text(data, _slot(data, root, 0)) == "net"
    subgraph = _first(data, _slot(data, root, 3))
    source = _first(data, _slot(data, subgraph, 2))
    assert _text(data, _slot(data, source, 0)) == "input"
    content = _follow(data, _slot(data, source, 3))
    assert data[_slot(data, content, 0)] == 2  # ImageProperties
    image = _follow(data, _slot(data, content, 1))
    assert data[_slot(data, image, 0)] == 1  # RGB
    unit = _first(data, _slot(data, source, 4))
    assert data[_slot(data, unit, 0)] == 1  # NormalizationOptions
    options = _follow(data, _slot(data, unit, 1))
    values = [
        struct.unpack_from("<f", data, _follow(data, _slot(data, table, place)) + 4)[0]
        for table, place in (
            *((options, 0), (options, 1)),
            *((_follow(data, _slot(data, source, 5)), place) for place in (0, 1)),
        )
    ]
    assert values == [128.0, 128.0, 0.9921875, -1.0]


def test_what_others_wrote_is_none_of_ours():
    data = bytearray(tflite_metadata.to_bytes(FOUND, "net", (1, 24, 32, 3)))
    for count in (0, 3, 8, 11, 40):
        assert tflite_metadata.from_bytes(bytes(data[:count]), "it") is None
    random = np.random.default_rng(0)
    for _ in range(300):
        changed = data.copy()
        for place in random.integers(0, len(data), 3):
            changed[place] = random.integers(0, 256)
        try:
            tflite_metadata.from_bytes(bytes(changed), "it")
        except errors.DamagedFileError as error:
            assert "\n" not in str(error)


def test_flags_come_back():
    given = images.Examples(
        image_size="32,24",
        columns=("a", "b"),
        sound=dataclasses.replace(images.Sound(), front_end="log_mel", mel_bins=20),
    )
    found = dataclasses.replace(
        FOUND, reading=flags.reading(given), front_end=given.sound.value
    )
    again = fields.replaced(images.Examples(), flags.of(found))
    assert again.sound.value == given.sound.value
    assert (again.image_size, again.columns) == ("32,24", ("a", "b"))


def test_the_header_of_the_c_says_it():
    g = from_tflite.read(_FILE.read_bytes(), name="net")
    header = c_network.header(c_network.prepare(g, "net", FOUND))
    assert "(pixel - 128) * 0.0078125" in header
    assert '#define NET_OUTPUT_NAMES {"cat", "d_/og", "gr__e"}' in header
    assert "Image size: 32,24." in header and header.isascii()
    plain = c_files.contents(c_network.prepare(g, "net"))
    assert "OUTPUT_NAMES" not in plain["net.h"]
    assert "Value 0 = output * 0.5 + 2." in "\n".join(words.lines(FOUND))
