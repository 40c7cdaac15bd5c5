"""`sampledata.h` as the vendor ships it, damaged, and of other sizes."""

import time

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.pictures import sample_headers

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
CONTENTS = [sample_headers.write(IMAGE, layout) for layout in sample_headers.LAYOUTS]
# Reading 24 words takes under a millisecond; a hang is what takes much longer.
MAX_SECONDS = 1.0
# What the format is made of, so that mutations get past the first check.
_PARTS = [
    *(b"0x", b",", b"{", b"}", b"\\\n", b"\n", b"/*", b"*/", b"//", b"0xffffffff"),
    *(b"#define SAMPLE_INPUT_", b"#define SAMPLE_INPUT_4 { 0x0 }\n", b"\xff", b"\r"),
]


@pytest.mark.parametrize("layout", sample_headers.LAYOUTS)
def test_wrapped_by_a_formatter(layout):
    text = sample_headers.write(IMAGE, layout).decode()
    for number in (0, 4, 8):
        text = text.replace(
            f"#define SAMPLE_INPUT_{number} {{ \\\n",
            f"#define SAMPLE_INPUT_{number}       \\\n    {{     \\\n",
        )
    text = text.replace(", ", ",    \\\n  ").replace(" \\\n}", "    \\\n    }")
    text = "/* Copyright (C)\n * \N{COPYRIGHT SIGN} */\n" + text.replace("\n", "\r\n")
    found = sample_headers.read(text.encode(), (4, 6))
    np.testing.assert_array_equal(found, IMAGE)


def test_arrays_are_channels_in_the_order_of_their_processors():
    text = sample_headers.write(IMAGE, "chw").decode()
    comment, *macros = text.split("#define")
    for numbers in ((0, 1, 2), (3, 16, 40)):
        renamed = [
            macro.replace(f"_{old} ", f"_{new} ")
            for macro, old, new in zip(macros, (0, 4, 8), numbers, strict=True)
        ]
        text = "#define".join([comment, *reversed(renamed)])
        found = sample_headers.read(text.encode(), (4, 6))
        np.testing.assert_array_equal(found, IMAGE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no SAMPLE_INPUT macro"),
        ("// only a comment", "it has no SAMPLE_INPUT macro"),
        ("#define SAMPLE_INPUT_0 { }", "word 0 of SAMPLE_INPUT_0 must be 0x and"),
        ("#define SAMPLE_INPUT_0 { 0x1, , 0x2 }", "word 1 of SAMPLE_INPUT_0"),
        ("#define SAMPLE_INPUT_0 { 0x1, 12 }", "found '12'"),
        ("#define SAMPLE_INPUT_0 { 0x123456789 }", "found '0x123456789'"),
        ("#define SAMPLE_INPUT_0 { 0x1\n}", r"with \\ at the ends of its lines"),
        ("#define SAMPLE_INPUT_0 { 0x1", "expected '#define SAMPLE_INPUT_<number>"),
        ("#define INPUT_DATA { 0x1 }", "found '#define INPUT_DATA { 0x1 }'"),
        ("#define SAMPLE_INPUT_0 { 0x1 }\n" * 2, "SAMPLE_INPUT_0 stands there twice"),
        ("/* #define SAMPLE_INPUT_0 { 0x1 }", "it has no SAMPLE_INPUT macro"),
        ("\xff", "byte 0 is not text"),
    ],
)
def test_malformed(text, message):
    with pytest.raises(errors.DataError, match=message):
        sample_headers.parse(text.encode("latin-1"))


