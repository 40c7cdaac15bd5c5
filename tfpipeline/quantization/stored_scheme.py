"""How a scheme's models are stored: what is written beside the float architecture."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tfpipeline.compat import keras


@dataclasses.dataclass(frozen=True)
class StoredScheme:
    """One way to quantize, as `storage` writes and reads it.

    Attributes:
        name: in architecture.json.
        options: of a quantization-aware model of the scheme, what `build` needs
            besides, as JSON values; `None` for models of other schemes.
        build: (float model, options) -> a model of the scheme; raises AttributeError,
            KeyError, TypeError, UsageError or QuantizationError for other options.
    """

    name: str
    options: Callable[[keras.Model], dict[str, Any] | None]
    build: Callable[[keras.Model, dict[str, Any]], keras.Model]
