"""`python -m tfpipeline.camera`, as users call it."""

import pathlib
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from tests import programs
from tfpipeline.pictures import camera, camera_dumps

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "camera.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m tfpipeline\.camera (.*)$", PAGE, re.MULTILINE)
# What a camera of 5, 6 and 5 bits can give.
FRAME = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
FRAME &= np.array([0xF8, 0xFC, 0xF8], np.uint8)


def run(folder, *flags):
    return programs.run("tfpipeline.camera", *flags, folder=folder)


def error(folder, *flags):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    done = run(folder, *flags)
    after = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("camera: error: ")
    return line


@pytest.fixture
def folder(tmp_path):
    dump = camera.write(FRAME, "rgb565")
    (tmp_path / "frame.rgb565").write_bytes(dump)
    (tmp_path / "capture.img").write_bytes(b"*IMG* RGB565 38400 160 120\n" + dump)
    (tmp_path / "dump.bin").write_bytes(camera.write(FRAME, "rgb888x4"))
    return tmp_path


def test_the_commands_of_the_page(folder):
    outputs = {}
    for command in COMMANDS:
        done = run(folder, *shlex.split(command))
        assert done.returncode == 0, (command, done.stderr)
        [output] = re.findall(r"--output=(\S+)", command)
        assert re.fullmatch(rf"{output}: \w+, \d+x\d+ pixels, 3 .*\n", done.stdout)
        outputs[output] = (folder / output).read_bytes()
    # Nothing but those files is left, so no temporary one.
    assert {path.name for path in folder.iterdir()} == {
        *("frame.rgb565", "capture.img", "dump.bin"),
        *outputs,
    }
    for name in ("frame.png", "capture.png", "dump.png", "sample.png", "desk.png"):
        np.testing.assert_array_equal(camera.read(outputs[name], "png"), FRAME)
    turned = camera.read(outputs["sample_faces.npy"], "npy")
    np.testing.assert_array_equal(turned, np.rot90(FRAME, -1))
    assert outputs["frame.cnn_words"] == camera.write(FRAME, "cnn_words")
    assert outputs["sampledata.h"].count(b"#define SAMPLE_INPUT_") == 3


def test_the_page_names_all_formats_and_rules():
    for name in (*camera.FORMATS, *camera_dumps.EXPANSIONS, *camera_dumps.FRAMINGS):
        assert name == "none" or f"`{name}`" in PAGE or f"={name}`" in PAGE, name


def test_the_error_of_the_page(folder):
    flags = ("--input=frame.rgb565", "--height=160", "--width=121", "--output=o.png")
    assert error(folder, *flags) in PAGE.splitlines()


def test_flags(folder):
    size = ("--height=120", "--width=160")
    flags = ("--expansion=scale_255", "--flip_horizontal", "--flip_vertical")
    done = run(folder, "--input=frame.rgb565", *size, *flags, "--output=a/o.png")
    assert done.returncode == 0, done.stderr
    how = camera.Reading((120, 160), expansion="scale_255")
    expected = camera.read(camera.write(FRAME, "rgb565"), "rgb565", how)
    with Image.open(folder / "a" / "o.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected[::-1, ::-1])

    gray = FRAME[..., :1]
    (folder / "gray.png").write_bytes(camera.write(gray, "png"))
    done = run(folder, "--input=gray.png", "--output=gray.h")
    assert done.returncode == 0, done.stderr
    flags = ("--input=gray.h", "--channels=1", *size, "--output=gray.npy")
    done = run(folder, *flags)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        camera.read((folder / "gray.npy").read_bytes(), "npy"), gray
    )
    done = run(folder, "--input=gray.npy", "--channels=3", "--output=o.rgb888x3")
    assert done.returncode == 0, done.stderr
    expected = camera.write(np.repeat(gray, 3, axis=2), "rgb888x3")
    assert (folder / "o.rgb888x3").read_bytes() == expected


def test_wrong_uses_name_the_choices(folder):
    (folder / "o.png").write_bytes(b"what was there before")
    (folder / "folder").mkdir()
    formats = ", ".join(camera.FORMATS)
    dump = ("--input=frame.rgb565", "--height=120", "--width=160")
    to_png = (*dump, "--output=o.png")
    cases = {
        (): f"--input=FILE --output=FILE. Formats: {formats}",
        ("--input=dump.bin", "--output=o.png"): f"give --from, one of {formats}",
        ("--input=frame.rgb565", "--output=o.raw"): f"give --to, one of {formats}",
        (*to_png, "--to=jpeg"): f"--to must be one of {formats}; found 'jpeg'",
        ("--input=frame.rgb565", "--height=120", "--output=o.png"): "--height alone",
        (*dump[:2], "--width=12.5", "--output=o.png"): "it must be a whole number",
        (*to_png, "--rotate=45"): "--rotate must be one of 0, 90, 180, 270; found 45",
        (*to_png, "--expansion=x"): "one of zero_fill, bit_replicate, scale_255",
        (*to_png, "--layout=hwc"): "--layout is for sampledata only; this is png",
        (*to_png, "--framing=none"): "--framing is for rgb565, rgb888x3, rgb888x4 only",
        (*dump, "--output=o.h", "--layout=HWC"): "--layout must be one of hwc, chw",
        (*to_png, "--channels=2"): "--channels must be one of 1, 3; found 2",
        (*to_png, "--channels=1"): "the image has 3 channels; convert it to gray",
        ("--input=absent.png", "--output=o.png"): "cannot read absent.png: No such",
        ("--input=folder", "--from=png", "--output=o.npy"): "cannot read folder: Is a",
        (*dump, "--output=folder", "--to=png"): "folder is a folder, where a file is",
        (*to_png, "--rotate=90"): "o.png is there already, and is not as this program",
        (*dump, "--output=frame.rgb565", "--flip_vertical"): "frame.rgb565 is there",
        ("--input=dump.bin", "--from=npy", "--output=o.png"): "this is no .npy file",
        ("--input=dump.bin", "--from=png", "--output=o.png"): "not a PNG, or damaged",
        (*dump, "--from=sampledata", "--output=o.png"): "malformed sampledata",
        (*dump, "--from=rgb888x4", "--output=o.png"): "76800 bytes, found 38400: that",
    }
    for flags, text in cases.items():
        assert text in error(folder, *flags), flags


def test_the_same_output_again_is_no_error(folder):
    flags = ("--input=frame.rgb565", "--height=120", "--width=160", "--output=o.png")
    for _ in range(2):
        done = run(folder, *flags)
        assert done.returncode == 0, done.stderr


def test_an_endless_input_is_refused(tmp_path):
    flags = ("--input=/dev/zero", "--from=png", "--output=o.png")
    assert "/dev/zero is no plain file" in error(tmp_path, *flags)


def test_an_input_of_too_many_bytes_is_refused(tmp_path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**27 + 1)
    flags = ("--input=large.png", "--from=png", "--output=o.png")
    assert "large.png has over 134217728 bytes" in error(tmp_path, *flags)
