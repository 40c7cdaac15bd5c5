"""Integers against the fake-quantized network that they were trained as."""

import math

import numpy as np

from tfpipeline import errors
from tfpipeline.tasks import kind as kinds

DEFAULT_TOLERANCE_POINTS = 0.5
MIN_TOLERANCE_IMAGES = 2


def require(
    who: str,
    outputs: kinds.FloatArray,
    examples: kinds.Examples,
    fake_quantized: kinds.FloatArray,
    objective: kinds.Objective,
    tolerance_points: float = DEFAULT_TOLERANCE_POINTS,
    near: float | kinds.FloatArray = 0.0,
) -> None:
    """Checks that an integer network is as good as its fake-quantized form.

    Args:
        who: what computed `outputs`, for the message.
        outputs: real numbers [N, ...].
        examples: as many.
        fake_quantized: [N, ...] on the same examples.
        objective: of the run.
        tolerance_points: of answers, percentage points that may lie between the two
            shares of right ones; two are always allowed. It is not zero because the
            fake-quantized network rounds in float: each integer operator may differ
            from it by 1 LSB, and an example whose two best classes are that close may
            change its class. Of values, the mean squared difference in percent of the
            variance of the fake-quantized ones.
        near: how far apart single outputs may be. Examples all of whose outputs are as
            near to the fake-quantized ones count as those: what they answer hangs on
            rounding, of a network that is hardly trained often.

    Raises:
        VerificationError: they lie further apart; names both.
    """
    if objective.kind.decide is None:
        for ours, theirs in zip(
            _parts(outputs, objective), _parts(fake_quantized, objective), strict=True
        ):
            _require_values(who, ours, theirs, tolerance_points)
    if objective.kind.decide is not None or objective.kind.hits is not None:
        _require_hits(
            who,
            _rounded_alike(outputs, fake_quantized, near),
            examples,
            fake_quantized,
            objective,
            tolerance_points,
        )


def _rounded_alike(
    outputs: kinds.FloatArray,
    fake_quantized: kinds.FloatArray,
    near: float | kinds.FloatArray,
) -> kinds.FloatArray:
    """`outputs`, but the fake-quantized ones where all of a row are near to them."""
    expected = fake_quantized.reshape(outputs.shape)
    is_near = (np.abs(outputs - expected) <= near).all(axis=-1, keepdims=True)
    return np.where(is_near, expected, outputs)


def require_same(
    split: str,
    integers: kinds.FloatArray,
    fake_quantized: kinds.FloatArray,
    objective: kinds.Objective,
    step: float | kinds.FloatArray,
) -> None:
    """Checks that exact integers answer what the fake-quantized network does.

    Args:
        split: for the message.
        integers: real numbers [N, ...].
        fake_quantized: likewise.
        objective: of the run.
        step: of the integers, as a real number; of each value where they differ.

    Raises:
        VerificationError: another answer, or a value that is another integer, for any
            example.
    """
    count = len(integers)
    if objective.kind.decide is None:
        differences = np.abs(integers - fake_quantized.reshape(integers.shape))
        # Both stand for whole steps.
        other = (differences / step).reshape(count, -1).max(axis=1) >= 0.5
        what = "value"
    else:
        decided = objective.kind.decide(integers, objective)
        expected = objective.kind.decide(fake_quantized, objective)
        other = (decided != expected).reshape(count, -1).any(axis=1)
        what = "class" if objective.kind.name == "classification" else "answer"
    different = np.flatnonzero(other)
    if len(different):
        raise errors.VerificationError(
            f"the integer network predicts another {what} than the fake-quantized one "
            f"for {len(different)} of {count} {split} images, first for image "
            f"{different[0]}: this is a defect, please report it"
        )


def same_answers(
    outputs: kinds.FloatArray,
    fake_quantized: kinds.FloatArray,
    objective: kinds.Objective,
) -> float | None:
    """Share of equal answers; None where outputs are values."""
    if objective.kind.decide is None:
        return None
    decided = objective.kind.decide(outputs, objective)
    expected = objective.kind.decide(fake_quantized, objective)
    return float(np.mean(decided == expected))


def _require_hits(
    who: str,
    outputs: kinds.FloatArray,
    examples: kinds.Examples,
    fake_quantized: kinds.FloatArray,
    objective: kinds.Objective,
    tolerance_points: float,
) -> None:
    ours, theirs = (
        _hits(each, examples, objective) for each in (outputs, fake_quantized)
    )
    integer, fake, total, unit = ours.right, theirs.right, theirs.total, theirs.unit
    if not total:
        return
    allowed = max(math.floor(total * tolerance_points / 100), MIN_TOLERANCE_IMAGES)
    if abs(integer - fake) > allowed:
        raise errors.VerificationError(
            f"the integer network does not agree with its fake-quantized accuracy: "
            f"{who} {100 * integer / total:.2f} % ({integer} of {total} {unit}), "
            f"fake-quantized {100 * fake / total:.2f} % ({fake}); at most {allowed} "
            f"{unit} may differ ({tolerance_points} points)"
        )


def _hits(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> kinds.Hits:
    """How many answers are right."""
    kind = objective.kind
    if kind.hits is not None:
        return kind.hits(outputs, examples, objective)
    assert kind.decide is not None
    decided = kind.decide(outputs, objective)
    right = int(np.count_nonzero(decided == examples.targets))
    unit = "images" if decided.ndim == 1 else "answers"
    return kinds.Hits(right, decided.size, unit)


def _parts(
    outputs: kinds.FloatArray, objective: kinds.Objective
) -> list[kinds.FloatArray]:
    """Each output of a network for itself: their units differ."""
    layout = objective.head.layout
    if layout is None:
        return [outputs]
    return np.split(outputs, np.cumsum(layout.part_sizes)[:-1], axis=1)


def _require_values(
    who: str,
    outputs: kinds.FloatArray,
    fake_quantized: kinds.FloatArray,
    tolerance_points: float,
) -> None:
    expected = fake_quantized.astype(np.float64).reshape(len(fake_quantized), -1)
    differences = outputs.reshape(expected.shape) - expected
    error, variance = float(np.mean(np.square(differences))), float(np.var(expected))
    # Outputs that never change have no scale of their own; single outputs are
    # compared in steps of their integers elsewhere.
    if variance and error > variance * tolerance_points / 100:
        raise errors.VerificationError(
            f"the integer network does not agree with its fake-quantized values: the "
            f"mean squared difference of {who} is {100 * error / variance:.3g} % of "
            f"their variance; at most {tolerance_points} % may be"
        )
