"""Losses of descriptors against their definitions, and ArcFace's recorded numbers."""

import json
import math
import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.compat import tf
from tfpipeline.training import embedding_losses

# float32 against float64, over sums of at most a hundred terms.
_RELATIVE = 1e-5


def _lifted_by_definition(rows, labels, margin):
    """Equation (4) of the paper, pair by pair, in float64."""
    rows = rows.astype(np.float64)
    count = len(rows)

    def distance(i, j):
        return math.sqrt(sum((rows[i] - rows[j]) ** 2))

    def negatives(i):
        others = (k for k in range(count) if labels[k] != labels[i])
        return sum(math.exp(margin - distance(i, k)) for k in others)

    total, pairs = 0.0, 0
    for i in range(count):
        for j in range(i + 1, count):
            if labels[i] != labels[j]:
                continue
            pairs += 1
            summed = negatives(i) + negatives(j)
            if summed:
                total += max(0.0, math.log(summed) + distance(i, j)) ** 2
    return total / (2 * pairs) if pairs else 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=9),
    st.integers(0, 2**16),
    st.sampled_from([0.5, 1.0, 3.0]),
)
def test_lifted_structured_loss_is_its_definition(labels, seed, margin):
    rows = np.random.default_rng(seed).normal(size=(len(labels), 3))
    rows = rows.astype(np.float32)
    found = embedding_losses.lifted_structured(
        tf.constant(rows), tf.constant(labels), margin
    )
    expected = _lifted_by_definition(rows, labels, margin)
    np.testing.assert_allclose(float(found), expected, rtol=_RELATIVE, atol=1e-6)


def test_lifted_structured_loss_by_hand():
    # Two at 0, one stranger at 3: log(2 exp(1 - 3)) < 0, so nothing is left to push.
    # At 0.5 from them: J = log(2 exp(0.5)), a half of its square.
    rows, labels = np.zeros((3, 1), np.float32), tf.constant([7, 7, 8])
    for stranger, expected in ((3.0, 0.0), (0.5, (math.log(2) + 0.5) ** 2 / 2)):
        rows[2] = stranger
        found = embedding_losses.lifted_structured(tf.constant(rows), labels)
        np.testing.assert_allclose(float(found), expected, rtol=_RELATIVE, atol=1e-6)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 1]])
def test_equal_descriptors_and_missing_pairs_keep_gradients_finite(labels):
    rows = tf.Variable(np.ones((4, 5), np.float32))
    with tf.GradientTape() as tape:
        loss = embedding_losses.lifted_structured(rows, tf.constant(labels))
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, rows).numpy()).all()


def test_gradient_draws_pairs_together_and_strangers_apart():
    rows = tf.Variable([[0.0, 0.0], [1.0, 0.0], [0.4, 0.3]])
    with tf.GradientTape() as tape:
        loss = embedding_losses.lifted_structured(rows, tf.constant([0, 0, 1]))
    first, second, stranger = -tape.gradient(loss, rows).numpy()
    assert first[0] > 0 > second[0]
    assert stranger[1] > 0


@pytest.fixture(scope="module")
def golden():
    root = pathlib.Path(__file__).resolve().parents[2]
    shared = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", root.parent / "shared"))
    path = shared / "reference" / "cascade" / "arcface_golden.json"
    if not path.is_file():
        pytest.skip(f"no reference/cascade in {shared}; set TFPIPELINE_SHARED")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["hard", "easy"])
def test_margins_are_those_recorded(golden, kind):
    found = embedding_losses.angular_margin(
        tf.constant(golden["cos"], tf.float32)[:, None],
        tf.zeros(len(golden["cos"]), tf.int32),
        golden["m"],
        easy=kind == "easy",
    )
    # float32; near +-1 the sine is the root of a difference of nearly equal numbers.
    np.testing.assert_allclose(found[:, 0], golden[kind], atol=2e-6)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("loss_hard", {"margin": 0.5}),
        ("loss_easy", {"margin": 0.5, "easy": True}),
        ("loss_softmax", {"margin": 0.0}),
    ],
)
def test_losses_are_those_recorded(golden, key, options):
    batch = golden["batch"]
    found = embedding_losses.arcface(
        tf.constant(batch["cos"], tf.float32),
        tf.constant(batch["y"]),
        scale=golden["s"],
        **options,
    )
    np.testing.assert_allclose(float(found), batch[key], rtol=_RELATIVE)


def test_margin_is_added_to_the_angle_of_the_own_class_only():
    angles = np.array([[0.3, 1.2], [2.0, 0.1]])
    found = embedding_losses.angular_margin(
        tf.constant(np.cos(angles), tf.float32), tf.constant([1, 0]), 0.5, easy=False
    )
    expected = np.cos(angles + np.array([[0, 0.5], [0.5, 0]]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_margin_never_rises_with_the_angle():
    cosines = np.cos(np.linspace(0, np.pi, 500)).astype(np.float32)
    found = embedding_losses.angular_margin(
        tf.constant(cosines[:, None]), tf.zeros(500, tf.int32), 0.5, easy=False
    )
    assert (np.diff(found[:, 0]) <= 1e-6).all()


def test_gradient_of_the_margin_is_finite_at_both_ends():
    cosines = tf.Variable([[1.0, -1.0], [-1.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = embedding_losses.arcface(
            cosines, tf.constant([0, 0]), scale=8.0, margin=0.5
        )
    assert np.isfinite(tape.gradient(loss, cosines).numpy()).all()


def test_cosine_head_gives_cosines():
    tf.random.set_seed(0)
    head = embedding_losses.CosineHead(3)
    rows = tf.constant([[3.0, 4.0], [0.0, 0.0]])
    found = head(rows).numpy()
    kernel = head.kernel.numpy()
    expected = [0.6, 0.8] @ (kernel / np.linalg.norm(kernel, axis=0))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    assert found[1].tolist() == [0.0, 0.0, 0.0]
