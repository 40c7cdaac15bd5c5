"""A detector's loss in TensorFlow beside that in NumPy, and its crops."""

import io

import numpy as np
import pytest
from PIL import Image

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import boxed_pictures, parts, splits
from tfpipeline.detection import branches, layout, losses, objects, targets
from tfpipeline.tasks import detection, head, kind
from tfpipeline.training.tasks import detection as trained
from tfpipeline.training.tasks import supervised

MAPS = layout.Layout(
    32,
    32,
    (branches.Branch(4, 1.5, 8, 16), branches.Branch(8, 3.5, 16, 32)),
    ((8, 8), (4, 4)),
)
IMAGES = 5


def objective(**options):
    return kind.Objective(
        detection.KIND,
        head.Head((2,), layout=MAPS, outputs=4),
        kind.Data((32, 32, 3), has_boxes=True),
        kind.Options(**options),
    )


def rows(boxes, ignored=()):
    which = np.isin(np.arange(len(boxes)), ignored)
    return objects.rows(np.array(boxes, np.float32).reshape(-1, 4), which, 2.0)


EXAMPLES = objects.joined(
    [
        rows([(3, 4, 15, 16)]),
        rows([(1, 1, 25, 28), (20, 20, 30, 30)]),
        rows([(1, 1, 25, 28), (20, 20, 30, 30)], ignored=[0]),
        rows([]),
        # Gray for both branches, or for one.
        rows([(2, 2, 9, 9), (10, 10, 27, 27)]),
    ],
    2,
)


@pytest.mark.parametrize("chosen", [range(IMAGES), [3]], ids=["objects", "none"])
def test_the_loss_is_that_of_numpy(chosen):
    random = np.random.default_rng(0)
    outputs = random.normal(0, 2, (IMAGES, MAPS.num_values)).astype(np.float32)[chosen]
    expected = [detection.assign(each, MAPS) for each in EXAMPLES[chosen]]
    parts, start = [], 0
    for shape in ((8, 8, 2), (8, 8, 4), (4, 4, 2), (4, 4, 4)):
        size = int(np.prod(shape))
        parts.append(outputs[:, start : start + size].reshape(-1, *shape))
        start += size
    wanted = [
        {
            name: np.stack([getattr(each[branch], name) for each in expected])
            for name in ("state", "boxes", "has_box")
        }
        for branch in range(2)
    ]
    found, sums = trained.loss(
        [tf.constant(part) for part in parts],
        tf.nest.map_structure(tf.constant, wanted),
        objective(box_weight=3.0),
    )
    assert float(found) == pytest.approx(
        losses.total(outputs, expected, MAPS, 3.0), rel=1e-5
    )
    cells = sum(int((x["state"] == targets.OBJECT).sum()) for x in wanted)
    assert int(sums["cells"]) == cells
    assert 0 <= int(sums["found"]) <= cells


def _picture():
    stream = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(stream, "PNG")
    boxes = np.array([[10, 10, 30, 34]], np.float32)
    data = stream.getvalue()
    return boxed_pictures.Picture("p", data, "", 64, 64, boxes, np.array([False]))


def _dataset():
    split = splits.Split(np.zeros((6, 32, 32, 3), np.uint8), np.zeros((6, 1, 6), "f"))
    return splits.Dataset(
        "drawn",
        (),
        split,
        split,
        split,
        np.arange(6),
        np.arange(6),
        pictures=(_picture(),) * 6,
    )


def _config(batch_size=4, **augmentation):
    return supervised.Config(
        batch_size,
        recipe.Augmentation(**augmentation),
        objective(crops_per_picture=2),
    )


def test_epochs_are_functions_of_their_numbers():
    epochs, steps = trained.epochs(_config(color_jitter=0.2), _dataset(), 5)
    assert steps == 3

    def batches(number):
        return [
            np.concatenate([x.numpy().astype("f").reshape(-1) for x in nest])
            for nest in map(tf.nest.flatten, epochs(number).batches(parts.WHOLE))
        ]

    first, again, other = batches(1), batches(1), batches(2)
    assert len(first) == 3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    images, wanted = next(iter(epochs(0).batches(parts.WHOLE)))
    assert images.shape == (4, 32, 32, 3)
    assert [each["state"].shape[1:] for each in wanted] == [(8, 8), (4, 4)]


def test_what_moves_pictures_alone_is_refused():
    with pytest.raises(errors.UsageError, match="--rotation move pictures without"):
        trained.epochs(_config(rotation=5.0), _dataset(), 0)
    with pytest.raises(errors.TrainingError, match="larger than the 12 crops"):
        trained.epochs(_config(batch_size=64), _dataset(), 0)
