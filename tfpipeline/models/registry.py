"""Builds the networks of `specs` with fresh weights."""

import pkgutil
from collections.abc import Callable

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import specs

# Eight times the channels is 64 times the weights: 27 million of simplenet, far beyond
# any microcontroller.
_MAX_WIDTH = 8


def build(
    name: str,
    *,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    width: float = 1.0,
) -> keras.Model:
    """Builds the network called `name`, with fresh weights.

    Args:
      name: a key of `specs.MODELS`.
      input_shape: (height, width, channels); None for the network's own.
      num_classes: number of logits or of values, length of the descriptor or channels
        of a score; None for the network's own.
      batch_norm: BatchNormalization after each convolution, a training aid that is
        folded away before quantization; None for the network's own choice (all have
        it except FaceNet, whose published form has no convolution biases, and LFFD,
        which was published without).
      dropout: rate in [0, 1) at the network's dropout positions; None for its own.
      width: factor in (0, 8] on the channels of every layer but the last, rounded to
        the nearest integer, at least 1; 1 gives the published network.

    Returns:
      A functional Keras model from pixels in [-1, 127/128], float
      [batch, H, W, C], to what the `output` of its specification says, float32.

    Raises:
      errors.UsageError: an unknown name, or an option that does not fit the network.
    """
    spec = specs.named(name)
    shape = spec.input_shape if input_shape is None else tuple(input_shape)
    classes = spec.num_classes if num_classes is None else num_classes
    rate = spec.dropout if dropout is None else dropout
    _check_input_shape(spec, shape)
    if classes < 1:
        raise errors.UsageError(
            f"{name}: num_classes must be at least 1; found {classes}"
        )
    if not 0 <= rate < 1:
        raise errors.UsageError(f"{name}: dropout must be in [0, 1); found {rate}")
    if not 0 < width <= _MAX_WIDTH:
        raise errors.UsageError(
            f"{name}: width must be in (0, {_MAX_WIDTH}]; found {width}"
        )
    return function_of(spec)(
        shape,
        classes,
        batch_norm=spec.batch_norm if batch_norm is None else batch_norm,
        dropout=rate,
        width=width,
    )


def function_of(spec: specs.ModelSpec) -> Callable[..., keras.Model]:
    """The function that `spec` names, imported by now."""
    function: Callable[..., keras.Model] = pkgutil.resolve_name(
        f"{__package__}.{spec.function}"
    )
    return function


def _check_input_shape(spec: specs.ModelSpec, shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or any(not isinstance(n, int) or n < 1 for n in shape):
        raise errors.UsageError(
            f"{spec.name}: input_shape must be three positive integers (height, "
            f"width, channels); found {shape}"
        )
    if min(shape[:2]) < spec.min_side:
        raise errors.UsageError(
            f"{spec.name}: an input of {shape[0]}x{shape[1]} is too small for its "
            f"pools and strides; height and width must be at least {spec.min_side}"
        )
    if any(side % spec.multiple for side in shape[:2]):
        raise errors.UsageError(
            f"{spec.name}: height and width must be multiples of {spec.multiple}, or "
            f"its maps do not meet again; found {shape[0]}x{shape[1]}"
        )
