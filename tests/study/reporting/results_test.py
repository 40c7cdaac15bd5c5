"""From records to the files of a study, without any network."""

import csv
import json

import numpy as np
import pytest

from tests import programs
from tfpipeline import errors
from tfpipeline.study.measures import records
from tfpipeline.study.reporting import segmentation
from tfpipeline.study.running import verifying

Record = records.Record


def write(folder, name, made):
    records.write(folder / "records" / name, made)


def measured(folder, *flags):
    """Runs the command on records that are there, and reads what it writes."""
    done = programs.run(
        "tfpipeline.study",
        *("--measure_only", f"--workdir={folder}", "--resamples=20", *flags),
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return summary["results"], rows, (folder / "report.html").read_text()


def classified(form, predictions, labels):
    return [
        Record(f"p{i}", form, "classifier", scores=np.eye(3)[p], label=int(label))
        for i, (p, label) in enumerate(zip(predictions, labels, strict=True))
    ]


@pytest.fixture
def network(tmp_path):
    """What the command line names; --measure_only does not read it."""
    path = tmp_path / "network.keras"
    path.write_bytes(b"not read")
    return path


def test_a_classifier(tmp_path, network):
    labels = np.arange(20) % 3
    other = np.where(np.arange(20) < 4, (labels + 1) % 3, labels)
    folder = tmp_path / "study"
    write(folder, "classifier.float.npz", classified("float", labels, labels))
    # As a microcontroller's program prints it.
    write(folder, "dump.jsonl", classified("board", other, labels))
    results, rows, page = measured(folder, f"--classifier={network}")
    assert results["classifier"]["float"]["top1"] == 1
    board = results["classifier"]["board"]
    assert board["top1"] == 0.8 and board["overlap"] == 0.8
    assert (board["only_a"], board["only_b"], board["changed"]) == (4, 0, 4)
    assert board["top1_low"] < 0.8 < board["top1_high"]
    [row] = [r for r in rows if (r["form"], r["metric"]) == ("board", "overlap")]
    assert row == {
        **{"study": "classification", "network": "classifier", "form": "board"},
        **{"metric": "overlap", "value": "0.8", "examples": "20", "seed": "0"},
    }
    assert "<svg" in page and "board" in page


def test_a_segmenter(tmp_path, network):
    folder = tmp_path / "study"
    truth = np.array([[0, 0, 1, 1], [2, 2, 255, 1]], np.uint8)
    said = {
        "float": truth.copy(),
        # 255 does not count, whatever is said there.
        "board": np.array([[0, 1, 1, 1], [2, 2, 0, 0]], np.uint8),
    }
    said["float"][1, 2] = 1
    names = ("a.png", "b.png", "c.png")
    masks = {("truth", "truth/2x4"): truth}
    masks |= {(form, "segmenter"): mask for form, mask in said.items()}
    for (form, stage), mask in masks.items():
        of_form = [Record(n, form, stage, mask=mask.reshape(-1)) for n in names]
        write(folder, f"{form}.npz", of_form)
    results, _, page = measured(folder, f"--segmenter={network}")
    found = results["segmenter"]
    assert found["float"]["mean_iou"] == found["float"]["pixel_accuracy"] == 1
    # By hand: class 0 has 1 of {0, 0, the last}, class 1 two of four, class 2 both.
    board = found["board"]
    assert board["mean_iou"] == pytest.approx((1 / 3 + 2 / 4 + 1) / 3)
    assert board["mean_iou_change"] == pytest.approx(board["mean_iou"] - 1)
    assert board["pixel_accuracy"] == pytest.approx(5 / 7)
    assert (board["only_a"], board["changed"], board["samples"]) == (6, 6, 21)
    assert "mIOU" in page and "61.1 %" in page


@pytest.mark.parametrize(
    ("stage", "pixels", "reason"),
    [
        ("truth/2x2", 3, "has 3 pixels, and the true masks 2x2"),
        ("truth/2by2", 4, "truth/HEIGHTxWIDTH. Received: '2by2'"),
        ("truths", 4, "the true masks must be of one size"),
    ],
)
def test_masks_that_do_not_go_together(stage, pixels, reason):
    mask = np.zeros(4, np.uint8)
    found = [
        Record("a", "truth", stage, mask=mask),
        Record("a", "float", "segmenter", mask=mask[:pixels]),
    ]
    with pytest.raises(errors.DataError) as caught:
        segmentation.measure(found, ("float",), resamples=20, seed=0)
    assert reason in str(caught.value)


def detected(form, shift, score):
    boxes = np.array([[10.0, 10, 50, 60], [100, 20, 120, 45]])
    return [
        Record(
            name,
            form,
            "detector",
            boxes=np.concatenate([boxes + shift, [[200, 200, 220, 220]]]),
            scores=np.array([0.9, score, 0.4]),
        )
        for name in ("a.png", "b.png")
    ]


def test_a_detector(tmp_path, network):
    folder = tmp_path / "study"
    boxes = np.array([[10.0, 10, 50, 60], [100, 20, 120, 45], [300, 0, 304, 5]])
    truth = [
        Record(name, "truth", "truth", boxes=boxes, scores=np.array([1.0, 1, 0]))
        for name in ("a.png", "b.png")
    ]
    write(folder, "truth.npz", truth)
    write(folder, "detector.float.npz", detected("float", 0, 0.8))
    write(folder, "detector.int8.npz", detected("int8", 1, 0.6))
    results, _, page = measured(folder, f"--detector={network}")
    found = results["detector"]
    assert found["float"]["ap50_all"] == pytest.approx(1)
    assert found["float"]["recall"] == found["int8"]["recall"] == 1
    assert found["int8"]["matched"] == 6 and found["int8"]["missing"] == 0
    assert found["int8"]["shared_false_positives"] == 2
    # Of two faces a picture and the false box, by hand.
    expected = (0 + 0.2 / 0.8 + 0) / 3
    assert found["int8"]["mean_confidence_errors"] == pytest.approx(expected)
    assert "error of the confidence" in page or "Relative error" in page


def embedded(form, stage, noise, names, missing=()):
    """Descriptors around each person's own direction."""
    random = np.random.default_rng(5)
    people = {}
    made = []
    for name in names:
        person = name.split("/")[0]
        if person not in people:
            people[person] = random.normal(size=16)
        value = people[person] + noise * random.normal(size=16)
        if name not in missing:
            made.append(Record(name, form, stage, embedding=value))
    return made


def asked():
    """Two folds of four people each, two pictures a person."""
    rows = []
    for fold in range(2):
        own = [f"{'ab'[fold]}{i}" for i in range(4)]
        for place, person in enumerate(own):
            other = own[(place + 1) % 4]
            rows.append((fold, f"{person}/0", f"{person}/1", 1))
            rows.append((fold, f"{person}/0", f"{other}/1", 0))
    return rows


def pair_records():
    return [
        Record(f"{one}|{other}", "truth", f"truth/{fold}", label=same)
        for fold, one, other, same in asked()
    ]


NAMES = sorted({name for _, one, other, _ in asked() for name in (one, other)})


@pytest.mark.slow
def test_a_verifier_alone(tmp_path, network):
    folder = tmp_path / "study"
    write(folder, "truth.npz", pair_records())
    write(folder, "a.npz", embedded("float", "verifier", 0.1, NAMES))
    write(folder, "b.npz", embedded("int8", "verifier", 0.2, NAMES))
    results, _, page = measured(folder, f"--verifier={network}")
    found = results["verifier"]
    assert found["float"]["accuracy"] == found["int8"]["accuracy"] == 1
    assert found["float"]["cosine_to_reference"] == pytest.approx(1)
    assert 0.8 < found["int8"]["cosine_to_reference"] < 1
    assert found["int8"]["heat_map_largest"] > 0
    assert found["int8"]["equal_error_rate"] == pytest.approx(0, abs=1e-9)
    assert "ROC" in page and "Accuracy by size" in page


def test_a_cascade_is_taken_apart(tmp_path, network):
    folder = tmp_path / "study"
    write(folder, "truth.npz", pair_records())
    for detector, missing in (("float", ()), ("int8", ("a0/0",))):
        for form, noise in (("float", 0.1), ("int8", 0.12)):
            stage = f"verifier/{detector}/28"
            made = embedded(form, stage, noise, NAMES, missing)
            write(folder, f"v.{detector}.{form}.npz", made)
    flags = (f"--detector={network}", f"--verifier={network}")
    results, _, page = measured(folder, *flags)
    # Two of sixteen pairs lack a face.
    cell = results["grid/int8/28"]["int8"]
    assert cell["rate"] == 14 / 16
    parts = ("detection_loss", "crop_loss", "verifier_loss")
    assert [cell[name] for name in parts] == [2 / 16, 0, 0]
    assert results["grid/float/28"]["int8"]["rate"] == 1
    assert results["verifier/int8/28"]["int8"]["faces_missing"] == 2
    assert "Detector beside verifier, faces of 28 px" in page


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--classifier={n}",), "there are no records in"),
        ((), "say what is studied"),
        (("--classifier={n}", "--detector={n}"), "is a study of its own"),
        (("--verifier={n}", "--crop=circle"), "landmarks, whole or box:K"),
        (("--verifier={n}", "--formats=int9"), "there is no form 'int9'"),
        (("--verifier=absent",), "absent"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, network, flags, reason):
    done = programs.run(
        "tfpipeline.study",
        *("--measure_only", f"--workdir={tmp_path / 'study'}"),
        *(flag.format(n=network) for flag in flags),
    )
    assert done.returncode == 2 and reason in done.stderr
    assert len(done.stderr.splitlines()) == 1 and len(done.stderr) < 400


@pytest.mark.parametrize("name", ["report.html", "run.json", "study.json"])
def test_files_of_others_stay(tmp_path, network, name):
    folder = tmp_path / "study"
    write(folder, "a.npz", classified("float", [0, 1], [0, 1]))
    (folder / name).write_text("somebody's")
    done = programs.run(
        *("tfpipeline.study", "--measure_only"),
        *(f"--workdir={folder}", f"--classifier={network}"),
    )
    assert done.returncode == 2 and "choose another --workdir" in done.stderr
    assert (folder / name).read_text() == "somebody's"


def test_two_records_of_one_sample_are_refused(tmp_path, network):
    folder = tmp_path / "study"
    for name in ("a.npz", "b.jsonl"):
        write(folder, name, classified("float", [0, 1], [0, 1]))
    done = programs.run(
        *("tfpipeline.study", "--measure_only"),
        *(f"--workdir={folder}", f"--classifier={network}"),
    )
    assert done.returncode == 2 and "remove one file" in done.stderr


@pytest.mark.parametrize(
    "names",
    [verifying.Names("", 0), verifying.Names("int8", 28), verifying.Names("float", 0)],
)
def test_stages_have_names(names):
    assert verifying.Names.of(names.stage) == names
    assert verifying.Names("int8", 28).stage == "verifier/int8/28"