def test_a_size_that_does_not_fit():
    hwc, chw = CONTENTS
    expected = (
        r"5x5 pixels \(height x width\) and 3 channel\(s\) has one array of 25 words, "
        r"100 bytes \(HWC\), or 3 of 7 words, 28 bytes \(CHW\); "
    )
    with pytest.raises(errors.DataError, match=expected) as raised:
        sample_headers.read(hwc, (5, 5))
    assert "found 1 array(s) of 24 words: as HWC 24 pixels are 4x6" in str(raised.value)
    with pytest.raises(errors.DataError, match=r"3 array\(s\) of 6 words: as CHW up"):
        sample_headers.read(chw, (5, 5))
    with pytest.raises(errors.DataError, match="24 words: as HWC 24 pixels are 4x6"):
        sample_headers.read(hwc, None)
    # The same number of words, with the last three pixels beyond the image.
    with pytest.raises(errors.DataError, match="has data behind 3x7 pixels"):
        sample_headers.read(chw, (3, 7))
    with pytest.raises(errors.DataError, match="must be 1 or more"):
        sample_headers.read(hwc, (-4, -6))


def test_a_gray_header_must_be_asked_for():
    gray = IMAGE[..., :1]
    content = sample_headers.write(gray, "chw")
    np.testing.assert_array_equal(sample_headers.read(content, (4, 6), 1), gray)
    for channels in (None, 3):
        with pytest.raises(errors.DataError, match=r"or 3 of 6 words"):
            sample_headers.read(content, (4, 6), channels)
    with pytest.raises(errors.DataError, match=r"or 1 of 6 words"):
        sample_headers.read(CONTENTS[1], (4, 6), 1)


def test_channels_of_an_hwc_header():
    gray = IMAGE[..., :1]
    content = sample_headers.write(gray)
    np.testing.assert_array_equal(sample_headers.read(content, (4, 6), 1), gray)
    with pytest.raises(errors.DataError, match="give channels 1 if it is a gray"):
        sample_headers.read(content, (4, 6))
    as_rgb = sample_headers.read(content, (4, 6), 3)
    np.testing.assert_array_equal(as_rgb[..., 1:], np.full((4, 6, 2), 128))
    with pytest.raises(errors.DataError, match=r"more than 1 channel\(s\)"):
        sample_headers.read(CONTENTS[0], (4, 6), 1)
    fourth = b"#define SAMPLE_INPUT_0 { 0x01000000 }"
    with pytest.raises(errors.DataError, match=r"more than 3 channel\(s\)"):
        sample_headers.read(fourth, (1, 1))


def is_refused(content: bytes) -> bool:
    start = time.perf_counter()
    try:
        image = sample_headers.read(content, (4, 6))
    except errors.DataError as error:
        refused = True
        assert "\n" not in str(error)
        assert len(str(error)) > 20
    else:
        refused = False
        assert image.dtype == np.uint8 and image.shape == (4, 6, 3)
    assert time.perf_counter() - start < MAX_SECONDS
    return refused


def test_3000_mutations():
    random = np.random.default_rng(1)
    refused = 0
    for i in range(3000):
        damaged = bytearray(CONTENTS[i % 2])
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(len(damaged)))
            kind = random.integers(4)
            if kind == 0:
                damaged[at] ^= 1 << random.integers(8)
            elif kind == 1:
                damaged[at:at] = _PARTS[random.integers(len(_PARTS))]
            elif kind == 2:
                del damaged[at : at + int(random.integers(1, 20))]
            else:
                damaged[at] = random.integers(256)
        refused += is_refused(bytes(damaged))
    # Some mutations only change a digit.
    assert 1500 < refused < 3000


@hypothesis.given(
    strategies.lists(strategies.sampled_from(_PARTS) | strategies.binary(max_size=4))
)
@hypothesis.settings(max_examples=200, deadline=None)
def test_any_parts(parts):
    assert is_refused(b"".join(parts))


def test_every_truncation_is_refused():
    for content in CONTENTS:
        # The last newline may go.
        for size in range(len(content) - 1):
            assert is_refused(content[:size])


@pytest.mark.parametrize("part", [b"/*", b"//", b"{", b",", b"\\\n", b"0x", b" ", b"#"])
def test_long_repetitions_take_linear_time(part):
    content = CONTENTS[0][:-3] + part * (1_000_000 // len(part))
    assert is_refused(content)
