"""Proof by trial that two networks compute the same, and a quantized one is its float.

tensorflow_model_optimization rewrites a network before it quantizes it, and has
exchanged inputs of a Concatenate doing so (its issues 1061 and 1179). What training
starts from is therefore compared with what it was made of, without any rounding.
"""

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import float_twin

# Random inputs in [-1, 1), and how many.
TRIALS = 16
_SEED = 0

TOLERANCE = 1e-4
"""Largest difference, as a part of the largest output: float32 in another order."""


def require_float_twin(qat_model: keras.Model, float_model: keras.Model) -> None:
    """Checks that a network with fake quantization is `float_model` without it.

    Args:
        qat_model: of any scheme, before any training.
        float_model: what it was made of.

    Raises:
        QuantizationError: rounding and clamps taken away, it computes something else.
    """
    require(float_twin.extract(qat_model), float_model)


def require(
    model: keras.Model, float_model: keras.Model, *, up_to_scale: bool = False
) -> None:
    """Checks that both compute the same of random inputs.

    Args:
        model: that was made of the other.
        float_model: the other.
        up_to_scale: each output of `model` may be larger or smaller by one factor.

    Raises:
        QuantizationError: a value differs by more than `TOLERANCE` of the largest of
            its output.
    """
    images = [_trials(tensor.shape[1:]) for tensor in float_model.inputs]
    computed, expected = (_outputs(each, images) for each in (model, float_model))
    for one, other in zip(computed, expected, strict=True):
        if up_to_scale and other.any():
            other = other * ((other @ one) / (other @ other))
        difference, largest = np.abs(one - other).max(), np.abs(other).max()
        # Not `>`: what is not finite is no proof either.
        if not difference <= TOLERANCE * largest:
            raise errors.QuantizationError(
                f"preparing model {float_model.name!r} for quantization-aware training "
                f"made another network of it: without rounding, outputs differ by up "
                f"to {difference:.3g}, of {largest:.3g}. This is a defect, please "
                "report it; layers in another order may help"
            )


def _trials(shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(_SEED)
    return random.uniform(-1, 1, (TRIALS, *shape)).astype(np.float32)


def _outputs(model: keras.Model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Each output as one row, float64."""
    results = model(images if len(images) > 1 else images[0], training=False)
    outputs = results if isinstance(results, (list, tuple)) else [results]
    return [np.ravel(output).astype(np.float64) for output in outputs]
