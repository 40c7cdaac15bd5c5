"""Conversions between all formats, against known answers and back again."""

import io
import itertools
import json
import os
import pathlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from tfpipeline import errors
from tfpipeline.pictures import camera, camera_dumps, cnn_words, sample_headers

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SHARED = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", _ROOT.parent / "shared"))
_EXPANSIONS = {
    "zero_fill": "expand_zero_fill",
    "scale_255": "expand_255",
    "bit_replicate": "expand_bit_replicate",
}
RGB = list(camera.FORMATS)
GRAY = [name for name, each in camera.FORMATS.items() if 1 in each.channels]
# One red, green, blue and white pixel, as a camera of 5, 6 and 5 bits gives them.
PRIMARY = np.array(
    [[[248, 0, 0], [0, 252, 0]], [[0, 0, 248], [248, 252, 248]]], np.uint8
)


@strategies.composite
def images(draw, channels=(3,)):
    shape = draw(
        strategies.tuples(
            strategies.integers(1, 7),
            strategies.integers(1, 7),
            strategies.sampled_from(channels),
        )
    )
    return draw(arrays.arrays(np.uint8, shape))


@pytest.fixture
def golden():
    path = _SHARED / "reference" / "camera_golden.json"
    if not path.exists():
        pytest.skip(f"no {path.name} in {path.parent}; set TFPIPELINE_SHARED")
    return json.loads(path.read_text(encoding="utf-8"))


def rgb(golden, key):
    return np.array(golden[key], np.uint8)


def test_the_golden_file_has_nothing_that_is_not_tested(golden):
    assert set(golden) == {
        *("H", "W", "note", "rgb", "signed_hwc", *_EXPANSIONS.values()),
        *("rgb565_dump_hex", "rgb888_dma_dump_hex", "cnn_words_hwc", "cnn_words_chw"),
        *("sampledata_h_hwc", "sampledata_h_chw"),
        *("img_header_ImgCapture", "img_header_CameraIF_hex"),
    }


def test_golden_dumps(golden):
    size = golden["H"], golden["W"]
    dump = bytes.fromhex(golden["rgb565_dump_hex"])
    assert camera.write(rgb(golden, "rgb"), "rgb565") == dump
    assert set(camera_dumps.EXPANSIONS) == set(_EXPANSIONS)
    for expansion, key in _EXPANSIONS.items():
        found = camera.read(dump, "rgb565", camera.Reading(size, expansion=expansion))
        np.testing.assert_array_equal(found, rgb(golden, key))
    expanded = camera.read(dump, "rgb565", camera.Reading(size))
    np.testing.assert_array_equal(expanded, rgb(golden, "expand_zero_fill"))
    dma = bytes.fromhex(golden["rgb888_dma_dump_hex"])
    assert camera.write(expanded, "rgb888x4") == dma
    found = camera.read(dma, "rgb888x4", camera.Reading(size))
    np.testing.assert_array_equal(found, expanded)


def test_golden_headers_of_dumps(golden):
    image, size = rgb(golden, "rgb"), (golden["H"], golden["W"])
    bare = bytes.fromhex(golden["rgb565_dump_hex"])
    starts = {
        "img_capture": golden["img_header_ImgCapture"].encode() + b"\n",
        "camera_if": bytes.fromhex(golden["img_header_CameraIF_hex"]),
    }
    for framing, start in starts.items():
        dump = camera.write(image, "rgb565", camera.Writing(framing=framing))
        assert dump == start + bare
        np.testing.assert_array_equal(
            camera.read(dump, "rgb565"),
            camera.read(bare, "rgb565", camera.Reading(size)),
        )


def test_golden_words_and_samples(golden):
    size = golden["H"], golden["W"]
    image = rgb(golden, "expand_zero_fill")
    words = np.array([int(text, 16) for text in golden["cnn_words_hwc"]], np.uint32)
    np.testing.assert_array_equal(cnn_words.pack(image).ravel(), words)
    assert camera.write(image, "cnn_words") == words.astype("<u4").tobytes()
    found = camera.read(
        words.astype("<u4").tobytes(), "cnn_words", camera.Reading(size)
    )
    np.testing.assert_array_equal(found, image)
    sample = np.load(io.BytesIO(camera.write(image, "npy")))
    signed = np.array(golden["signed_hwc"])
    np.testing.assert_array_equal(sample, signed.transpose(2, 0, 1))


