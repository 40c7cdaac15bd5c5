"""`python -m tfpipeline.study` with drawn networks and pictures, from end to end."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests import programs
from tfpipeline.compat import keras
from tfpipeline.pictures import png_images
from tfpipeline.study.measures import records

layers = keras.layers
ROOT = pathlib.Path(__file__).resolve().parents[2]


def draw(folder, names, seed, side=40):
    random = np.random.default_rng(seed)
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 120, (side, side, 3))
        pixels[place % 20 : place % 20 + 16, 8:28, place % 3] += 130
        (folder / name).write_bytes(png_images.write(pixels.astype(np.uint8)))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Networks with random weights, pictures of classes and of people, and others."""
    folder = tmp_path_factory.mktemp("study")
    keras.utils.set_random_seed(3)
    source = keras.Input((24, 24, 3))
    x = layers.Rescaling(1 / 128, -1)(source)
    x = layers.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    keras.Model(source, layers.Dense(3, activation="softmax")(x)).save(
        folder / "classifier.keras"
    )
    source = keras.Input((24, 24, 3))
    x = layers.Rescaling(1 / 128, -1)(source)
    x = layers.Flatten()(layers.Conv2D(4, 3, strides=3, activation="relu")(x))
    keras.Model(source, layers.Dense(8)(x)).save(folder / "verifier.keras")
    source = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 128, -1)(source)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    ends = []
    for _ in range(4):
        x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
        ends += [layers.Softmax()(layers.Conv2D(2, 1)(x)), layers.Conv2D(4, 1)(x)]
    keras.Model(source, ends).save(folder / "detector.keras")
    source = keras.Input((24, 24, 3))
    x = layers.Rescaling(1 / 128, -1)(source)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    keras.Model(source, layers.Conv2D(3, 1)(x)).save(folder / "segmenter.keras")
    draw(folder / "scenes", [f"images/{i}.png" for i in range(6)], 5)
    # As a set is often put together: of links to where the pictures are.
    (folder / "scenes" / "images" / "0.png").rename(folder / "0.png")
    (folder / "scenes" / "images" / "0.png").symlink_to(folder / "0.png")
    for i in range(6):
        mask = np.zeros((40, 40), np.uint8)
        mask[i : i + 20, 5:30] = 1 + i % 2
        mask[0] = 255
        path = folder / "scenes" / "masks" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(path)
    draw(folder / "classes", [f"{'abc'[i % 3]}/{i}.png" for i in range(24)], 1)
    draw(folder / "people", [f"p{i % 8}/{i}.png" for i in range(32)], 2)
    draw(folder / "others", [f"{i}.png" for i in range(8)], 4)
    return folder


def command(place, workdir, *flags):
    return (
        *(f"--calibration={place / 'others'}", f"--workdir={workdir}"),
        *("--resamples=20", *flags),
    )


def classifier(place, workdir, *flags):
    return command(
        place,
        workdir,
        *(f"--classifier={place / 'classifier.keras'}", f"--data={place / 'classes'}"),
        *flags,
    )


def segmenter(place, workdir, *flags):
    return command(
        place,
        workdir,
        *(f"--segmenter={place / 'segmenter.keras'}", f"--data={place / 'scenes'}"),
        *flags,
    )


