"""Test examples as small pictures: photographs, maps of numbers, lines."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import patches

from tfpipeline.report_pages import charts, page

# Rows and columns from which an array of numbers is a map of them, and no lines.
_LEAST_MAP = 8
_MOST_LINES = 6
_COLORS = "viridis"

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """Examples that the run kept.

    Attributes:
        by_position: position in the test split -> the example as it is stored.
    """

    by_position: Mapping[int, Array]

    def image(self, position: int, caption: str) -> page.Image | None:
        """The example as a picture; None where it was not kept."""
        example = self.by_position.get(position)
        return None if example is None else _drawn(example, caption)

    def gallery(self, captions: Sequence[tuple[int, str]]) -> tuple[page.Gallery, ...]:
        """The examples of these positions, as far as they were kept."""
        images = [self.image(position, caption) for position, caption in captions]
        kept = tuple(each for each in images if each is not None)
        return (page.Gallery(kept),) if kept else ()


def _drawn(example: Array, caption: str) -> page.Image:
    if example.dtype == np.uint8 and example.ndim == 3:
        pixels = example if example.shape[-1] in (1, 3) else example[..., :1]
        return page.picture(pixels, caption)
    flat = example[..., 0] if example.ndim == 3 else example
    if flat.ndim == 2 and min(flat.shape) >= _LEAST_MAP:
        # Time goes to the right, as people draw spectrograms.
        return page.picture(_colored(flat.T[::-1]), caption)
    values = flat.reshape(len(flat), -1) if flat.ndim > 1 else flat[:, None]
    return page.image(_lines(values), caption)


def _colored(values: Array) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] of numbers [H, W], the least dark, the largest bright."""
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / ((high - low) or 1.0)
    colored = matplotlib.colormaps[_COLORS](shares)[..., :3]
    pixels: npt.NDArray[np.uint8] = np.rint(255 * colored).astype(np.uint8)
    return pixels


def _lines(values: Array) -> Any:
    drawn = charts.new(2.2, 1.5)
    axes = drawn.subplots()
    for place in range(min(values.shape[1], _MOST_LINES)):
        axes.plot(values[:, place], color=charts.color(place), linewidth=0.9)
    axes.tick_params(labelsize=7, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn


def boxed(
    example: Array, truth: Sequence[Sequence[float]], found: Sequence[Sequence[float]]
) -> Any:
    """A picture with boxes: dashed what is there, full what was found with its score.

    Args:
        example: uint8 [H, W, 1 or 3].
        truth: x1, y1, x2, y2 of each object.
        found: the same with the score of each box.
    """
    height, width = example.shape[:2]
    drawn = charts.new(2.6, 2.6 * height / width)
    # The picture fills the figure: there is nothing to lay out.
    drawn.set_layout_engine("none")
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.imshow(example if example.shape[-1] == 3 else example[..., 0], cmap="gray")
    for box, color, line in (
        *((each, "#ffb000", "--") for each in truth),
        *((each, "#00d0ff", "-") for each in found),
    ):
        x1, y1, x2, y2 = box[:4]
        axes.add_patch(
            patches.Rectangle(
                (x1, y1), x2 - x1, y2 - y1, fill=False, color=color, linestyle=line
            )
        )
        if len(box) > 4:
            axes.text(x1, y1, f"{box[4]:.2f}", color=color, fontsize=7, va="bottom")
    axes.set_axis_off()
    return drawn