@pytest.mark.parametrize("layout", sample_headers.LAYOUTS)
def test_golden_headers(golden, layout):
    image = rgb(golden, "expand_zero_fill")
    comment = "// This file was @generated automatically\n\n"
    text = golden["sampledata_h_hwc"]
    if layout == "chw":
        text = "".join(golden["sampledata_h_chw"].values())
        parsed = sample_headers.parse(text.encode())
        words = [
            [int(t, 16) for t in each] for each in golden["cnn_words_chw"].values()
        ]
        np.testing.assert_array_equal(parsed, words)
    how = camera.Writing(layout=layout)
    assert camera.write(image, "sampledata", how).decode() == comment + text
    size = camera.Reading((golden["H"], golden["W"]))
    found = camera.read(text.encode(), "sampledata", size)
    np.testing.assert_array_equal(found, image)


def content_of(image, name, **how):
    return camera.write(image, name, camera.Writing(**how))


def test_primary_colors_in_every_format():
    assert content_of(PRIMARY, "rgb565").hex() == "f80007e0001fffff"
    assert content_of(PRIMARY, "rgb888x3").hex() == "f8000000fc000000f8f8fcf8"
    assert content_of(PRIMARY, "rgb888x4").hex() == "f800000000fc00000000f800f8fcf800"
    words = [0x00808078, 0x00807C80, 0x00788080, 0x00787C78]
    assert cnn_words.pack(PRIMARY).ravel().tolist() == words
    [parsed] = sample_headers.parse(content_of(PRIMARY, "sampledata"))
    assert parsed.tolist() == words
    parsed = sample_headers.parse(content_of(PRIMARY, "sampledata", layout="chw"))
    channels = [0x78808078, 0x7C807C80, 0x78788080]
    assert [each.tolist() for each in parsed] == [[word] for word in channels]


@hypothesis.given(images(), strategies.sampled_from(list(itertools.product(RGB, RGB))))
@hypothesis.settings(max_examples=150, deadline=None)
def test_every_format_to_every_other_and_back(image, names):
    for name in names:
        content = content_of(image, name)
        how = camera.Reading(image.shape[:2], 3 if name == "sampledata" else None)
        found = camera.read(content, name, how)
        if name == "rgb565":  # keeps the upper 5, 6 and 5 bits
            image = image & np.array([0xF8, 0xFC, 0xF8], np.uint8)
        np.testing.assert_array_equal(found, image)
        assert content_of(found, name) == content


@hypothesis.given(
    images(channels=(1, 3)),
    strategies.sampled_from(GRAY),
    strategies.sampled_from(sample_headers.LAYOUTS),
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_gray_and_layouts_survive(image, name, layout):
    content = content_of(image, name, layout=layout)
    how = camera.Reading(image.shape[:2], channels=image.shape[2])
    np.testing.assert_array_equal(camera.read(content, name, how), image)


@hypothesis.given(
    arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2)),
    strategies.sampled_from(sorted(camera_dumps.EXPANSIONS)),
)
@hypothesis.settings(deadline=None)
def test_any_rgb565_code_survives_any_expansion(codes, expansion):
    expanded = camera_dumps.expand(codes, expansion)
    np.testing.assert_array_equal(camera_dumps.reduce(expanded), codes)


@hypothesis.given(
    images(),
    strategies.sampled_from(sorted(camera_dumps.BYTES_A_PIXEL)),
    strategies.sampled_from(["img_capture", "camera_if"]),
)
@hypothesis.settings(deadline=None)
def test_a_header_says_the_size(image, name, framing):
    framed = content_of(image, name, framing=framing)
    size = camera.Reading(image.shape[:2])
    np.testing.assert_array_equal(
        camera.read(framed, name), camera.read(content_of(image, name), name, size)
    )


