"""The trained-like networks of the quantization tests."""

from tests.quantization.conftest import build, images, prepared

__all__ = ["build", "images", "prepared"]
