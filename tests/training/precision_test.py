"""Which number format float training computes in."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.training import precision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse avx2", "float32"),
        ("fpu avx512f avx512_bf16", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        (None, "float32"),
    ],
)
def test_auto_follows_the_processor(flags, expected, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    found = precision._cpu_flags(path)
    monkeypatch.setattr(precision, "_cpu_flags", lambda: found)
    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: [])
    assert precision.resolve("auto") == expected


def test_explicit_choices_are_kept():
    assert precision.resolve("float32") == "float32"
    assert precision.resolve("bfloat16") == "bfloat16"
    assert precision.policy("bfloat16").compute_dtype == "bfloat16"
    assert precision.policy("bfloat16").variable_dtype == "float32"
    assert precision.policy("float32").compute_dtype == "float32"


def test_unknown_names_the_choices():
    with pytest.raises(errors.UsageError, match="auto, float32, bfloat16"):
        precision.resolve("float16")


def _network() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def _built(number_format: str) -> keras.Model:
    with precision.computing_in(number_format):
        return _network()


def test_a_twin_has_the_same_weights_in_float32():
    network, twin = precision.with_twin(_built, "bfloat16")
    assert network.layers[0].compute_dtype == "bfloat16"
    assert twin.layers[0].compute_dtype == "float32"
    for left, right in zip(network.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_float32_network_needs_no_twin():
    network, twin = precision.with_twin(_built, "float32")
    assert network.layers[0].compute_dtype == "float32" and twin is None


def test_the_precision_ends_with_its_block():
    with pytest.raises(ZeroDivisionError), precision.computing_in("bfloat16"):
        assert _network().layers[0].compute_dtype == "bfloat16"
        _ = 1 / 0
    assert _network().layers[0].compute_dtype == "float32"
