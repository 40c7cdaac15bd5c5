"""Arrays: the same as NumPy reads, or one clear error before anything is allocated."""

import io
import struct
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as numpy_strategies

from tfpipeline import errors
from tfpipeline.untrusted import arrays

_ARRAYS = {
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "one": np.array(7, np.int16),
    "none": np.zeros((0, 3), np.uint8),
    "big": np.arange(3, dtype=">f8"),
    "flags": np.array([True, False]),
}


def _npz(save=np.savez, **values):
    stream = io.BytesIO()
    save(stream, **values)
    return stream.getvalue()


def _npy(value):
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


def _zip(members, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def _with_header(text, data=b""):
    raw = text.encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(raw)) + raw + data


def _error(data, parse=arrays.parse_npz):
    with pytest.raises(errors.DamagedFileError) as caught:
        parse(data, "it")
    message = str(caught.value)
    assert message.startswith("it ") and "\n" not in message and len(message) < 300
    return message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_of_numpy(save, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(_npz(save, **_ARRAYS))
    result = arrays.read_npz(path)
    assert list(result) == list(_ARRAYS)
    for name, expected in _ARRAYS.items():
        assert result[name].dtype == expected.dtype and result[name].flags.writeable
        assert result[name].shape == expected.shape
        np.testing.assert_array_equal(result[name], expected)


@hypothesis.given(
    numpy_strategies.arrays(
        numpy_strategies.integer_dtypes() | numpy_strategies.floating_dtypes(),
        numpy_strategies.array_shapes(min_dims=0, min_side=0),
    )
)
def test_every_array_comes_back(value):
    for stored in (value, np.asfortranarray(value)):
        result = arrays.parse_npy(_npy(stored), "it")
        assert result.dtype == stored.dtype and result.shape == stored.shape
        assert result.tobytes() == stored.tobytes()
        assert result.flags.f_contiguous == stored.flags.f_contiguous


@hypothesis.given(
    strategies.integers(0, 10**6), strategies.integers(1, 255), strategies.booleans()
)
@hypothesis.settings(max_examples=300)
def test_a_changed_byte_gives_arrays_or_the_error(place, mask, is_compressed):
    save = np.savez_compressed if is_compressed else np.savez
    data = bytearray(_npz(save, **_ARRAYS))
    data[place % len(data)] ^= mask
    try:
        arrays.parse_npz(bytes(data), "it")
    except errors.DamagedFileError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("keep", [0, 3, 100, -30, -1])
def test_a_cut_file_is_damaged(keep):
    _error(_npz(**_ARRAYS)[:keep])
    _error(_npy(_ARRAYS["weights"])[:keep], arrays.parse_npy)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_the_methods_of_numpy_are_read(method):
    data = _zip([("a.npy", _npy(np.zeros(9)))], method)
    assert f"the compression {method} is not used" in _error(data)


def test_an_unknown_method_is_damage():
    data = bytearray(_zip([("a.npy", _npy(np.zeros(9)))]))
    data[8] = data[data.find(b"PK\1\2") + 10] = 99
    assert "compression 99" in _error(bytes(data))


def test_an_encrypted_member_is_refused():
    data = bytearray(_zip([("a.npy", _npy(np.zeros(9)))]))
    data[data.find(b"PK\1\2") + 8] |= 1
    assert "encrypted" in _error(bytes(data))


def test_what_inflates_too_far_is_refused_before_it_does():
    member = _with_header(
        f"{{'descr': '|i1', 'fortran_order': False, 'shape': ({1 << 28},), }}",
        bytes(1 << 28),
    )
    data = _zip([("a.npy", member)], zipfile.ZIP_DEFLATED)
    assert len(data) < 1 << 19
    assert "inflate to over" in _error(data)


def test_names_differ_and_are_arrays():
    array = _npy(np.zeros(1))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = _zip([("a.npy", array), ("a.npy", array)])
    assert "there twice" in _error(twice)
    assert "'a.txt' is no array" in _error(_zip([("a.txt", array)]))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000,
        "-" * 4000,
        "[" * 90 + "]" * 90,
        "{" * 9000,
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<U9', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9" + "9" * 40 + "), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(1," * 70 + ")" * 70,
        "",
        "\n",
    ],
)
def test_a_header_that_lies_is_damage(text):
    array = _with_header(text, bytes(4))
    _error(array, arrays.parse_npy)
    _error(_zip([("a.npy", array)]))


def test_other_versions_of_the_header():
    plain = _npy(np.arange(3, dtype=np.int8))
    second = b"\x93NUMPY\2\0" + plain[8:10] + b"\0\0" + plain[10:]
    np.testing.assert_array_equal(arrays.parse_npy(second, "it"), [0, 1, 2])
    assert "version (9, 0)" in _error(b"\x93NUMPY\x09\0" + plain[8:], arrays.parse_npy)
