"""A plan of the arena as text: who lies where while each layer runs, and three peaks.

Reading the map: one line a time, one column a share of the arena, offset 0 to the left.
A buffer is drawn as its sign in the legend, at least one column wide; `.` is free.
"""

import collections
import dataclasses
import string
from collections.abc import Mapping, Sequence

from tfpipeline import errors
from tfpipeline.cost import arena_planner, greedy_planner, liveness, memory_plan

DEFAULT_COLUMNS = 64

# Signs of buffers in their order; further ones share the last.
_SIGNS = string.digits + string.ascii_lowercase + string.ascii_uppercase
_MANY = "*"
_FREE = "."


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The lower bound in bytes, our plan and TFLite Micro's for the same buffers."""

    bound_bytes: int
    ours: memory_plan.Plan
    greedy: memory_plan.Plan


def compare(buffers: Sequence[liveness.Buffer]) -> Comparison:
    """Plans `buffers`, in the file's order of tensors, both ways."""
    return Comparison(
        bound_bytes=liveness.lower_bound_bytes(buffers),
        ours=arena_planner.plan_arena(buffers),
        greedy=greedy_planner.plan_greedily(buffers),
    )


def format_peaks(comparison: Comparison) -> str:
    """Writes bound and peaks below each other, in bytes, KiB and % over the bound."""
    bound = comparison.bound_bytes
    lines = [
        f"{'activation memory':<20}{'bytes':>12}{'KiB':>10}  over the bound",
        f"{'lower bound':<20}{bound:>12,}{bound / 1024:>10.1f}",
    ]
    for plan in (comparison.ours, comparison.greedy):
        peak = plan.peak_bytes
        over = 100 * (peak - bound) / bound if bound else 0.0
        note = "  (proven smallest)" if plan.is_optimal else ""
        lines.append(
            f"{plan.planner:<20}{peak:>12,}{peak / 1024:>10.1f}  {over:+.1f} %{note}"
        )
    return "\n".join(lines)


def format_map(
    plan: memory_plan.Plan,
    step_names: Sequence[str],
    *,
    columns: int = DEFAULT_COLUMNS,
) -> str:
    """Draws the arena while each operator runs, and a legend.

    Args:
        plan: what to draw.
        step_names: the operators in their order of execution; time 0, before the first
            operator, is called `(input)`.
        columns: width of the drawn arena.

    Raises:
        UsageError: fewer steps than the buffers' times, or no columns.
    """
    names = ("(input)", *step_names)
    live = liveness.live_bytes(plan.buffers)
    if len(live) > len(names) or columns < 1:
        raise errors.UsageError(
            f"a map needs a column or more and one step for each time after 0: "
            f"{max(len(live) - 1, 0)} steps. Received: {columns} columns and "
            f"{len(step_names)} steps"
        )
    width = max(map(len, names))
    # Not asked of the plan for every row: it looks at all buffers.
    peak = plan.peak_bytes
    alive = _alive(plan)
    lines = [f"{plan.planner}: {peak:,} bytes"]
    for time, name in enumerate(names):
        size = live[time] if time < len(live) else 0
        row = _draw(alive[time], peak, columns)
        lines.append(f"{time:>4} {name:<{width}} {size:>11,}  {row}")
    lines += ["", f"sign {'offset':>11} {'bytes':>11}  times      buffer"]
    for index, (buffer, offset) in enumerate(
        zip(plan.buffers, plan.offsets, strict=True)
    ):
        times = f"{buffer.first_use}-{buffer.last_use}"
        lines.append(
            f"{_sign(index):>4} {offset:>11,} {buffer.aligned_bytes:>11,}  {times:<9}  "
            f"{buffer.name}"
        )
    return "\n".join(lines)


# Bytes, offset and number of a buffer.
_Bar = tuple[int, int, int]


def _alive(plan: memory_plan.Plan) -> Mapping[int, list[_Bar]]:
    """What is alive at each time, told once: a row that asks all is quadratic."""
    alive: dict[int, list[_Bar]] = collections.defaultdict(list)
    pairs = zip(plan.buffers, plan.offsets, strict=True)
    for index, (buffer, offset) in enumerate(pairs):
        for time in range(buffer.first_use, buffer.last_use + 1):
            alive[time].append((buffer.aligned_bytes, offset, index))
    return alive


def _draw(alive: Sequence[_Bar], peak: int, columns: int) -> str:
    row = [_FREE] * columns
    # Small ones last, so that none of them disappears below a large neighbor.
    for size, offset, index in sorted(alive, reverse=True):
        start = offset * columns // peak
        end = max(start + 1, (offset + size) * columns // peak)
        row[start:end] = _sign(index) * (end - start)
    return "".join(row)


def _sign(index: int) -> str:
    return _SIGNS[index] if index < len(_SIGNS) else _MANY
