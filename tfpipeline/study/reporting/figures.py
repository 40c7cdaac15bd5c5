"""The figures of a study of number formats, each of plain arrays."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, figure, patches
from scipy import optimize

from tfpipeline.study.measures import agreement, curves, detections

Array = npt.NDArray[Any]

_TRUE, _FALSE, _MISSED = "tab:green", "tab:red", "tab:orange"


def boxes_side_by_side(
    picture: Array, formats: Mapping[str, detections.Image]
) -> figure.Figure:
    """A picture once for each format with its boxes and scores.

    Green boxes are of an object, red ones of none, dashed orange ones objects that were
    missed.

    Args:
        picture: uint8 [H, W, 3].
        formats: name -> what it found there.
    """
    height, width = picture.shape[:2]
    drawn = figure.Figure((4 * len(formats), 4 * height / width + 0.4))
    all_axes = drawn.subplots(1, len(formats), squeeze=False)[0]
    for axes, (name, image) in zip(all_axes, formats.items(), strict=True):
        axes.imshow(picture)
        is_false = detections.false_positives(image)
        for box, score, false in zip(image.boxes, image.scores, is_false, strict=True):
            color = _FALSE if false else _TRUE
            axes.add_patch(_rectangle(box, color, "-"))
            axes.text(box[0], box[1] - 2, f"{score:.2f}", color=color, fontsize=7)
        paired, _ = detections.pairs(image.truth, image.boxes)
        missed = image.counted
        missed[paired] = False
        for box in image.truth[missed]:
            axes.add_patch(_rectangle(box, _MISSED, "--"))
        axes.set_title(f"{name}: {len(image.boxes)} boxes, {is_false.sum()} false")
        axes.set_axis_off()
    drawn.tight_layout()
    return drawn


def false_positives(
    crops: Mapping[str, Sequence[Array]], most: int = 8
) -> figure.Figure:
    """What each format takes for an object, a row a format.

    Args:
        crops: name -> pictures uint8 [h, w, 3] of false boxes, the surest first.
        most: so many are shown of each.
    """
    drawn = figure.Figure((1.2 * most, 1.5 * len(crops)))
    grid = drawn.subplots(len(crops), most, squeeze=False)
    for row, (name, pictures) in zip(grid, crops.items(), strict=True):
        for place, axes in enumerate(row):
            axes.set_axis_off()
            if place < len(pictures):
                axes.imshow(pictures[place])
        row[0].set_title(f"{name}: {len(pictures)}", loc="left", fontsize=9)
    drawn.tight_layout()
    return drawn


def confidence_errors(formats: Mapping[str, detections.Comparison]) -> figure.Figure:
    """Relative errors of confidences, face by face, the largest (nearest) face first.

    Args:
        formats: name -> its comparison with the reference.
    """
    drawn = figure.Figure((7, 3.5))
    axes = drawn.subplots()
    for (name, comparison), marker in zip(formats.items(), _markers(), strict=False):
        errors = 100 * comparison.confidence_errors
        faces = np.arange(1, len(errors) + 1)
        axes.plot(faces, errors, marker, markersize=4, label=name)
    axes.set_xlabel("faces, the largest first")
    axes.set_ylabel("error of the confidence (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    drawn.tight_layout()
    return drawn


def heat_maps(
    formats: Mapping[str, Array], people: Sequence[str], reference: str
) -> figure.Figure:
    """Cosines of people and pictures in each format, and their change.

    Args:
        formats: name -> [K, M]; the reference is among them.
        people: K names.
        reference: what changes are counted from.
    """
    drawn = figure.Figure((3.6 * len(formats), 6.4), layout="constrained")
    grid = drawn.subplots(2, len(formats), squeeze=False)
    base = formats[reference]
    changes = {name: cosine - base for name, cosine in formats.items()}
    limit = max(float(np.abs(change).max()) for change in changes.values()) or 1.0
    for column, (name, cosine) in enumerate(formats.items()):
        upper = grid[0, column].imshow(cosine, vmin=-1, vmax=1, cmap="viridis")
        lower = grid[1, column].imshow(
            changes[name], vmin=-limit, vmax=limit, cmap="coolwarm"
        )
        grid[0, column].set_title(name)
        grid[1, column].set_title(f"{name} less {reference}")
        for axes in grid[:, column]:
            axes.set_aspect("auto")
            axes.set_xlabel("pictures")
            axes.set_yticks(range(len(people)), people if column == 0 else [], size=7)
    drawn.colorbar(upper, ax=grid[0].tolist(), label="cosine")
    drawn.colorbar(lower, ax=grid[1].tolist(), label="change")
    return drawn


def roc_curves(
    formats: Mapping[str, Array], same: npt.NDArray[np.bool_]
) -> figure.Figure:
    """ROC of each format, with a logarithmic axis of false accepts.

    Args:
        formats: name -> scores [M], higher for what is more alike.
        same: bool [M].
    """
    drawn = figure.Figure((5.5, 4.5))
    axes = drawn.subplots()
    least = 1 / int((~same).sum())
    for name, scores in formats.items():
        false_rates, true_rates, _ = curves.roc(scores, same)
        label = f"{name}: AUC {curves.area(scores, same):.4f}"
        axes.step(
            np.maximum(false_rates, least / 2), true_rates, where="post", label=label
        )
    axes.set_xscale("log")
    axes.set_xlim(least / 2, 1)
    axes.set_xlabel("false accept rate")
    axes.set_ylabel("true accept rate")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    drawn.tight_layout()
    return drawn


def sets(
    table: agreement.Agreement, first: str = "float", second: str = "int8"
) -> figure.Figure:
    """Two circles whose areas, and the area they share, are numbers of samples.

    Args:
        table: of both formats.
        first, second: their names.
    """
    sizes = table.both + table.only_a, table.both + table.only_b
    radii = [math.sqrt(size / math.pi) for size in sizes]
    distance = circle_distance(radii[0], radii[1], table.both)
    drawn = figure.Figure((6, 4))
    axes = drawn.subplots()
    colors = ("tab:blue", "tab:orange")
    names = (first, second)
    for x, radius, color in zip((0.0, distance), radii, colors, strict=True):
        axes.add_patch(patches.Circle((x, 0), radius, color=color, alpha=0.4))
    left = min(-radii[0], distance - radii[1])
    right = max(radii[0], distance + radii[1])
    top = 1.1 * max(radii)
    for x, name, size, color in zip((left, right), names, sizes, colors, strict=True):
        side = "left" if x == left else "right"
        axes.text(x, top, f"{name}: {size:,}", color=color, ha=side, weight="bold")
    axes.text(
        (distance + radii[0] - radii[1]) / 2, 0, f"{table.both:,} both", ha="center"
    )
    axes.text(left, -1.15 * top, f"only {first}: {table.only_a:,}", ha="left")
    axes.text(right, -1.15 * top, f"only {second}: {table.only_b:,}", ha="right")
    axes.set_xlim(left - 0.1 * top, right + 0.1 * top)
    axes.set_ylim(-1.3 * top, 1.2 * top)
    axes.set_aspect("equal")
    axes.set_axis_off()
    drawn.tight_layout()
    return drawn


def circle_distance(first: float, second: float, shared: float) -> float:
    """How far apart the centers of two circles are that share an area.

    Args:
        first, second: radii.
        shared: the area, at most that of the smaller circle.
    """
    low, high = abs(first - second), first + second
    if shared <= 0:
        return high
    if shared >= math.pi * min(first, second) ** 2 * (1 - 1e-12):
        return low
    return float(
        optimize.brentq(lambda d: lens_area(first, second, d) - shared, low, high)
    )


def lens_area(first: float, second: float, distance: float) -> float:
    """The area that two circles share, of radii whose centers are `distance` apart."""
    if distance >= first + second:
        return 0.0
    if distance <= abs(first - second):
        return math.pi * min(first, second) ** 2
    area = 0.0
    for radius, other in ((first, second), (second, first)):
        # From the center to the line through both crossings.
        reach = (distance**2 + radius**2 - other**2) / (2 * distance)
        share = min(1.0, max(-1.0, reach / radius))
        area += radius**2 * math.acos(share) - reach * math.sqrt(
            max(0.0, radius**2 - reach**2)
        )
    return area


def classified(
    samples: Sequence[tuple[Array, str, Mapping[str, str]]], columns: int = 4
) -> figure.Figure:
    """Pictures with what each format takes them for; wrong names are red.

    Args:
        samples: picture uint8 [h, w, 3], the true name, format -> its name.
        columns: pictures side by side.
    """
    rows = max(1, math.ceil(len(samples) / columns))
    lines = max((len(names) for _, _, names in samples), default=1)
    drawn = figure.Figure((2.4 * columns, rows * (2.2 + 0.22 * lines)))
    grid = drawn.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    for axes, (picture, truth, names) in zip(grid, samples, strict=False):
        axes.imshow(picture)
        axes.set_title(truth, fontsize=8)
        for line, (name, answer) in enumerate(names.items()):
            axes.text(
                0.5,
                -0.04 - 0.1 * line,
                f"{name}: {answer}",
                color=_TRUE if answer == truth else _FALSE,
                fontsize=7,
                ha="center",
                va="top",
                transform=axes.transAxes,
            )
    drawn.tight_layout()
    return drawn


def masks_side_by_side(
    samples: Sequence[tuple[Array, Mapping[str, Array]]], classes: int, ignored: int
) -> figure.Figure:
    """Pictures, a row each, with the classes that each format gives their pixels.

    Args:
        samples: picture uint8 [h, w, 3], name -> uint8 [H, W] class numbers.
        classes: how many there are.
        ignored: the number of what does not count; white.
    """
    columns = 1 + len(samples[0][1])
    drawn = figure.Figure((1.4 * columns, 1.6 * len(samples)), layout="constrained")
    grid = drawn.subplots(len(samples), columns, squeeze=False)
    colors = colormaps["tab10" if classes <= 10 else "tab20"]
    for row, (picture, masks) in zip(grid, samples, strict=True):
        for axes in row:
            axes.set_axis_off()
        row[0].imshow(picture)
        for axes, (name, mask) in zip(row[1:], masks.items(), strict=True):
            painted = colors(mask % colors.N)[..., :3]
            axes.imshow(np.where((mask == ignored)[..., None], 1.0, painted))
            axes.set_title(name, fontsize=8)
    return drawn


def _rectangle(box: Array, color: str, line: str) -> patches.Rectangle:
    x1, y1, x2, y2 = (float(each) for each in box)
    return patches.Rectangle(
        (x1, y1), x2 - x1, y2 - y1, fill=False, color=color, linestyle=line
    )


def _markers() -> tuple[str, ...]:
    return ("o-", "s-", "^-", "D-", "v-", "P-", "X-", "*-")
