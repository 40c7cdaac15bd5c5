"""Draws what six strangers bring: data of their own, and networks trained on them.

    python experiments/own/draw.py runs/own

Nothing here knows of tfpipeline, but for the sounds' features. The networks are those
of a small Keras 3 program, but that of `digits.py`; each is made in a process of its
own, as Keras 2 and 3 do not go together.
"""

import os
import pathlib
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

_ACTIVITIES = {"still": (0.3, 0.03), "walking": (1.8, 0.3), "running": (2.9, 0.8)}


def _fitted(model, x, y, epochs, loss="sparse_categorical_crossentropy"):
    import keras

    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


def pictures(folder: pathlib.Path) -> None:
    """A .keras file, and class folders of PNGs of all sizes."""
    import keras
    from PIL import Image, ImageDraw

    L = keras.layers
    random = np.random.default_rng(0)
    names = ("circle", "cross", "square")
    x, y = [], []
    for label, name in enumerate(names):
        (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
        for number in range(100):
            width, height = random.integers(36, 64, 2)
            ground, ink = random.integers(0, 110, 3), random.integers(130, 256, 3)
            picture = Image.new("RGB", (width, height), tuple(ground))
            brush = ImageDraw.Draw(picture)
            side = int(random.integers(16, 30))
            left, top = (int(random.integers(0, n - side)) for n in (width, height))
            box = (left, top, left + side, top + side)
            if name == "circle":
                brush.ellipse(box, fill=tuple(ink))
            elif name == "square":
                brush.rectangle(box, fill=tuple(ink))
            else:
                brush.line(box, tuple(ink), 5)
                brush.line((box[2], box[1], box[0], box[3]), tuple(ink), 5)
            picture.save(folder / "pictures" / name / f"{number:03}.png")
            x.append(np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR)))
            y.append(label)
    model = keras.Sequential([L.Input((32, 32, 3)), L.Rescaling(1 / 127.5, -1.0)])
    for filters in (8, 16, 16):
        model.add(L.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(L.BatchNormalization(momentum=0.9))
        model.add(L.ReLU())
        model.add(L.MaxPooling2D())
    model.add(L.Flatten())
    model.add(L.Dense(len(names), activation="softmax"))
    _fitted(model, np.stack(x).astype(np.float32), np.array(y), 15)
    model.save(folder / "pictures.keras")


def table(folder: pathlib.Path) -> None:
    """An .h5 file of a regression, and a table."""
    import keras

    L = keras.layers
    random = np.random.default_rng(1)
    x = random.uniform([0, 0, -1], [1, 1, 1], (1200, 3)).round(4)
    power = 3 * x[:, 0] ** 2 + np.sin(3 * x[:, 1]) * x[:, 2] + 1
    power = (power + random.normal(0, 0.05, len(x))).round(4)
    np.savetxt(
        folder / "motor.csv",
        np.column_stack([x, power]),
        "%.4f",
        ",",
        header="speed,load,torque,power",
        comments="",
    )
    model = keras.Sequential([L.Input((3,))])
    for _ in range(2):
        model.add(L.Dense(32, activation="relu"))
    model.add(L.Dense(1))
    _fitted(model, x, power, 40, "mse")
    model.save(folder / "motor.h5")


def words(folder: pathlib.Path) -> None:
    """A SavedModel, and class folders of .wav files."""
    import keras
    from scipy.io import wavfile

    from tfpipeline.audio import float_features, front_end

    L = keras.layers
    random = np.random.default_rng(2)
    rate = 16_000
    seconds = np.arange(rate) / rate
    x, y = [], []
    for label, (name, pitches) in enumerate(
        {"rising": (300, 1500), "falling": (1500, 300), "steady": (700, 700)}.items()
    ):
        (folder / "words" / name).mkdir(parents=True, exist_ok=True)
        for number in range(60):
            low, high = np.array(pitches) * random.uniform(0.8, 1.25)
            begin, length = random.uniform(0.05, 0.4), random.uniform(0.3, 0.5)
            place = np.clip((seconds - begin) / length, 0, 1)
            pitch = low + (high - low) * place
            wave = np.sin(2 * np.pi * np.cumsum(pitch) / rate)
            wave *= np.sin(np.pi * place) * random.uniform(0.1, 0.5)
            wave += random.normal(0, 0.005, rate)
            samples = np.clip(wave * 32768, -32768, 32767).astype(np.int16)
            wavfile.write(folder / "words" / name / f"{number:03}.wav", rate, samples)
            x.append(float_features.features(front_end.FrontEnd(), samples))
            y.append(label)
    inputs = L.Input((49, 10, 1))
    first = L.Conv2D(16, (10, 4), strides=2, padding="same", activation="relu")
    z = first(L.Rescaling(0.02)(inputs))
    for _ in range(2):
        z = L.DepthwiseConv2D(3, padding="same", activation="relu")(z)
        z = L.Conv2D(16, 1, activation="relu")(z)
    z = L.Flatten()(L.MaxPooling2D((2, 1))(z))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(z))
    _fitted(model, np.stack(x), np.array(y), 15)
    model.export(folder / "words_saved_model", verbose=False)


