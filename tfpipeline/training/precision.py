"""Which number format float training computes in."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator

from tfpipeline import errors
from tfpipeline.compat import keras, tf

PRECISIONS = ("auto", "float32", "bfloat16")

# Linux names of the x86 instructions that multiply bfloat16 directly. Elsewhere
# TensorFlow emulates it: 7 times slower than float32 where that was measured
# (docs/speed.md).
_BFLOAT16_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def resolve(precision: str) -> str:
    """`auto` as the format that is fastest here; others unchanged.

    Returns:
        "float32" or "bfloat16".

    Raises:
        UsageError: an unknown name.
    """
    if precision not in PRECISIONS:
        raise errors.UsageError(
            f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision}"
        )
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16() else "float32"


def has_bfloat16() -> bool:
    """True where the processor, or a GPU of capability 8, multiplies bfloat16."""
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    return bool(_BFLOAT16_CPU_FLAGS & _cpu_flags())


def policy(precision: str) -> keras.mixed_precision.Policy:
    """The Keras policy of "float32" or "bfloat16" (variables stay float32)."""
    name = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    return keras.mixed_precision.Policy(name)


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Networks that are built meanwhile compute in "float32" or "bfloat16"."""
    keras.mixed_precision.set_global_policy(policy(precision))
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def with_twin(
    build: Callable[[str], keras.Model], precision: str
) -> tuple[keras.Model, keras.Model | None]:
    """A network that trains in `precision`, and what it is evaluated as.

    Args:
        build: makes the network in "float32" or "bfloat16", with fresh weights.
        precision: one of the two.

    Returns:
        The network, and a float32 one of the same weights; None where it is that
        itself.
    """
    in_float32 = build("float32")
    if precision == "float32":
        return in_float32, None
    network = build(precision)
    network.set_weights(in_float32.get_weights())
    return network, in_float32


def _cpu_flags(path: pathlib.Path = pathlib.Path("/proc/cpuinfo")) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        if line.startswith("flags"):
            return frozenset(line.split(":", 1)[1].split())
    return frozenset()
