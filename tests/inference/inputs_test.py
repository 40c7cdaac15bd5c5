"""What a network reads of the user's files, and files that are none."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from tfpipeline import errors
from tfpipeline.audio import integer_features, wav_files
from tfpipeline.configs import images
from tfpipeline.data import preprocessing
from tfpipeline.inference import inputs

PLAIN = images.Reading()
SIGNED = preprocessing.SIGNED


def values(source, shape, reading=PLAIN, pixels=SIGNED):
    return list(inputs.read(str(source), shape, reading, pixels))


def test_pictures_are_scaled_as_the_network_says(tmp_path):
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3) * 4
    Image.fromarray(pixels).save(tmp_path / "one.png")
    [(name, found)] = values(tmp_path / "one.png", (4, 5, 3))
    assert name == str(tmp_path / "one.png")
    np.testing.assert_array_equal(found, (pixels.astype(np.float32) - 128) / 128)
    # Another size needs a word, as sides are stretched.
    with pytest.raises(errors.DataError, match="give --image_size=8,8"):
        values(tmp_path / "one.png", (8, 8, 3))
    resized = dataclasses.replace(PLAIN, image_size="8,8")
    assert values(tmp_path / "one.png", (8, 8, 1), resized)[0][1].shape == (8, 8, 1)
    with pytest.raises(errors.DataError, match="is a picture; the network reads"):
        values(tmp_path / "one.png", (16,))


def test_a_folder_gives_all_below_it_by_name(tmp_path):
    for name in ("b/2.png", "a/1.png", "b/.hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith(".png"):
            Image.new("L", (3, 3)).save(tmp_path / name)
        else:
            (tmp_path / name).write_text("no input", encoding="utf-8")
    found = [name for name, _ in values(tmp_path, (3, 3, 1))]
    assert found == [str(tmp_path / name) for name in ("a/1.png", "b/2.png")]


def test_tables_give_rows_or_windows(tmp_path):
    path = tmp_path / "rows.csv"
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    lines = [f"{a},{b},walking" for a, b in rows]
    path.write_text("\n".join(["ax,ay,label", *lines]), encoding="utf-8")
    found = values(path, (2,))
    np.testing.assert_array_equal([x for _, x in found], rows)
    assert found[3][0] == f"{path}[3]"
    windows = dataclasses.replace(
        PLAIN, columns=("ay", "ax"), window=4, stride=3, label=("label",)
    )
    found = [x for _, x in values(path, (4, 2), windows)]
    np.testing.assert_array_equal(found, [rows[i : i + 4, ::-1] for i in (0, 3, 6)])
    long = dataclasses.replace(windows, window=11)
    with pytest.raises(errors.DataError, match="has 10 rows; a window has 11"):
        values(path, (11, 2), long)
    with pytest.raises(errors.DataError, match="give --columns, and --window"):
        values(path, (4, 2))


def test_sounds_become_features_or_waves(tmp_path):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 16000, np.int16)
    wavfile.write(tmp_path / "one.wav", 16000, samples)
    heard = dataclasses.replace(
        PLAIN, sound=dataclasses.replace(images.Sound(), front_end="mfcc")
    )
    [(_, found)] = values(tmp_path / "one.wav", (49, 10, 1), heard)
    given = heard.sound.value
    clip = wav_files.read(tmp_path / "one.wav", given)
    expected = integer_features.reals(integer_features.features(given, clip))
    np.testing.assert_array_equal(found, expected)
    [(_, wave)] = values(tmp_path / "one.wav", (800, 1))
    np.testing.assert_array_equal(wave[:, 0], samples[:800] / np.float32(32768))
    with pytest.raises(errors.DataError, match="give --front_end"):
        values(tmp_path / "one.wav", (49, 10, 1))


def test_what_is_no_input_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.doc").write_text("x", encoding="utf-8")
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan, np.float32))
    np.save(tmp_path / "text.npy", np.array(["x"]))
    for name, message in (
        ("absent.png", "for --input"),
        ("empty", "holds no input"),
        ("a.doc", "is no input by its name"),
        ("nan.npy", "not a finite number"),
        ("text.npy", "numbers"),
    ):
        with pytest.raises(errors.DataError, match=message) as caught:
            values(tmp_path / name, (3,))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
