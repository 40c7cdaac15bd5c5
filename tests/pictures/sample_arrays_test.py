"""`sample_*.npy`: what NumPy writes, and files that are damaged or not samples."""

import io
import time

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.pictures import sample_arrays

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
CONTENT = sample_arrays.write(IMAGE)
HEADER_BYTES = len(CONTENT) - 8 * IMAGE.size
# Reading takes under a millisecond; a hang is what takes much longer.
MAX_SECONDS = 1.0


def saved(array, **how):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **how)
    return stream.getvalue()


def test_numpy_reads_what_the_vendor_expects():
    array = np.load(io.BytesIO(CONTENT), allow_pickle=False)
    assert array.dtype == np.int64
    np.testing.assert_array_equal(array, IMAGE.transpose(2, 0, 1).astype(int) - 128)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("dtype", ["<i8", ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_whatever_numpy_writes_of_int64(version, dtype, order):
    array = np.asarray(IMAGE.transpose(2, 0, 1).astype(dtype) - 128, order=order)
    found = sample_arrays.read(saved(array, version=version))
    np.testing.assert_array_equal(found, IMAGE)


def test_the_size_is_compared():
    np.testing.assert_array_equal(sample_arrays.read(CONTENT, (4, 6)), IMAGE)
    with pytest.raises(errors.DataError, match=r"is 4x6 pixels .*, not 6x4"):
        sample_arrays.read(CONTENT, (6, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no .npy file"),
        (b"PK\3\4 a .npz file", "no .npy file"),
        (b"\x93NUMPY\x01", "no .npy file"),
        (b"\x93NUMPY\x04\0" + CONTENT[8:], "must be 1, 2 or 3; found 4"),
        (CONTENT[:100], "malformed .npy header"),
        (CONTENT[:-1], r"shape \(3, 4, 6\) has 576 bytes of values, found 575"),
        (CONTENT + b"\0", "has 576 bytes of values, found 577"),
        (saved(np.zeros((3, 4, 6), np.int8)), "must be int64; found '|i1'"),
        (saved(np.zeros((3, 4, 6), np.float64)), "must be int64; found '<f8'"),
        (saved(np.zeros((3, 4, 6), "U1")), "must be int64; found '<U1'"),
        (saved(np.zeros(3, [("a", int)])), "malformed .npy header"),
        (saved(np.zeros((), int)), r"must be \(3, height, width\).*found \(\)"),
        (saved(np.zeros((128, 128), int)), r"found \(128, 128\)"),
        (saved(np.zeros((48, 4, 6), int)), r"found \(48, 4, 6\)"),
        (saved(np.zeros((3, 0, 6), int)), "must be 1 or more; found 0x6"),
        (saved(np.full((1, 1, 2), 128)), "lie in -128..127; found 128"),
        (saved(np.full((1, 1, 2), -129)), "lie in -128..127; found -129"),
        (saved(np.full((1, 1, 2), -(2**63))), "found -9223372036854775808"),
        (CONTENT.replace(b"(3, 4, 6)", b"(3, 4e6,)"), "malformed .npy header"),
        (CONTENT.replace(b"4, 6), }      ", b"4000, 6000), }"), "up to 4194304 pixels"),
    ],
)
def test_what_is_no_sample(content, message):
    with pytest.raises(errors.DataError, match=message.replace("|", r"\|")):
        sample_arrays.read(content)


def is_refused(content: bytes) -> bool:
    start = time.perf_counter()
    try:
        image = sample_arrays.read(content)
    except errors.DataError as error:
        refused = True
        assert "\n" not in str(error)
        assert len(str(error)) > 20
    else:
        refused = False
        assert image.dtype == np.uint8 and image.shape[2] in (1, 3)
    assert time.perf_counter() - start < MAX_SECONDS
    return refused


def test_3000_mutations():
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(CONTENT)
        for _ in range(random.integers(1, 4)):
            # Half of the damage in the header, which is a fifth of the file.
            end = HEADER_BYTES if random.integers(2) else len(damaged)
            at = int(random.integers(end))
            kind = random.integers(3)
            if kind == 0:
                damaged[at] ^= 1 << random.integers(8)
            elif kind == 1:
                damaged[at] = random.integers(256)
            else:
                damaged[at : at + 1] = bytes(random.choice(list(b"()',019: {}L"), 2))
        refused += is_refused(bytes(damaged))
    # Some mutations change a pixel by a little.
    assert 1500 < refused < 3000


@hypothesis.given(strategies.binary(max_size=200))
@hypothesis.settings(max_examples=200, deadline=None)
def test_any_bytes_behind_the_identifier(content):
    assert is_refused(b"\x93NUMPY\x01\x00" + content)


def test_every_truncation_is_refused():
    for size in range(len(CONTENT)):
        assert is_refused(CONTENT[:size])


@pytest.mark.parametrize("part", [b"9", b"9, ", b"9,", b", ", b" ", b"(", b"'"])
def test_long_shapes_take_linear_time(part):
    shape = b"(" + part * (1_000_000 // len(part))
    text = b"{'descr': '<i8', 'fortran_order': False, 'shape': " + shape
    content = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text
    assert is_refused(content)