def marks(folder: pathlib.Path) -> None:
    """A .keras file with a shortcut, for the data of the builder in marks.py."""
    import keras

    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import drawn_marks

    L = keras.layers
    examples = list(drawn_marks.examples(0, 800))
    x = np.stack([picture for picture, _ in examples]).astype(np.float32)
    y = np.array([label for _, label in examples])
    inputs = L.Input((28, 28, 1))
    z = L.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    z = L.MaxPooling2D()(z)
    shortcut = z
    for _ in range(2):
        z = L.Conv2D(8, 3, padding="same", activation="relu")(z)
    z = z + shortcut
    z = L.Flatten()(L.MaxPooling2D()(z))
    model = keras.Model(inputs, L.Dense(len(drawn_marks.NAMES))(z))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _fitted(model, (x - 128) / 128, y, 15, loss)
    model.save(folder / "marks.keras")


def motion(folder: pathlib.Path) -> None:
    """A float .tflite, and a table of an accelerometer's samples."""
    import keras
    import tensorflow as tf

    L = keras.layers
    random = np.random.default_rng(4)
    lines = ["person,ax,ay,az,activity"]
    x, y = [], []
    for person in range(8):
        for label, (activity, (rhythm, strength)) in enumerate(_ACTIVITIES.items()):
            seconds = np.arange(512) / 50
            angle = 2 * np.pi * rhythm * random.uniform(0.85, 1.15) * seconds
            phases = random.uniform(0, 2 * np.pi, 3)
            felt = np.array([0.1, 0.4, 0.05]) + random.normal(0, 0.1, 3)
            felt = felt + strength * 0.6 * np.sin(angle[:, None] + phases)
            felt = felt + random.normal(0, 0.03, felt.shape)
            felt = np.clip(felt, -1, 0.99).round(4)
            lines += [
                f"p{person},{a:.4f},{b:.4f},{c:.4f},{activity}" for a, b, c in felt
            ]
            for start in range(0, 512 - 63, 16):
                x.append(felt[start : start + 64])
                y.append(label)
    (folder / "motion.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = keras.Sequential([L.Input((64, 3))])
    for filters in (8, 16):
        model.add(L.Conv1D(filters, 5, padding="same", activation="relu"))
        model.add(L.MaxPooling1D(2))
    model.add(L.Flatten())
    model.add(L.Dense(len(_ACTIVITIES)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _fitted(model, np.stack(x).astype(np.float32), np.array(y), 5, loss)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (folder / "motion.tflite").write_bytes(converter.convert())


_KERAS_3 = {each.__name__: each for each in (pictures, table, words, marks, motion)}


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        _KERAS_3[sys.argv[2]](folder)
        return
    here = pathlib.Path(__file__)
    paths = filter(None, [str(here.parents[2]), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    for command in (
        *([str(here), str(folder), name] for name in _KERAS_3),
        [str(here.with_name("digits.py")), str(folder)],
    ):
        subprocess.run([sys.executable, *command], env=environment, check=True)


if __name__ == "__main__":
    main()
