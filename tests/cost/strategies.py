"""Random buffers for the tests of the planners."""

from hypothesis import strategies

from tfpipeline.cost import liveness


@strategies.composite
def buffers(draw, max_count=24, max_units=64, max_time=12):
    """Buffers in random order, also of sizes that are not multiples of 16."""
    spans = draw(
        strategies.lists(
            strategies.tuples(
                strategies.integers(1, 16 * max_units),
                strategies.integers(0, max_time),
                strategies.integers(0, 4),
            ),
            max_size=max_count,
        )
    )
    return tuple(
        liveness.Buffer(f"b{i}", size, first, first + length)
        for i, (size, first, length) in enumerate(spans)
    )
