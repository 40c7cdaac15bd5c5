"""The number formats that a float graph can be quantized to."""

import dataclasses

from tfpipeline import errors


@dataclasses.dataclass(frozen=True)
class Format:
    """Widths of a number format.

    Attributes:
        name: `wi8_ai16` has weights of 8 bits and activations of 16.
        weight_bits: of kernels, symmetric; a scale an output channel, but one a kernel
            for dense layers of 4 bits, as TensorFlow Lite Micro reads them.
        activation_bits: 8, with zero points, or 16, symmetric.
        is_deployable: whether TensorFlow Lite Micro computes it.
        has_power_of_two_steps: fixed point: one scale a kernel, and every scale of
            kernels and activations the next power of two.
    """

    name: str
    weight_bits: int
    activation_bits: int
    is_deployable: bool = True
    has_power_of_two_steps: bool = False

    @property
    def activation_type(self) -> str:
        """Of the graph's tensors."""
        return f"int{self.activation_bits}"


FORMATS = {
    each.name: each
    for each in (
        Format("wi4_ai8", 4, 8),
        Format("wi8_ai8", 8, 8),
        Format("wi8_ai16", 8, 16),
        Format("wi16_ai16", 16, 16, is_deployable=False),
        Format(
            "wi16_ai16_fixed",
            16,
            16,
            is_deployable=False,
            has_power_of_two_steps=True,
        ),
    )
}


def named(name: str) -> Format:
    """The format of this name.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    if name not in FORMATS:
        raise errors.UsageError(
            f"unknown number format '{name}': choose of {', '.join(FORMATS)}"
        )
    return FORMATS[name]
