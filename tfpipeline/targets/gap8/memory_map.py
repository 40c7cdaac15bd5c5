"""A plan of L2 as pictures: text, and SVG.

One line a step, offset 0 to the left. In text, a buffer is drawn as its sign in the
legend, weights as `#`, `.` is free; in SVG, each buffer has its color and a tooltip.
"""

import html
import string
from collections.abc import Iterable

from tfpipeline import errors
from tfpipeline.targets.gap8 import l2_plan, spec

DEFAULT_COLUMNS = 64

_SIGNS = string.digits + string.ascii_lowercase + string.ascii_uppercase
_MANY = "*"
_FREE = "."
_WEIGHTS = "#"

# Pixels of the SVG.
_WIDTH = 720
_ROW = 20
_TEXT = 200
_TOP = 56
# Fills of activations in turn; weights are gray.
_COLORS = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759"),
    *("#76b7b2", "#edc948", "#b07aa1", "#9c755f"),
)
_WEIGHT_COLOR = "#c7c7c7"


def to_text(plan: l2_plan.Plan, *, columns: int = DEFAULT_COLUMNS) -> str:
    """Draws L2 while each step runs, and a legend. No trailing newline.

    Args:
        plan: what to draw.
        columns: width of the drawn memory.

    Raises:
        UsageError: no columns.
    """
    if columns < 1:
        raise errors.UsageError(f"a map needs a column or more. Received: {columns}")
    names = [step.name for step in plan.net.steps]
    width = max(map(len, ("step", *names)))
    lines = [
        title(plan),
        f"{'step':<{width}} {'in use':>9}  0{plan.peak_bytes:>{columns - 1},}",
    ]
    numbers = {id(region): index for index, region in enumerate(plan.regions)}
    # Not asked of the plan for every row: it looks at all regions.
    peak = max(plan.peak_bytes, 1)
    for time, name in enumerate(names):
        bars = [(region, numbers[id(region)]) for region in plan.alive(time)]
        row = _draw(bars, peak, columns)
        lines.append(f"{name:<{width}} {plan.end(time):>9,}  {row}")
    lines += ["", f"sign {'offset':>9} {'bytes':>9}  steps    buffer"]
    for index, region in enumerate(plan.regions):
        if region.step is None:
            span = f"{region.buffer.first}-{region.buffer.last}"
            lines.append(
                f"{_sign(index):>4} {region.offset:>9,} {region.buffer.bytes:>9,}  "
                f"{span:<7}  {region.buffer.name}"
            )
    lines.append(f"{_WEIGHTS:>4} {'':>9} {'':>9}           weights and biases")
    return "\n".join([*lines, *remarks(plan)])


def title(plan: l2_plan.Plan) -> str:
    """The peak, where it is, and what the rule is, in a line."""
    return (
        f"L2 of {plan.net.name}, {plan.rule}, {plan.bits} bits: peak "
        f"{plan.peak_bytes:,} bytes = {plan.peak_bytes / 1024:.3f} KiB"
        + (f" at {plan.peak_step}" if plan.net.steps else "")
    )


def remarks(plan: l2_plan.Plan) -> list[str]:
    """What does not lie there whole: tiles, late loads, what does not fit."""
    found = [str(tiling) for tiling in plan.tilings]
    found += [
        f"the weights of '{name}' find no room before it runs: loaded then"
        for name in plan.late
    ]
    return found + [str(shortage) for shortage in plan.shortages]


def to_svg(plan: l2_plan.Plan) -> str:
    """Draws L2 while each step runs, as a stand-alone SVG document."""
    names = [step.name for step in plan.net.steps]
    scale = _WIDTH / max(plan.peak_bytes, 1)
    bottom = _TOP + _ROW * len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_TEXT + _WIDTH + 90}" '
        f'height="{bottom + 40}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{html.escape(title(plan))}</text>',
        f'<text x="{_TEXT}" y="40" fill="#555">color: activations; gray: weights and '
        "biases; KiB in use at the right</text>",
    ]
    for region in plan.regions:
        first, last = region.buffer.first, region.buffer.last
        color = _WEIGHT_COLOR
        if region.step is None:
            color = _COLORS[plan.regions.index(region) % len(_COLORS)]
        label = (
            f"{region.buffer.name}: {region.offset:,} to {region.end:,} "
            f"({region.buffer.bytes:,} bytes)"
        )
        parts.append(
            f'<rect x="{_TEXT + region.offset * scale:.2f}" y="{_TOP + _ROW * first}" '
            f'width="{region.buffer.bytes * scale:.2f}" '
            f'height="{_ROW * (last - first + 1)}" fill="{color}" stroke="white">'
            f"<title>{html.escape(label)}</title></rect>"
        )
    for time, name in enumerate(names):
        y = _TOP + _ROW * time + 14
        parts.append(
            f'<text x="{_TEXT - 8}" y="{y}" text-anchor="end">{html.escape(name)}'
            f'</text><text x="{_TEXT + _WIDTH + 8}" y="{y}" fill="#555">'
            f"{plan.end(time) / 1024:.1f}</text>"
        )
    parts += _axis(plan.peak_bytes, scale, bottom)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axis(peak: int, scale: float, bottom: int) -> list[str]:
    """Lines every 64 KiB, and at the end of L2 where the plan reaches it."""
    parts = []
    for offset in range(0, peak + 1, 64 * 1024):
        x = _TEXT + offset * scale
        color = "#d00" if offset == spec.L2_BYTES else "#999"
        parts.append(
            f'<line x1="{x:.2f}" y1="{_TOP - 4}" x2="{x:.2f}" y2="{bottom + 4}" '
            f'stroke="{color}" stroke-dasharray="2 4"/>'
            f'<text x="{x:.2f}" y="{bottom + 20}" text-anchor="middle">'
            f"{offset // 1024} KiB</text>"
        )
    return parts


def _draw(alive: Iterable[tuple[l2_plan.Region, int]], peak: int, columns: int) -> str:
    """The row of regions with their numbers."""
    row = [_FREE] * columns
    bars = [
        (each.buffer.bytes, each.offset, index, each.step is not None)
        for each, index in alive
    ]
    # Small ones last, so that none of them disappears below a large neighbor.
    for size, offset, index, is_weights in sorted(bars, reverse=True):
        start = offset * columns // peak
        end = max(start + 1, (offset + size) * columns // peak)
        row[start:end] = (_WEIGHTS if is_weights else _sign(index)) * (end - start)
    return "".join(row[:columns])


def _sign(index: int) -> str:
    return _SIGNS[index] if index < len(_SIGNS) else _MANY
