"""The function that ends a network, told from its graph."""

import numpy as np
import pytest

from tests import graph_builder
from tfpipeline.tasks import head


@pytest.mark.parametrize(
    ("end", "function"),
    [
        (lambda b: None, "linear"),
        (lambda b: b.softmax(), "softmax"),
        (lambda b: b.activation("sigmoid"), "sigmoid"),
        (lambda b: b.activation("tanh"), "tanh"),
    ],
)
def test_the_last_function(end, function):
    builder = graph_builder.Builder((4, 4, 2))
    builder.dense(3)
    end(builder)
    found = head.of_graph(builder.build())
    assert (found.shape, found.function) == ((3,), function)


def test_sigmoid_and_softmax_of_huge_values():
    values = np.array([[-1e4, 0.0, 1e4]], np.float32)
    np.testing.assert_array_equal(head.sigmoid(values), [[0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(head.log_softmax(values), [[-2e4, -1e4, 0.0]])
