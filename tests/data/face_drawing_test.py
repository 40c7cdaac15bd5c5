import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.data import face_drawing

AXIS = np.arange(160, dtype=np.float32) + 0.5


def _view(roll: float = 0.0, yaw: float = 0.0, pitch: float = 0.0) -> face_drawing.View:
    return face_drawing.View(
        center_x=78.3,
        center_y=81.6,
        half_height=40.0,
        roll=roll,
        yaw=yaw,
        pitch=pitch,
        light=np.array((0.0, -0.6, 0.8), np.float32),
        brightness=1.0,
        contrast=0.4,
        smile=0.3,
        gaze=0.0,
        clothes=np.array((0.2, 0.3, 0.6), np.float32),
    )


def _identity(number: int) -> face_drawing.Identity:
    return face_drawing.draw_identity(np.random.default_rng(number))


def _draw(
    identity: face_drawing.Identity, view: face_drawing.View
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return face_drawing.draw(identity, view, AXIS[None, :], AXIS[:, None])


@given(
    number=st.integers(0, 30),
    roll=st.floats(-1.0, 1.0),
    yaw=st.floats(-1.2, 1.2),
    pitch=st.floats(-0.4, 0.4),
)
@settings(max_examples=25, deadline=None)
def test_box_holds_the_head_and_fits_it(
    number: int, roll: float, yaw: float, pitch: float
) -> None:
    view, identity = _view(roll, yaw, pitch), _identity(number)
    colors, opacity, head = _draw(identity, view)
    rows, columns = np.nonzero(head > 0.5)
    drawn = np.array((rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))
    box = face_drawing.box(identity, view)
    # Rounding outward gives at most one pixel. The jaw, which the box leaves out of
    # account, takes up to a fifth of the width off the lower corners of a rolled head.
    slack = 2 + 8 * abs(np.sin(roll))
    assert (drawn[:2] - box[:2] >= -1).all()
    assert (drawn[2:] - box[2:] <= 1).all()
    assert np.abs(drawn - box).max() <= slack
    assert np.isfinite(colors).all()
    assert (opacity >= head).all()


def test_views_of_one_person_are_more_alike_than_persons() -> None:
    identities = [_identity(number) for number in range(8)]
    means = np.array(
        [
            [
                (colors * head[..., None]).sum((0, 1)) / head.sum()
                for yaw in (-0.3, 0.0, 0.3)
                for colors, _, head in [_draw(identity, _view(yaw=yaw))]
            ]
            for identity in identities
        ]
    )
    within = means.std(axis=1).mean()
    between = means.mean(axis=1).std(axis=0).mean()
    assert between > 3 * within


def test_yaw_moves_the_features_sideways() -> None:
    # Only the mouth is colored, on an otherwise even face.
    plain = dataclasses.replace(
        _identity(0),
        hairline=-3.0,
        hair_length=-3.0,
        beard=0.0,
        has_glasses=False,
        skin=np.zeros(3, np.float32),
        lips=np.ones(3, np.float32),
    )
    columns = []
    for yaw in (-0.5, 0.0, 0.5):
        colors, _, head = _draw(plain, _view(yaw=yaw))
        mouth = colors[95:112].max(-1) * head[95:112]
        columns.append((mouth * AXIS).sum() / mouth.sum())
    assert columns[0] != columns[1] != columns[2]
    assert abs(columns[2] - columns[0]) > 15
    assert (columns[0] - columns[1]) * (columns[2] - columns[1]) < 0
