"""Every form of data of one's own: values, splits, and what is refused."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from tfpipeline import errors
from tfpipeline.audio import front_end, integer_features
from tfpipeline.configs import fields as configs
from tfpipeline.configs.images import Reading
from tfpipeline.data import catalog
from tfpipeline.data.own import wave_folders


def _load(text, **fields):
    names = {leaf.name for leaf, _ in configs.leaves(Reading())}
    flags = {name: fields.pop(name) for name in list(fields) if name in names}
    reading = configs.replaced(Reading(), flags)
    return catalog.load(str(text), reading=reading, **fields)


def _refused(text, message, error=errors.DataError, **fields):
    with pytest.raises(error, match=message) as caught:
        _load(text, **fields)
    assert len(str(caught.value)) <= errors.MAX_LINE_CHARACTERS
    assert "\n" not in str(caught.value)


def _sizes(dataset):
    return [len(part) for part in (dataset.train, dataset.validation, dataset.test)]


def _all_inputs(dataset):
    return np.concatenate(
        [part.inputs for part in (dataset.train, dataset.validation, dataset.test)]
    )


class TestPictures:
    def test_by_class(self, picture_folder):
        dataset = _load(picture_folder, validation_fraction=0.2)
        assert dataset.name == "pictures"
        assert dataset.class_names == ("cat", "dog")
        assert dataset.input_shape == (8, 6, 3)
        assert _sizes(dataset) == [8, 2, 2]
        for part in (dataset.train, dataset.validation, dataset.test):
            reds = part.inputs[:, 0, 0, 0]
            np.testing.assert_array_equal(part.targets, reds // 100)
            assert set(part.targets) == {0, 1}
        assert len(np.unique(_all_inputs(dataset)[:, 0, 0, 0])) == 12
        again = _load(picture_folder, validation_fraction=0.2)
        assert again.fingerprint() == dataset.fingerprint()

    def test_in_parts(self, picture_folder, tmp_path):
        root = tmp_path / "parts"
        root.mkdir()
        picture_folder.rename(root / "train")
        (root / "Val" / "dog" / "deep").mkdir(parents=True)
        Image.new("RGB", (6, 8), (9, 9, 9)).save(
            root / "Val" / "dog" / "deep" / "a.JPG"
        )
        dataset = _load(root)
        assert _sizes(dataset) == [10, 1, 2]
        assert dataset.validation.targets.tolist() == [1]

    def test_sizes_and_gray(self, picture_folder):
        dataset = _load(picture_folder, image_size="4,5", grayscale=True)
        assert dataset.input_shape == (4, 5, 1)

    def test_a_limit_has_all_classes(self, picture_folder):
        dataset = _load(picture_folder, limit=6, validation_fraction=0.34)
        assert _sizes(dataset) == [4, 2, 1]
        assert np.bincount(dataset.train.targets).tolist() == [2, 2]

    def test_an_empty_class(self, picture_folder):
        (picture_folder / "empty").mkdir()
        _refused(picture_folder, "empty holds no .png file or the like")

    def test_one_class(self, picture_folder, tmp_path):
        root = tmp_path / "one"
        root.mkdir()
        (picture_folder / "cat").rename(root / "cat")
        _refused(root, "one class only, 'cat'")

    def test_parts_beside_classes(self, picture_folder):
        (picture_folder / "train").mkdir()
        _refused(picture_folder, "holds a train folder beside cat, dog")

    def test_a_damaged_picture(self, picture_folder):
        (picture_folder / "dog" / "3.png").write_bytes(b"no picture")
        _refused(picture_folder, r"dog/3\.png is not a picture")


class TestArrays:
    def _saved(self, tmp_path, **arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return tmp_path / "own.npz"

    def test_parts(self, tmp_path):
        x = np.random.default_rng(0).integers(0, 256, (30, 5, 4), np.uint8)
        y = np.tile([[0], [1], [2]], (10, 1))
        path = self._saved(tmp_path, x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])
        dataset = _load(path, validation_fraction=0.2)
        assert dataset.input_shape == (5, 4, 1)
        assert dataset.class_names == ("0", "1", "2")
        np.testing.assert_array_equal(dataset.test.inputs[..., 0], x[:6])
        np.testing.assert_array_equal(
            dataset.train.inputs[..., 0], x[dataset.train_indices]
        )
        assert _sizes(dataset) == [24, 6, 6]

    def test_names_groups_and_texts(self, tmp_path):
        groups = np.repeat(np.arange(10), 4)
        x = np.stack([groups, groups], 1) / 2
        y = np.tile(["yes", "no"], 20)
        path = self._saved(tmp_path, x=x, y=y, groups=groups)
        dataset = _load(path, validation_fraction=0.25)
        assert dataset.class_names == ("no", "yes")
        assert dataset.train.inputs.dtype == np.float32
        seen = [set(part.inputs[:, 0]) for part in (dataset.train, dataset.validation)]
        seen.append(set(dataset.test.inputs[:, 0]))
        assert sum(map(len, seen)) == 10

    def test_numbers(self, tmp_path):
        x = np.arange(40).reshape(20, 2)
        path = self._saved(tmp_path, x=x, y=x[:, 0] / 3)
        dataset = _load(path)
        assert dataset.train.targets.shape == (len(dataset.train), 1)
        assert dataset.num_classes == 1
        assert dataset.class_names == ()

    def test_one_hot_rows_are_classes(self, tmp_path):
        x = np.arange(40).reshape(20, 2)
        y = np.eye(4)[np.arange(20) % 4]
        path = self._saved(tmp_path, x_train=x, y_train=y, x_test=x, y_test=y)
        dataset = _load(path)
        assert dataset.class_names == ("0", "1", "2", "3")
        np.testing.assert_array_equal(dataset.test.targets, np.arange(20) % 4)
        assert _load(path, targets="numbers").train.targets.shape[1:] == (4,)

    def test_rows_of_any_number_of_ones_are_labels(self, tmp_path):
        x = np.arange(40).reshape(20, 2)
        y = np.eye(4)[np.arange(20) % 4]
        both = np.maximum(y, y[::-1])
        path = self._saved(tmp_path, x_train=x, y_train=y, x_test=x, y_test=both)
        dataset = _load(path)
        assert dataset.class_names == ()
        np.testing.assert_array_equal(dataset.test.targets, both)

    def test_whole_numbers_as_numbers(self, tmp_path):
        x = np.arange(40).reshape(20, 2)
        path = self._saved(tmp_path, x=x, y=x[:, 0])
        assert _load(path, targets="numbers").train.targets.dtype == np.float32

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"a": np.zeros(3)}, "holds a: give x and y"),
            ({"x": np.zeros((3, 2)), "y": np.zeros(4, int)}, "one target an input"),
            ({"x": np.zeros((9, 2)), "y": np.zeros(9, int)}, "one class only"),
            ({"x": np.zeros((9, 2)), "y": np.arange(9) - 1}, "labels count from 0"),
            ({"x": np.zeros((9, 2)), "y": np.arange(9) * 99}, "is no index of a class"),
            (
                {"x": np.full((9, 2), np.nan), "y": np.arange(9) % 2},
                "example . of x in .* holds nan: inputs must be finite",
            ),
            (
                {
                    "x": np.zeros((9, 2)),
                    "y": np.arange(9) % 3,
                    "class_names": np.array(["a", "b"]),
                },
                "has the target 2: labels are 0 to 1",
            ),
            (
                {
                    **{"x_train": np.zeros((9, 2)), "y_train": np.arange(9) % 3},
                    **{"x_test": np.zeros((9, 3)), "y_test": np.arange(9) % 3},
                },
                r"'test' has inputs of shape \[3\], 'train' has \[2\]",
            ),
            ({"x": np.array(["a"] * 9), "y": np.arange(9) % 2}, "must be numbers"),
        ],
    )
    def test_refused(self, tmp_path, arrays, message):
        _refused(self._saved(tmp_path, **arrays), message)

    def test_objects_are_never_unpickled(self, tmp_path):
        path = self._saved(tmp_path, x=np.array([{}, {}]), y=np.zeros(2))
        _refused(path, "holds no numbers", errors.StorageError)


class TestTables:
    def _saved(self, tmp_path, text, encoding="utf-8", name="own.csv"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    def _rows(self, count=40, separator=","):
        lines = ["x,y z,person,kind"]
        for i in range(count):
            lines.append(f"{i},{i / 4},p{i // 4 % 5},{('walk', 'run')[i // 2 % 2]}")
        return "\n".join(lines).replace(",", separator)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_a_row_an_example(self, tmp_path, separator, encoding):
        path = self._saved(tmp_path, self._rows(separator=separator), encoding)
        dataset = _load(path, label=("kind",))
        assert dataset.class_names == ("run", "walk")
        assert dataset.input_shape == (2,)
        x = dataset.train.inputs
        np.testing.assert_array_equal(x[:, 1], x[:, 0] / 4)
        np.testing.assert_array_equal(dataset.train.targets, x[:, 0] // 2 % 2 == 0)

    def test_groups_are_not_divided(self, tmp_path):
        path = self._saved(tmp_path, self._rows(200))
        dataset = _load(path, label=("kind",), group="person", validation_fraction=0.25)
        people = [
            set(part.inputs[:, 0] // 4 % 5)
            for part in (dataset.train, dataset.validation, dataset.test)
        ]
        assert sorted(map(len, people)) == [1, 1, 3]
        assert len(set.union(*people)) == 5

    def test_numbers_and_several_columns(self, tmp_path):
        path = self._saved(tmp_path, self._rows())
        dataset = _load(path, label=("y z",))
        assert dataset.train.targets.shape == (len(dataset.train), 1)
        assert dataset.input_shape == (1,)
        several = _load(path, label=("x", "y z"), columns=("x",))
        assert several.class_names == ("x", "y z")
        np.testing.assert_array_equal(
            several.train.targets[:, :1], several.train.inputs
        )

    def test_windows_share_no_row_between_parts(self, tmp_path):
        text = "x,kind\n" + "\n".join(f"{i},{i // 50 % 2}" for i in range(2000))
        path = self._saved(tmp_path, text)
        options = {"label": ("kind",), "columns": ("x",), "validation_fraction": 0.2}
        dataset = _load(path, window=8, stride=2, **options)
        assert dataset.input_shape == (8, 1)
        rows = [
            set(part.inputs.ravel())
            for part in (dataset.train, dataset.validation, dataset.test)
        ]
        assert not rows[0] & rows[1] | rows[0] & rows[2] | rows[1] & rows[2]
        starts = dataset.train.inputs[:, 0, 0]
        np.testing.assert_array_equal(
            dataset.train.inputs[..., 0], starts[:, None] + np.arange(8)
        )

    def test_a_window_has_the_class_of_most_rows(self, tmp_path):
        kinds = "aaabbbbaab" * 30
        text = "x,kind\n" + "\n".join(f"{i},{k}" for i, k in enumerate(kinds))
        dataset = _load(self._saved(tmp_path, text), label=("kind",), window=5)
        names = np.array(dataset.class_names)
        for window, target in zip(
            dataset.train.inputs, dataset.train.targets, strict=True
        ):
            letters = [kinds[int(i)] for i in window[:, 0]]
            assert letters.count(names[target]) >= 3

    def test_a_folder_keeps_recordings_apart(self, tmp_path):
        (tmp_path / "many").mkdir()
        for number in range(8):
            text = "x,kind\n" + "\n".join(f"{number}.0,{i // 12}" for i in range(24))
            self._saved(tmp_path / "many", text, name=f"{number}.csv")
        dataset = _load(tmp_path / "many", label=("kind",), window=10, stride=5)
        assert (np.ptp(_all_inputs(dataset), axis=1) == 0).all()
        seen = [
            set(part.inputs.ravel())
            for part in (dataset.train, dataset.validation, dataset.test)
        ]
        assert sum(map(len, seen)) == 8

    @pytest.mark.parametrize(
        ("text", "flags", "message"),
        [
            ("x,k\n1,a\n,b\n3,a\n", {}, r"own\.csv line 3 has nothing in column 'x'"),
            ("x,z,k\n1,1,a\n2,oops,b\n3,3,a\n", {}, r"line 3 has 'oops' in column 'z'"),
            ("x;z;k\n1;0,5;a\n2;1,5;b\n", {}, "a comma in column 'z', 0,5: write a p"),
            ("x,k\n1,a\ninf,b\n3,a\n", {}, r"line 3 has inf in column 'x'"),
            ("x,k\n1,a\ninf,b\n3,a\n", {}, "line 3 has .*inf.* in column 'x'"),
            (
                "x,k\n1,a\n?,b\n3,a\n",
                {"columns": ("x",)},
                r"line 3 has '\?' in column 'x'",
            ),
            ("x,k\n1,a\n2,\n3,a\n", {}, "line 3 has no value in column k"),
            ("w,k\nu,a\nv,b\n", {}, "has no column of numbers besides k"),
            ("x,k\n1,a\n2,b\n", {"window": 3}, "--window=3 is more than the 2 rows"),
            ("x,k\n", {}, "has no rows below its header"),
            ("", {}, "is not a table of text"),
        ],
    )
    def test_refused(self, tmp_path, text, flags, message):
        path = self._saved(tmp_path, text)
        _refused(path, message, errors.PipelineError, label=("k",), **flags)

    def test_columns_that_are_not_there(self, tmp_path):
        path = self._saved(tmp_path, self._rows())
        _refused(path, "--label=COLUMN of x, y z, person, kind", errors.UsageError)
        _refused(path, "no column 'k'; it has x", errors.UsageError, label=("k",))

    def test_utf_16_without_a_mark(self, tmp_path):
        path = self._saved(tmp_path, self._rows(), "utf-16-le")
        _refused(path, "is no text of UTF-8: it holds NUL", label=("kind",))

    def test_files_with_other_columns(self, tmp_path):
        self._saved(tmp_path, self._rows(), name="a.csv")
        self._saved(tmp_path, "a,kind\n1,b\n", name="b.csv")
        _refused(tmp_path, r"b\.csv has the columns a, kind", label=("kind",))


class TestWaves:
    def test_by_class(self, wave_folder):
        dataset = _load(wave_folder)
        assert dataset.input_shape == (160, 1)
        assert dataset.class_names == ("cat", "dog")
        _, first = wavfile.read(wave_folder / "cat" / "0.wav")
        expected = first.astype(np.float32) / 32768
        assert (_all_inputs(dataset)[..., 0] == expected).all(axis=1).sum() == 1

    @pytest.mark.parametrize(("seconds", "samples"), [(0.005, 80), (0.02, 320)])
    def test_cut_and_padded(self, wave_folder, seconds, samples):
        dataset = _load(wave_folder, clip_seconds=seconds)
        assert dataset.input_shape == (samples, 1)
        assert not _all_inputs(dataset)[:, 160:].any()

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
            (np.array([-(2**31), 2**30], np.int32), [-1, 0.5]),
            (np.array([-0.5, 0.25], np.float32), [-0.5, 0.25]),
            (np.array([[-32768, 0], [16384, 8192]], np.int16), [-0.5, 0.375]),
        ],
    )
    def test_types(self, tmp_path, values, expected):
        wavfile.write(tmp_path / "a.wav", 8000, values)
        rate, found = wave_folders.wave(str(tmp_path / "a.wav"))
        assert rate == 8000
        np.testing.assert_array_equal(found, np.array(expected, np.float32))

    def test_lengths_and_rates_that_differ(self, wave_folder):
        path = wave_folder / "dog" / "2.wav"
        wavfile.write(path, 16000, np.zeros(7, np.int16))
        _refused(wave_folder, r"dog/2\.wav has 7 samples, .*give --clip_seconds")
        wavfile.write(path, 8000, np.zeros(160, np.int16))
        _refused(wave_folder, r"dog/2\.wav has 8000 Hz, .* has 16000")

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"no wave at all, but long"])
    def test_a_damaged_file(self, wave_folder, content):
        (wave_folder / "dog" / "2.wav").write_bytes(content)
        _refused(wave_folder, r"dog/2\.wav is not a \.wav file .*remove it")

    def test_a_file_that_is_cut_short(self, wave_folder):
        path = wave_folder / "dog" / "2.wav"
        path.write_bytes(path.read_bytes()[:-40])
        told = r"dog/2\.wav is not a .wav file .* cut short"
        _refused(wave_folder, told)
        _refused(wave_folder, told, front_end="mfcc", clip_seconds=0.1)

    def test_an_unknown_front_end(self, wave_folder):
        _refused(wave_folder, "must be one of none", errors.UsageError, front_end="x")

    def test_features_are_the_integers_of_a_device(self, wave_folder):
        flags = {"front_end": "mfcc", "clip_seconds": 0.05, "mel_bins": 12}
        dataset = _load(wave_folder, **flags)
        given = front_end.FrontEnd(mel_bins=12, clip_seconds=0.05)
        assert dataset.input_shape == given.output_shape == (2, 10, 1)
        clips = np.zeros((12, 800), np.int16)
        paths = sorted(wave_folder.glob("*/*.wav"))
        clips[:, :160] = [wavfile.read(path)[1] for path in paths]
        integers = integer_features.features(given, clips)
        expected = (integers / 2**16).astype(np.float32)
        np.testing.assert_array_equal(expected * 2.0**16, integers)
        found = {each.tobytes() for each in _all_inputs(dataset)}
        assert found == {each.tobytes() for each in expected}

    def test_a_front_end_takes_files_of_any_rate_and_length(self, wave_folder):
        path = wave_folder / "dog" / "2.wav"
        wavfile.write(path, 44_100, np.zeros((7, 2), np.int32))
        dataset = _load(wave_folder, front_end="log_mel")
        assert dataset.input_shape == (49, 40, 1)
        path.write_bytes(path.read_bytes()[:-1])
        _refused(wave_folder, r"dog/2\.wav is .*cut short", front_end="log_mel")


_FUNCTIONS = """
import numpy as np
import tensorflow as tf

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2

