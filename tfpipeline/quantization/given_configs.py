"""tfmot models in which every layer's rounding is given, none tfmot's own choice."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tfpipeline.compat import keras, tf, tfmot

_QUANT = tfmot.quantization.keras


def apply(
    model: keras.Model,
    configs: dict[str, Any],
    input_quantizer: Callable[[], Any],
) -> keras.Model:
    """Returns a copy of `model`, each layer of `configs` wrapped.

    Args:
        model: functional, in float.
        configs: by layer name, how tfmot rounds the layer; layers that are not there
            stay as they are.
        input_quantizer: makes the quantizer that stands behind the input.
    """

    def annotated(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        if layer.name not in configs:
            return copy
        return _QUANT.quantize_annotate_layer(copy)

    copy = keras.models.clone_model(model, clone_function=annotated)
    copy.set_weights(model.get_weights())
    # Nothing in tfmot's layers needs AutoGraph's rewriting of their source; without it
    # the first call is four to seven times faster.
    quantize = tf.autograph.experimental.do_not_convert(_QUANT.quantize_apply)
    kind = type(input_quantizer())
    with _QUANT.quantize_scope({kind.__name__: kind}):
        return quantize(copy, _Scheme(configs, input_quantizer))


class PassConfig(tfmot.quantization.keras.QuantizeConfig):
    """Leaves a layer as it is: what it reads is rounded, and it only moves it."""

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        pass

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {}


@contextlib.contextmanager
def layers_of(number_format: str) -> Iterator[None]:
    """Makes new layers that have no type of their own compute in a format."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(number_format)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


class _Layout(tfmot.quantization.keras.QuantizeLayoutTransform):
    """Adds a quantizer behind the input, and gives layers their configurations."""

    def __init__(
        self, configs: dict[str, Any], input_quantizer: Callable[[], Any]
    ) -> None:
        self._configs = configs
        self._input_quantizer = input_quantizer

    def apply(
        self, model: keras.Model, layer_quantize_map: dict[str, Any]
    ) -> tuple[keras.Model, dict[str, Any]]:
        # Told of no other layer, tfmot's own layout changes the input only.
        inputs: dict[str, Any] = {name: {} for name in model.input_names}
        default = _QUANT.default_8bit.Default8BitQuantizeLayoutTransform()
        with layers_of("float32"):
            model, _ = default.apply(model, inputs)
        model = keras.models.clone_model(model, clone_function=self._input)
        return model, {
            name: {"quantize_config": config} for name, config in self._configs.items()
        }

    def _input(self, layer: Any) -> Any:
        """Gives tfmot's input quantizer the given one; returns other layers as is."""
        if type(layer).__name__ != "QuantizeLayer":
            return layer
        # A fixed name: tfmot numbers these by process, and names identify weights.
        return type(layer)(self._input_quantizer(), name="quantize_input")


class _Registry(tfmot.quantization.keras.QuantizeRegistry):
    """Knows no layers: all configurations are given."""

    def supports(self, layer: Any) -> bool:
        return False

    def get_quantize_config(self, layer: Any) -> None:
        return None


class _Scheme(tfmot.quantization.keras.QuantizeScheme):
    """What `quantize_apply` asks for."""

    def __init__(
        self, configs: dict[str, Any], input_quantizer: Callable[[], Any]
    ) -> None:
        self._layout = _Layout(configs, input_quantizer)

    def get_layout_transformer(self) -> _Layout:
        return self._layout

    def get_quantize_registry(self) -> _Registry:
        return _Registry()
