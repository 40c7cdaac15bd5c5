"""How tfmot rounds each layer of a model of the MAX78000 scheme."""

from typing import Any

import numpy as np

from tfpipeline.quantization import given_configs
from tfpipeline.quantization.max78000 import layers, power_of_two_quantizers
from tfpipeline.targets.max78000 import arithmetic, quantize


class OutputConfig(given_configs.PassConfig):
    """Rounds what a layer without weights writes, or leaves it as it is.

    Attributes:
        window: values that each result is the average of, 1 of a sum; `None` of layers
            that move rounded values, and of those of the host.
    """

    def __init__(self, window: int | None) -> None:
        self.window = window

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        if self.window is None:
            return []
        if self.window == 1:
            return [power_of_two_quantizers.ActivationQuantizer()]
        return [power_of_two_quantizers.AverageQuantizer(self.window)]

    def get_config(self) -> dict[str, Any]:
        return {"window": self.window}


class WeightedConfig(OutputConfig):
    """Rounds the kernel and the bias of a layer, and what it writes unless wide.

    Attributes:
        weight_bits: 1, 2, 4 or 8.
        shift_quantile: as in `targets.max78000.quantize`.
        wide: leave the sums as they are.
        symmetric: saturate at -127/128, whose magnitude is that of -1.
    """

    def __init__(
        self,
        weight_bits: int,
        shift_quantile: float,
        wide: bool = False,
        symmetric: bool = False,
    ) -> None:
        super().__init__(None if wide else 1)
        self.weight_bits = weight_bits
        self.shift_quantile = shift_quantile
        self.wide = wide
        self.symmetric = symmetric

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        names = layers.weight_names(layer)
        parts = tuple(getattr(layer, name) for name in names)
        kinds = (
            power_of_two_quantizers.WeightQuantizer,
            power_of_two_quantizers.BiasQuantizer,
        )
        return [
            (part, kind(self.weight_bits, self.shift_quantile, parts))
            for part, kind in zip(parts, kinds, strict=False)
        ]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        names = layers.weight_names(layer)
        for name, value in zip(names, quantize_weights, strict=True):
            setattr(layer, name, value)

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        if self.wide:
            return []
        return [power_of_two_quantizers.ActivationQuantizer(self.symmetric)]

    def get_config(self) -> dict[str, Any]:
        return {
            "weight_bits": self.weight_bits,
            "shift_quantile": self.shift_quantile,
            "wide": self.wide,
            "symmetric": self.symmetric,
        }

    def largest_sum(
        self, layer: Any, kernel: np.ndarray, bias: np.ndarray | None
    ) -> int:
        """Returns a bound of the magnitude of every sum that the layer forms.

        128 times the magnitudes of a channel's weights and bias, partial sums in any
        order included, and half of what is rounded away: what
        `targets.max78000.vector_kernels` chooses its type by. In steps of the layer's
        weights and of 1/128.
        """
        found = quantize.quantize_layer(
            kernel, bias, self.weight_bits, self.shift_quantile
        )
        _, channels = layers.KERNELS[type(layer)]
        others = tuple(i for i in range(kernel.ndim) if i not in channels)
        sums = np.abs(found.weights.astype(np.int64)).sum(axis=others).ravel()
        if found.bias is not None:
            sums = sums + np.abs(found.bias.astype(np.int64))
        half = 0
        if not self.wide:
            half = arithmetic.half_step(found.shift + 8 - self.weight_bits)
        return (int(sums.max()) << arithmetic.FRACTION_BITS) + half