def plain():
    return tf.data.Dataset.from_tensor_slices((X, Y))

def batched():
    return plain().batch(6)

def parts():
    return {"train": plain(), "test": (X[:4], Y[:4]), "class_names": ["a", "b"]}

def named():
    return plain().map(lambda x, y: {"image": x, "label": y})

def ragged():
    return tf.data.Dataset.from_generator(
        lambda: ((np.zeros(n, np.float32), 0) for n in (1, 2)),
        output_signature=(tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)))

def single():
    return plain().map(lambda x, y: x)

def nothing():
    return 3

def failing():
    raise ValueError("the disk is gone")

def other_part():
    return {"train": plain(), "extra": plain()}

no_function = 3
"""


class TestFunctions:
    @pytest.fixture
    def source(self, tmp_path):
        (tmp_path / "own.py").write_text(_FUNCTIONS)
        return tmp_path / "own.py"

    @pytest.mark.parametrize("name", ["plain", "batched", "named"])
    def test_pairs(self, source, name):
        dataset = _load(f"{source}:{name}")
        assert dataset.name == name
        assert dataset.input_shape == (3,)
        everything = np.sort(_all_inputs(dataset)[:, 0])
        np.testing.assert_array_equal(everything, np.arange(20) * 3)
        np.testing.assert_array_equal(
            dataset.train.targets, dataset.train.inputs[:, 0] // 3 % 2
        )

    def test_parts(self, source):
        dataset = _load(f"{source}:parts")
        assert _sizes(dataset) == [18, 2, 4]
        assert dataset.class_names == ("a", "b")

    @pytest.mark.parametrize(
        ("name", "message", "error"),
        [
            ("ragged", r"inputs of shapes \[1\] and \[2\]", errors.DataError),
            ("single", r"give pairs \(input, target\)", errors.DataError),
            ("nothing", "returned int; give a tf.data.Dataset", errors.DataError),
            ("failing", "failed: ValueError: the disk is gone", errors.DataError),
            ("other_part", "returned a part 'extra'", errors.DataError),
            ("no_function", "has no function 'no_function'", errors.UsageError),
            ("absent", "has no function 'absent'", errors.UsageError),
        ],
    )
    def test_refused(self, source, name, message, error):
        _refused(f"{source}:{name}", message, error)

    def test_a_file_that_cannot_be_imported(self, tmp_path):
        (tmp_path / "own.py").write_text("import nothing_of_that_name")
        _refused(
            f"{tmp_path / 'own.py'}:x", "cannot import .*own.py", errors.UsageError
        )


class TestTfds:
    def test_a_prepared_set_is_that_of_the_records(self, objects_folder):
        root = objects_folder.parents[2]
        config = objects_folder.parent.name
        dataset = _load(f"tfds:procedural_objects/{config}", data_dir=root)
        assert dataset.input_shape == (32, 32, 3)
        assert len(dataset.test) == 20
        fewer = _load(f"tfds:procedural_objects/{config}", data_dir=root, limit=60)
        np.testing.assert_array_equal(fewer.test.inputs, dataset.test.inputs[:12])
        assert len(fewer.train) + len(fewer.validation) == 60
        assert dataset.num_classes == 10

    def test_a_builder_of_ones_own_prepares_its_data(self, tmp_path, monkeypatch):
        (tmp_path / "own_builder.py").write_text(_BUILDER)
        monkeypatch.syspath_prepend(tmp_path)
        dataset = _load("tfds:own_builder", data_dir=tmp_path / "root")
        assert dataset.class_names == ("a", "b")
        assert dataset.input_shape == (4, 4, 1)
        assert _sizes(dataset) == [16, 2, 6]
        np.testing.assert_array_equal(
            dataset.test.targets, dataset.test.inputs[:, 0, 0, 0] % 2
        )

    def test_an_unknown_name(self, tmp_path, offline):
        _refused(
            "tfds:nothing_of_that_name",
            "TFDS has no 'nothing_of_that_name'",
            errors.UsageError,
            data_dir=tmp_path,
        )


_BUILDER = """
import numpy as np
import tensorflow_datasets as tfds

class OwnBuilder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({
                "image": tfds.features.Image(shape=(None, None, 1)),
                "label": tfds.features.ClassLabel(names=["a", "b"]),
            }),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        make = self._generate_examples
        return {"train": make(18), "test": make(6)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"image": np.full((4, 4, 1), i, np.uint8), "label": i % 2}
"""