def test_a_segmenters_masks_are_its_own(place, tmp_path):
    workdir = tmp_path / "w"
    done = programs.run(
        "tfpipeline.study", *segmenter(place, workdir, "--formats=float,int8,fixed16")
    )
    assert done.returncode == 0, done.stderr
    found = results(workdir)["results"]["segmenter"]
    assert list(found) == ["float", "int8", "fixed16"]
    model = keras.models.load_model(place / "segmenter.keras", compile=False)
    kept = records.read(workdir / "records" / "segmenter.float.npz")
    truth = records.read(workdir / "records" / "truth.npz")
    right = counted = 0
    for record, true in zip(kept, truth, strict=True):
        assert (record.sample, true.stage) == (true.sample, "truth/12x12")
        picture = Image.open(place / "scenes" / record.sample)
        inputs = np.asarray(picture.resize((24, 24), Image.Resampling.BILINEAR))
        expected = model(inputs[None].astype(np.float32)).numpy()[0].argmax(-1)
        np.testing.assert_array_equal(record.mask.reshape(12, 12), expected)
        mask = np.asarray(
            Image.open(place / "scenes" / record.sample.replace("images", "masks"))
        )
        nearest = mask[np.ix_(*[(np.arange(12) * 2 + 1) * 40 // 24] * 2)]
        np.testing.assert_array_equal(true.mask.reshape(12, 12), nearest)
        counted += int((nearest != 255).sum())
        right += int(((expected == nearest) & (nearest != 255)).sum())
    assert found["float"]["pixel_accuracy"] == pytest.approx(right / counted)
    assert "Masks by format" in (workdir / "report.html").read_text()


def test_what_a_segmenter_does_not_take_is_one_line(place, tmp_path):
    flags = segmenter(place, tmp_path / "w")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test").symlink_to(place / "scenes")
    classes = f"--segmenter={place / 'classifier.keras'}"
    for wrong, reason in (
        ((*flags, f"--data={tmp_path / 'data'}"), "give one of its parts: "),
        ((*flags, classes), "gives [3] a picture: a map of classes is"),
        (
            (*flags, f"--classifier={place / 'classifier.keras'}"),
            "--classifier is a study of its own: leave out --segmenter",
        ),
    ):
        done = programs.run("tfpipeline.study", *wrong)
        assert done.returncode != 0 and reason in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()[-1]) < 400


def results(workdir):
    return json.loads((workdir / "summary.json").read_text())


@pytest.mark.slow
def test_a_killed_study_goes_on_and_a_changed_flag_runs_what_it_changes(
    place, tmp_path
):
    workdir = tmp_path / "w"
    flags = classifier(place, workdir, "--formats=float,int8,int4,fixed16,max78000")
    program = (sys.executable, "-m", "tfpipeline.study", *flags)
    with subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        first = workdir / "records" / "classifier.float.npz"
        limit = time.monotonic() + 900
        while not first.exists() and running.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
    before = first.read_bytes()
    done = programs.run("tfpipeline.study", *flags)
    assert done.returncode == 0, done.stderr
    written = {path.name: path.read_bytes() for path in first.parent.iterdir()}
    assert written[first.name] == before
    # Stride 2 is not the MAX78000's: the cell says so, and the study goes on.
    refused = results(workdir)["refused"]
    assert list(refused) == ["classifier.max78000"] and "strid" in str(refused)
    assert "classifier.max78000.npz" not in written
    found = results(workdir)["results"]["classifier"]
    assert list(found) == ["float", "int8", "int4", "fixed16"]
    # 16 bits are the float network as far as one sees.
    assert found["fixed16"]["changed"] == 0
    again = programs.run("tfpipeline.study", *flags)
    lines = again.stdout.splitlines()[:5]
    assert all("is there already" in line for line in lines), lines
    changed = programs.run("tfpipeline.study", *flags, "--calibration_pictures=4")
    lines = [x for x in changed.stdout.splitlines() if x.startswith("classifier.")]
    ran = {line.split()[0] for line in lines if line.endswith("runs")}
    assert ran == {f"classifier.{n}" for n in ("int8", "int4", "fixed16", "max78000")}


@pytest.mark.slow
def test_calibration_is_apart_from_what_is_measured(place, tmp_path):
    flags = classifier(place, tmp_path / "w")
    done = programs.run(
        "tfpipeline.study", *flags, f"--calibration={place / 'classes'}"
    )
    assert done.returncode == 2 and "must be other pictures" in done.stderr


@pytest.mark.slow
def test_a_cascade_is_run_and_measured(place, tmp_path):
    workdir = tmp_path / "w"
    flags = command(
        place,
        workdir,
        *(f"--detector={place / 'detector.keras'}", "--crop=box:1.2"),
        *(f"--verifier={place / 'verifier.keras'}", f"--data={place / 'people'}"),
        *("--face_sizes=0,12", "--grid_sizes=12", "--threshold=0.05"),
    )
    done = programs.run("tfpipeline.study", *flags)
    assert done.returncode == 0, done.stderr
    found = results(workdir)["results"]
    assert {"verifier/float", "verifier/float/12", "verifier/int8/12"} <= set(found)
    assert "grid/int8/12" in found and "grid/int8/0" not in found
    cosines = found["verifier/float/12"]
    assert cosines["float"]["cosine_to_reference"] == pytest.approx(1)
    assert 0.9 < cosines["int8"]["cosine_to_reference"] < 1
    assert (workdir / "report.html").stat().st_size > 10_000
    # A program of a board gives its own descriptors.
    ours = records.read(workdir / "records" / "verifier.float.int8.npz")
    lines = [
        json.dumps(
            {
                **{"sample": each.sample, "format": "board", "stage": each.stage},
                "embedding": each.embedding.tolist(),
            }
        )
        for each in ours
    ]
    (workdir / "records" / "board.jsonl").write_text("\n".join(lines))
    again = programs.run("tfpipeline.study", *flags, "--measure_only")
    assert again.returncode == 0, again.stderr
    both = results(workdir)["results"]["verifier/float"]
    assert both["board"]["accuracy"] == both["int8"]["accuracy"]
