"""What lives during a span, against asking everything."""

import hypothesis
from hypothesis import strategies as st

from tfpipeline.cost import alive

_SPANS = st.tuples(st.integers(-1, 9), st.integers(0, 9)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)


@hypothesis.given(st.lists(_SPANS, max_size=12), _SPANS)
def test_equals_asking_everything_and_tells_each_once(spans, asked):
    things = alive.Alive()
    for number, span in enumerate(spans):
        things.add(number, *span)
    first, last = asked
    expected = [
        number
        for number, (begin, end) in enumerate(spans)
        if begin <= last and first <= end
    ]
    assert sorted(things.during(first, last)) == expected


def test_asking_adds_nothing():
    things = alive.Alive()
    things.add("a", 0, 1)
    assert things.during(5, 9) == []
    assert things.during(1, 1) == ["a"]
