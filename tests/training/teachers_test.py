"""Teachers: what is read as one, what it is asked, and that its answers are learned."""

import dataclasses

import numpy as np
import pytest

from tests.training.tasks import embedding_test, supervised_test
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor, recipe, run
from tfpipeline.configs import teacher as configs
from tfpipeline.data import lfw_people, parts, unlabeled
from tfpipeline.data.preprocessing import RAW, SIGNED
from tfpipeline.models import forms
from tfpipeline.pictures import png_images
from tfpipeline.quantization import storage
from tfpipeline.tasks import head
from tfpipeline.training import checkpoints, loop, objectives, teachers

_GENERATOR = np.random.default_rng(0)


def _network(side=4, channels=3, outputs=3, activation=None) -> keras.Model:
    """A linear network of pixels, in files of any form."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((side, side, channels)),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, activation=activation),
        ]
    )


def _pictures(count=7, side=4, channels=3):
    return _GENERATOR.integers(0, 256, (count, side, side, channels), np.uint8)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
@pytest.mark.parametrize("form", ["teacher.keras", "teacher.h5", "run"])
def test_a_file_and_a_run_are_teachers(form, tmp_path):
    model = _network()
    path = tmp_path / form
    if form == "run":
        functional = keras.Model(model.inputs, model.outputs)
        storage.save(functional, path / "float")
    else:
        model.save(path)
    asked = configs.OfClasses(str(path))
    pictures = _pictures()
    found = teachers.answers(teachers.load(asked.form), pictures, SIGNED)
    np.testing.assert_array_equal(found, model(SIGNED.real(pictures)).numpy())
    identity = run.Run(teacher=asked).identity()
    assert identity["teacher"] == ("a run" if form == "run" else form)
    assert len(identity["teacher_sha256"]) == 64


def test_what_cannot_teach_is_refused(tmp_path):
    for text, message in (
        ("cmsisnet", "must be trained"),
        (str(tmp_path), "holds no float network"),
        (str(tmp_path / "absent.h5"), "no file is called"),
    ):
        with pytest.raises(errors.UsageError, match=f"--teacher: .*{message}"):
            configs.OfClasses(text)
    with pytest.raises(errors.UsageError, match="--unlabeled goes with --teacher"):
        configs.OfDescriptors(unlabeled="folder")
    path = tmp_path / "two.keras"
    image = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(image)
    keras.Model(image, [flat, keras.layers.Dense(2)(flat)]).save(path)
    with pytest.raises(errors.UsageError, match=r"one output; it takes .* gives 2"):
        teachers.load(forms.find(str(path)))


def test_without_a_teacher_runs_are_the_same():
    for config in (run.Run(), descriptor.DescriptorRun()):
        assert not [name for name in config.identity() if name.startswith("teach")]


def test_pictures_get_the_size_and_the_channels_of_the_teacher():
    gray = np.full((2, 8, 8, 1), 60, np.uint8)
    model = _network()
    wide = np.full((2, 4, 4, 3), 60, np.float32)
    found = teachers.answers(model, gray, RAW)
    np.testing.assert_array_equal(found, model(wide).numpy())
    # A picture of a smaller size is the mean of what its pixels cover, nearly.
    fine = np.zeros((1, 8, 8, 3), np.uint8)
    fine[:, :, 4:] = 200
    coarse = np.zeros((1, 4, 4, 3), np.float32)
    coarse[:, :, 2:] = 200
    shrunk = teachers.answers(model, fine, RAW)
    exact = model(coarse).numpy()
    # The antialiasing filter reaches a pixel further.
    np.testing.assert_allclose(shrunk, exact, atol=0.2 * np.abs(exact).max())
    colors = _pictures(3)
    narrow = _network(channels=1)
    luma = colors @ np.array((0.299, 0.587, 0.114))
    # float32 against float64.
    np.testing.assert_allclose(
        teachers.answers(narrow, colors, RAW),
        narrow(luma[..., None].astype(np.float32)),
        rtol=1e-4,
        atol=1e-3,
    )


def test_the_mean_of_a_picture_and_its_mirror():
    model, pictures = _network(), _pictures(60)
    one, other = (
        teachers.answers(model, each, SIGNED)
        for each in (pictures, pictures[:, :, ::-1])
    )
    both = teachers.answers(model, pictures, SIGNED, mirrored=True)
    np.testing.assert_array_equal(both, (one + other) / np.float32(2))


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_probabilities_are_softened_whatever_ends_the_teacher(activation):
    pictures = _pictures(9)
    logits = _network()(SIGNED.real(pictures)).numpy().astype(np.float64)
    model = _network(activation=activation)
    found = teachers.of_classes(
        model,
        objectives.head_of(keras.Model(model.inputs, model.outputs)),
        pictures,
        SIGNED,
        configs.OfClasses(temperature=3.0),
        num_classes=3,
        mirrored=False,
    )
    expected = np.exp(logits / 3)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4)
    with pytest.raises(errors.UsageError, match="must give 4 logits"):
        teachers.of_classes(
            model,
            head.Head((3,)),
            pictures,
            SIGNED,
            configs.OfClasses(),
            num_classes=4,
            mirrored=False,
        )


def test_soft_targets_are_the_divergence_and_keep_the_gradients_size():
    logits = tf.constant(_GENERATOR.normal(size=(5, 3)), tf.float32)
    wanted = _GENERATOR.normal(size=(5, 3))
    for temperature in (1.0, 4.0):
        p = np.exp(wanted / temperature)
        p /= p.sum(axis=1, keepdims=True)
        q = np.exp(logits.numpy() / temperature)
        q /= q.sum(axis=1, keepdims=True)
        expected = temperature**2 * np.mean(np.sum(p * np.log(p / q), axis=1))
        with tf.GradientTape() as tape:
            tape.watch(logits)
            found = teachers.soft_targets(
                logits, tf.constant(p, tf.float32), temperature
            )
        assert float(found) == pytest.approx(expected, rel=1e-4)
        gradient = tape.gradient(found, logits).numpy()
        np.testing.assert_allclose(
            gradient, temperature * (q - p) / 5, rtol=1e-3, atol=1e-6
        )
        own = teachers.soft_targets(logits, tf.constant(q, tf.float32), temperature)
        assert float(own) == pytest.approx(0, abs=1e-5)
    # A class that the teacher is sure of leaves no 0 x log 0.
    sure = teachers.soft_targets(logits, tf.one_hot([0, 1, 2, 0, 1], 3), 1.0)
    assert np.isfinite(float(sure))


def test_cosines_and_distances_of_descriptors():
    ours = _GENERATOR.normal(size=(6, 5)).astype(np.float32)
    theirs = _GENERATOR.normal(size=(6, 5)).astype(np.float32)
    lengths = [np.linalg.norm(each, axis=1) for each in (ours, theirs)]
    expected = np.mean(1 - (ours * theirs).sum(axis=1) / lengths[0] / lengths[1])
    assert float(teachers.cosine(ours, theirs)) == pytest.approx(expected, rel=1e-5)

    def relative(values):
        distances = np.linalg.norm(values[:, None] - values[None], axis=2)
        return distances / distances.sum() * 30

    difference = np.abs(relative(ours) - relative(theirs))
    huber = np.where(difference <= 1, difference**2 / 2, difference - 0.5)
    found = float(teachers.relational(ours, theirs))
    assert found == pytest.approx(huber.sum() / 30, rel=1e-4)
    # The scale is the network's own, and so is the number of values.
    same = np.concatenate((ours * 3, np.zeros_like(ours)), axis=1)
    assert float(teachers.relational(ours, same)) == pytest.approx(0, abs=1e-9)


def _taught(weight=0.7, temperature=2.0) -> teachers.OfClasses:
    """A teacher who is sure of the class after the right one."""
    labels = supervised_test._dataset().train.targets
    sure = np.eye(3, dtype=np.float32)[(labels + 1) % 3]
    return teachers.OfClasses(0.97 * sure + 0.01, temperature, weight)


@pytest.mark.slow
def test_training_with_a_teacher_resumes_to_the_same_bits(tmp_path):
    config = supervised_test._config(
        augmentation=supervised_test._MIXED, taught=_taught()
    )
    stage = supervised_test._stage(epochs=2)
    whole, whole_result = supervised_test._train(stage, tmp_path / "whole", config)

    def kill(model):
        if checkpoints.load_newest(tmp_path / "cut" / "checkpoints"):
            raise supervised_test._Killed

    with pytest.raises(supervised_test._Killed):
        supervised_test._train(stage, tmp_path / "cut", config, after=kill)
    resumed, _ = supervised_test._train(stage, tmp_path / "cut", config)
    supervised_test._assert_equal(whole.get_weights(), resumed.get_weights())
    _, alone = supervised_test._train(
        stage, tmp_path / "alone", dataclasses.replace(config, taught=None)
    )
    assert whole_result.history[0]["loss"] != alone.history[0]["loss"]


@pytest.mark.slow
def test_a_teacher_with_all_of_the_weight_is_believed(tmp_path):
    config = supervised_test._config(
        augmentation=recipe.Augmentation(), taught=_taught(weight=1.0, temperature=1.0)
    )
    stage = supervised_test._stage(
        epochs=12, optimizer=recipe.Optimizer(learning_rate=0.02)
    )
    _, result = supervised_test._train(stage, tmp_path, config)
    # It says the wrong class each time.
    assert result.history[-1]["accuracy"] < 0.1
    assert result.history[-1]["val_accuracy"] < 0.1


def _of_descriptors(length, unlabeled_count=5) -> teachers.OfDescriptors:
    split = embedding_test._split()
    wanted = _GENERATOR.normal(size=(len(split) + unlabeled_count, length))
    wanted = (wanted / np.linalg.norm(wanted, axis=1, keepdims=True)).astype(np.float32)
    return teachers.OfDescriptors(
        wanted[: len(split)],
        _pictures(unlabeled_count, 8, 1),
        wanted[len(split) :],
        configs.OfDescriptors(unlabeled_per_batch=4),
    )


@pytest.mark.slow
@pytest.mark.parametrize("length", [9, 6])
def test_descriptors_of_a_teacher_and_pictures_of_nobody(length, tmp_path):
    config = embedding_test._config(taught=_of_descriptors(length))
    stage = embedding_test._stage(epochs=2)

    def train(folder, **options):
        network = embedding_test._network()
        model = embedding_test.descriptor_heads.with_head(
            network, 6, config.loss, config.teacher_length
        )
        # A layer of its own where lengths differ: the network's descriptors have 6.
        assert len(model.outputs) == (2 if length == 6 else 3)
        task = embedding_test.embedding.task(
            stage, config, embedding_test._split(), network, **options
        )
        (images, (labels, wanted)) = next(iter(task.epoch(0).batches(parts.WHOLE)))
        assert images.shape == (16, 8, 8, 1) and wanted.shape == (16, length)
        assert labels.numpy()[12:].tolist() == [-1] * 4
        assert labels.numpy()[:12].min() >= 0
        return loop.train(
            stage,
            model,
            task,
            strategy=tf.distribute.get_strategy(),
            folder=folder,
            reporter=embedding_test.progress.Progress(None, "float", 2),
        )

    whole = train(tmp_path / "whole")
    count = iter((0, 1))

    def kill():
        if next(count):
            raise KeyboardInterrupt
        return {"val_accuracy": 0.5}

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", validate=kill)
    resumed = train(tmp_path / "cut")
    embedding_test._assert_equal(whole.best_weights, resumed.best_weights)
    for record in whole.history:
        assert 0 <= record["accuracy"] <= 1


def test_pictures_without_labels_are_read_from_a_folder_or_an_array(tmp_path):
    pictures = _pictures(3, 8)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name, picture in zip(("b", "a", "deep/c"), pictures, strict=True):
        path = tmp_path / "folder" / f"{name}.png"
        path.write_bytes(png_images.write(picture))
    found = unlabeled.read(str(tmp_path / "folder"), 8)
    np.testing.assert_array_equal(found, pictures[[1, 0, 2]])
    path = tmp_path / "some.npz"
    np.savez(path, x=pictures, y=np.arange(3))
    np.testing.assert_array_equal(unlabeled.read(str(path), 8), pictures)
    np.savez(path, x=lfw_people.gray(pictures))
    gray = unlabeled.read(str(path), 4)
    assert gray.shape == (3, 4, 4, 3)
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    np.savez(path, x=pictures.astype(np.float32))
    with pytest.raises(errors.DataError, match="must hold one array of pictures"):
        unlabeled.read(str(path), 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.DataError, match="holds no picture"):
        unlabeled.read(str(tmp_path / "empty"), 4)
