"""Tasks whose outputs are maps, boxes and masks, through whole runs."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from export.detection import beside
from tests.export.c import compiler
from tfpipeline.configs import images, network, quantization, recipe, run, task
from tfpipeline.data import catalog
from tfpipeline.detection import integer_decoding, layout
from tfpipeline.jobs import classifier
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference
from tfpipeline.training import checkpoints

pytestmark = pytest.mark.slow

SIDE = 48
_MAIN = """\
#include <stdio.h>
#include "lffd_mcu_2_boxes.h"

static int8_t l0[144 * 2], m0[144 * 4], l1[36 * 2], m1[36 * 4];

int main(void)
{
    int8_t const *const logits[] = {l0, l1};
    int8_t const *const maps[] = {m0, m1};
    static lffd_mcu_2_box boxes[LFFD_MCU_2_MOST_BOXES];
    while (fread(l0, sizeof l0, 1, stdin) == 1 && fread(m0, sizeof m0, 1, stdin) == 1 &&
           fread(l1, sizeof l1, 1, stdin) == 1 && fread(m1, sizeof m1, 1, stdin) == 1) {
        const int32_t count = lffd_mcu_2_boxes(logits, maps, boxes);
        fwrite(&count, sizeof count, 1, stdout);
        fwrite(boxes, sizeof boxes[0], (size_t)count, stdout);
    }
    return 0;
}
"""


def _squares(folder, count=60):
    """Pictures with a bright square each, as COCO JSON and as masks."""
    random = np.random.default_rng(0)
    entries = []
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 90, (SIDE, SIDE, 3), np.uint8)
        side = int(random.integers(10, 30))
        x, y = (int(v) for v in random.integers(0, SIDE - side, 2))
        pixels[y : y + side, x : x + side] += 150
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[y : y + side, x : x + side] = 1
        Image.fromarray(pixels).save(folder / "images" / f"{number:03d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:03d}.png")
        entries.append([x, y, side, side])
    return entries


def _boxed(folder):
    entries = _squares(folder)
    names = [f"{number:03d}.png" for number in range(len(entries))]
    content = {
        "images": [
            {"id": i, "file_name": name, "width": SIDE, "height": SIDE}
            for i, name in enumerate(names)
        ],
        "categories": [{"id": 1, "name": "square"}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": box}
            for i, box in enumerate(entries)
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    for path in (folder / "masks").iterdir():
        path.unlink()
    (folder / "masks").rmdir()


def _config(folder, workdir, model, *, scheme="int8", export=(), **fields):
    return run.Run(
        images=images.Images(
            dataset=str(folder), reading=images.Reading(image_size=f"{SIDE},{SIDE}")
        ),
        network=network.Network(model=model, width=0.25),
        task=task.Task(box_weight=20.0, crops_per_picture=4),
        training=recipe.Training(epochs=6, precision="float32"),
        classes=run.Classes(batch_size=16),
        optimizer=recipe.Optimizer(learning_rate=0.01, weight_decay=0.0),
        quantization=quantization.Quantization(
            scheme=scheme,
            export=export,
            epochs=1,
            learning_rate_divisor=4.0,
            calibration_images=16,
            verification_images=256,
            **fields,
        ),
        workdir=str(workdir),
    )


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxed")
    _boxed(folder)
    return folder


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    _squares(folder)
    return folder


@compiler.needs_gcc
def test_a_detector_in_integers_and_its_boxes_in_c(tmp_path, boxed):
    config = _config(boxed, tmp_path / "run", "lffd_mcu_2")
    results = classifier.run(config)
    assert results["task"]["name"] == "detection"
    found = [row["test_ap50"] for row in results["accuracy"]]
    assert min(found) > 0.3
    place = tmp_path / "run" / "export" / "int8"
    (tmp_path / "main.c").write_text(_MAIN)
    program = compiler.compile_program(
        [place / "lffd_mcu_2_boxes.c", tmp_path / "main.c"],
        tmp_path / "program",
        f"-I{place}",
        *compiler.SANITIZERS,
    )
    model = (place / "model.tflite").read_bytes()
    dataset = catalog.load_flags(config.images, config.seed)
    inputs = (dataset.test.inputs.astype(np.float32) - 128) / 128
    outputs = interpreter.run(model, [reference.quantize_input(model, inputs)])
    given = b"".join(each[i].tobytes() for i in range(len(inputs)) for each in outputs)
    done = subprocess.run([program], input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    numbers = np.frombuffer(done.stdout, np.int32)
    decoder = beside.decoder(
        layout.from_dict(results["task"]["maps"]),
        "net",
        beside.outputs_of(flatbuffer.read(model)),
    )
    seen = 0
    for place in range(len(inputs)):
        logits, boxes = ([each[place] for each in outputs[i::2]] for i in (0, 1))
        corners, scores = integer_decoding.decode(decoder, logits, boxes)
        count, numbers = int(numbers[0]), numbers[1:]
        rows, numbers = numbers[: 5 * count].reshape(count, 5), numbers[5 * count :]
        np.testing.assert_array_equal(rows[:, :4], corners)
        np.testing.assert_array_equal(rows[:, 4], scores)
        seen += count
    assert seen > len(inputs) // 2
    assert not len(numbers)


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """Dark pictures with a bright square, their 2x2 blocks as channels."""
    random = np.random.default_rng(0)
    x = random.integers(0, 90, (60, 24, 24, 12), np.uint8)
    y = np.zeros((60, SIDE, SIDE), np.uint8)
    for picture, mask in zip(x, y, strict=True):
        row, column = 2 * random.integers(0, 12, 2)
        mask[row : row + 20, column : column + 20] = 1
        picture[mask[::2, ::2] == 1] += 150
    path = tmp_path_factory.mktemp("folded") / "squares.npz"
    np.savez(path, x=x, y=y)
    return path


@pytest.mark.parametrize(
    ("what", "model", "figure", "scheme"),
    [
        ("boxed", "lffd_mcu_2", "ap50", "max78000"),
        ("boxed", "lffd_mcu_2", "ap50", "gap8"),
        ("folded", "unet_mcu_folded", "mean_iou", "max78000"),
    ],
)
def test_chips_compute_the_maps_that_were_trained(
    tmp_path, request, what, model, figure, scheme
):
    data = request.getfixturevalue(what)
    config = _config(data, tmp_path / "run", model, scheme=scheme)
    if what == "folded":
        given = dataclasses.replace(config.images, reading=images.Reading())
        config = dataclasses.replace(config, images=given)
    results = classifier.run(config)
    rows = results["accuracy"]
    figure = f"test_{figure}"
    assert rows[3][figure] == pytest.approx(rows[2][figure], abs=1e-6)
    assert results["exports"][scheme]["fake_quantized"]["largest"] < 0.01


@pytest.mark.parametrize("what", ["boxed", "masked"])
def test_other_widths_of_a_tflite(tmp_path, request, what):
    model = {"boxed": "lffd_mcu_2", "masked": "unet_mcu"}[what]
    folder = request.getfixturevalue(what)
    results = classifier.run(
        _config(folder, tmp_path / "run", model, export=("int16x8", "int4"))
    )
    for name in ("int16x8", "int4"):
        assert results["exports"][name]["fake_quantized"]["images"] == 12


@pytest.mark.parametrize("what", ["boxed", "masked"])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, monkeypatch, request, what):
    model = {"boxed": "lffd_mcu_2", "masked": "unet_mcu"}[what]
    folder = request.getfixturevalue(what)
    whole = classifier.run(_config(folder, tmp_path / "whole", model))
    save, saved = checkpoints.save, []

    def killed(place, state):
        save(place, state)
        saved.append(place)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        classifier.run(_config(folder, tmp_path / "cut", model))
    resumed = classifier.run(_config(folder, tmp_path / "cut", model))
    assert len(saved) == 7
    assert resumed["accuracy"] == whole["accuracy"]
    for name in ("float/weights.npz", "qat/weights.npz"):
        with (
            np.load(tmp_path / "whole" / name) as left,
            np.load(tmp_path / "cut" / name) as right,
        ):
            for key in left.files:
                np.testing.assert_array_equal(left[key], right[key])
    if what == "masked":
        assert min(row["test_mean_iou"] for row in whole["accuracy"]) > 0.5
