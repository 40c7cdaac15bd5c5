"""The last input, what a board says of it and how fast, live in a terminal."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import rich.console
import rich.live
import rich.text

# Of a picture in the terminal: two rows of pixels are one of characters.
_COLUMNS = 48
_TOP = 3
_BLOCKS = " ▁▂▃▄▅▆▇█"

# Takes the input as the data set has it, real outputs, whether they are as simulated,
# how many answers there are, and answers a second.
Show = Callable[
    [npt.NDArray[np.generic], npt.NDArray[np.float32], bool, int, float], None
]


@contextlib.contextmanager
def live(
    names: Sequence[str], total: int, console: rich.console.Console | None = None
) -> Iterator[Show]:
    """Yields what shows an answer.

    Args:
        names: of the outputs' elements; may be empty.
        total: how many answers there will be.
        console: to draw on; None for standard error.
    """
    screen = console or rich.console.Console(stderr=True)
    with rich.live.Live(console=screen, auto_refresh=False) as shown:

        def show(
            stored: npt.NDArray[np.generic],
            outputs: npt.NDArray[np.float32],
            is_same: bool,
            done: int,
            rate: float,
        ) -> None:
            text = picture(stored) if _is_picture(stored) else curve(stored)
            text.append(f"\n{told(outputs, names)}\n")
            text.append(
                "as simulated" if is_same else "NOT AS SIMULATED",
                "green" if is_same else "bold red",
            )
            text.append(f", {done} of {total}, {rate:.1f} a second")
            shown.update(text, refresh=True)

        yield show


def told(outputs: npt.NDArray[np.float32], names: Sequence[str]) -> str:
    """The largest outputs, by name."""
    values = outputs.reshape(-1)
    chosen = np.argsort(-values, kind="stable")[:_TOP]
    fits = len(names) == len(values)
    return ", ".join(
        f"{names[index] if fits else index} {values[index]:.4g}" for index in chosen
    )


def picture(stored: npt.NDArray[np.generic]) -> rich.text.Text:
    """A picture `[height, width, 1 or 3]` in half blocks, reduced to the terminal."""
    step = -(-stored.shape[1] // _COLUMNS)
    pixels = _bytes(stored[::step, ::step])
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    text = rich.text.Text()
    for row in range(0, len(pixels), 2):
        for upper, lower in zip(pixels[row], pixels[row + 1], strict=True):
            text.append("▀", f"{_color(upper)} on {_color(lower)}")
        text.append("\n")
    return text


def curve(stored: npt.NDArray[np.generic]) -> rich.text.Text:
    """The first column of a window, or all values, as blocks of eight heights."""
    values = np.asarray(stored, np.float64)
    values = values.reshape(len(values), -1)[:, 0] if values.ndim > 1 else values
    values = values[:: -(-len(values) // _COLUMNS)]
    low, high = float(values.min()), float(values.max())
    steps = (values - low) / ((high - low) or 1.0) * (len(_BLOCKS) - 1)
    return rich.text.Text("".join(_BLOCKS[round(each)] for each in steps) + "\n")


def _is_picture(stored: npt.NDArray[np.generic]) -> bool:
    return stored.ndim == 3 and stored.shape[2] in (1, 3) and min(stored.shape[:2]) > 1


def _bytes(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Three colors of 0 to 255, whatever the range."""
    if pixels.dtype != np.uint8:
        values = np.asarray(pixels, np.float64)
        low, high = values.min(), values.max()
        pixels = ((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    found: npt.NDArray[np.uint8] = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return found


def _color(pixel: npt.NDArray[np.uint8]) -> str:
    return "#" + "".join(f"{int(each):02x}" for each in pixel)