def test_orientation():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    expected = {
        (False, False, 0): [[0, 1, 2], [3, 4, 5]],
        (True, False, 0): [[2, 1, 0], [5, 4, 3]],
        (False, True, 0): [[3, 4, 5], [0, 1, 2]],
        (False, False, 90): [[3, 0], [4, 1], [5, 2]],
        (False, False, 180): [[5, 4, 3], [2, 1, 0]],
        (False, False, 270): [[2, 5], [1, 4], [0, 3]],
        (True, False, 90): [[5, 2], [4, 1], [3, 0]],
    }
    for how, rows in expected.items():
        np.testing.assert_array_equal(camera.oriented(image, *how)[..., 0], rows)


@hypothesis.given(images(channels=(1, 3)), strategies.sampled_from(camera.ROTATIONS))
@hypothesis.settings(deadline=None)
def test_orientation_can_be_undone(image, rotate):
    turned = camera.oriented(image, rotate=rotate)
    back = camera.oriented(turned, rotate=-rotate % 360)
    np.testing.assert_array_equal(back, image)
    both = camera.oriented(image, True, True)
    np.testing.assert_array_equal(both, camera.oriented(image, rotate=180))


def test_channels():
    gray = np.array([[[7], [9]]], np.uint8)
    found = camera.with_channels(gray, 3)
    np.testing.assert_array_equal(found, [[[7, 7, 7], [9, 9, 9]]])
    assert camera.with_channels(gray, 1) is gray
    with pytest.raises(errors.DataError, match="has 3 channels; convert it to gray"):
        camera.with_channels(found, 1)
    for name in set(RGB) - set(GRAY):
        with pytest.raises(errors.DataError, match=f"{name} has no gray images"):
            camera.write(gray, name)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2, 3), np.int64),
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused(image):
    for name in camera.FORMATS:
        with pytest.raises(errors.DataError):
            camera.write(image, name)


def test_names_of_files():
    assert camera.format_of("a/sampledata.h") == "sampledata"
    assert camera.format_of("Face.PNG") == "png"
    assert camera.format_of("sample_cifar-10.npy") == "npy"
    for name in set(RGB) - {"sampledata"}:
        assert camera.format_of(f"x.{name}") == name
    for path in ("x.rgb888", "x.raw", "x.bin", "png", "x.jpg"):
        assert camera.format_of(path) is None


@pytest.mark.parametrize(
    ("name", "length", "size", "texts"),
    [
        ("rgb565", 50, (4, 6), ["4x6 pixels", "has 48 bytes, found 50", "25 pixels"]),
        ("rgb565", 49, (4, 6), ["no whole number of 2-byte pixels"]),
        ("rgb565", 38400, (160, 121), ["38720 bytes", "19200 pixels are 160x120, "]),
        ("rgb888x3", 96, (4, 6), ["72 bytes, found 96: that is rgb888x4 of this size"]),
        ("rgb888x4", 72, (4, 6), ["96 bytes, found 72: that is rgb888x3 of this size"]),
        ("rgb888x4", 48, (4, 6), ["that is rgb565 of this size"]),
        ("cnn_words", 95, (4, 6), ["96 bytes, found 95", "4-byte words"]),
        ("cnn_words", 80, (4, 6), ["96 bytes, found 80: 20 pixels are 4x5, 2x10"]),
        ("rgb565", 48, None, ["give height and width", "24 pixels are 4x6, 3x8"]),
        ("cnn_words", 96, None, ["give height and width", "24 pixels are 4x6, 3x8"]),
        ("rgb565", 0, None, ["no size fits"]),
        ("rgb565", 0, (0, 6), ["must be 1 or more; found 0x6"]),
        ("cnn_words", 0, (5000, 5000), ["up to 4194304 pixels; found 5000x5000"]),
    ],
)
def test_wrong_lengths_say_what_is_expected(name, length, size, texts):
    with pytest.raises(errors.DataError) as raised:
        camera.read(bytes(length), name, camera.Reading(size))
    for text in texts:
        assert text in str(raised.value)


def test_bytes_that_must_be_zero():
    with pytest.raises(errors.DataError, match="fourth byte of pixel 1 is not 0"):
        camera.read(b"\0\0\0\0\0\0\0\1", "rgb888x4", camera.Reading((1, 2)))
    with pytest.raises(errors.DataError, match="word 1 is 0x01000000, which holds"):
        camera.read(b"\0\0\0\0\0\0\0\1", "cnn_words", camera.Reading((1, 2)))
