"""PNG files of every kind that cameras and drawing programs leave."""

import io
import struct
import time
import zlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from PIL import Image

from tfpipeline import errors
from tfpipeline.pictures import png_images

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
CONTENT = png_images.write(IMAGE)
# Reading takes a millisecond; a hang is what takes much longer.
MAX_SECONDS = 2.0


def saved(picture):
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def test_modes():
    picture = Image.fromarray(IMAGE)
    opaque = picture.convert("RGBA")
    np.testing.assert_array_equal(png_images.read(saved(opaque)), IMAGE)
    palette = picture.quantize(256)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(png_images.read(saved(palette)), expected)
    gray = picture.convert("L")
    found = png_images.read(saved(gray))
    np.testing.assert_array_equal(found[..., 0], np.asarray(gray))
    found = png_images.read(saved(gray.convert("LA")))
    np.testing.assert_array_equal(found[..., 0], np.asarray(gray))
    bits = Image.fromarray(IMAGE[..., 0] > 128)
    found = png_images.read(saved(bits))
    np.testing.assert_array_equal(found[..., 0], 255 * (IMAGE[..., 0] > 128))


def chunk(name, content):
    checksum = zlib.crc32(name + content).to_bytes(4)
    return struct.pack(">I", len(content)) + name + content + checksum


def one_pixel(bit_depth, color_type, pixel):
    ihdr = struct.pack(">IIBBBBB", 1, 1, bit_depth, color_type, 0, 0, 0)
    chunks = chunk(b"IHDR", ihdr), chunk(b"IDAT", zlib.compress(pixel))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a PNG, or damaged"),
        (b"BM", "not a PNG, or damaged"),
        (CONTENT[:60], "not a PNG, or damaged"),
        (
            one_pixel(16, 2, bytes(7)),
            "up to 8 bits a channel, as the camera gives; found 16",
        ),
        (saved(Image.fromarray(IMAGE[..., 0].astype(np.uint16))), "found 16"),
        # A palette image without a palette.
        (one_pixel(8, 3, bytes(2)), "or damaged: AssertionError"),
        (saved(Image.new("RGBA", (2, 2), (1, 2, 3, 254))), "has transparent pixels"),
        (saved(Image.new("L", (3000, 3000))), "up to 4194304 pixels; found 3000x3000"),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(errors.DataError, match=message):
        png_images.read(content)


def test_the_size_is_compared():
    np.testing.assert_array_equal(png_images.read(CONTENT, (4, 6)), IMAGE)
    with pytest.raises(errors.DataError, match=r"is 4x6 pixels .*, not 6x4"):
        png_images.read(CONTENT, (6, 4))


def is_refused(content: bytes) -> bool:
    start = time.perf_counter()
    try:
        image = png_images.read(content)
    except errors.DataError as error:
        refused = True
        assert "\n" not in str(error)
    else:
        refused = False
        assert image.dtype == np.uint8 and image.shape[2] in (1, 3)
    assert time.perf_counter() - start < MAX_SECONDS
    return refused


def with_checksums(content: bytes) -> bytes:
    """Every chunk's checksum made right, so that damage gets past it."""
    fixed = bytearray(content)
    at = 8
    while at + 12 <= len(fixed):
        length = int.from_bytes(fixed[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(fixed)


@pytest.mark.parametrize("repair", [False, True])
def test_1000_mutations(repair):
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(CONTENT)
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(len(damaged))] = random.integers(256)
        refused += is_refused(with_checksums(damaged) if repair else bytes(damaged))
    assert 500 < refused < 1000


@hypothesis.given(
    strategies.sampled_from([b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"zTXt", b"acTL"]),
    strategies.binary(max_size=30),
)
@hypothesis.settings(max_examples=200, deadline=None)
def test_any_chunk_behind_the_first(name, content):
    chunk = struct.pack(">I", len(content)) + name + content + bytes(4)
    first = 8 + 25
    is_refused(with_checksums(CONTENT[:first] + chunk + CONTENT[first:]))
