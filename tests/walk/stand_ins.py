"""What pages take of a reader's own, such that their commands run."""

import os
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
from scipy.io import wavfile

from tests.integration import page_files

_PICTURES, _WAVES, _ROWS = 20, 8, 4_000
_RATE = 16_000
# In a process of its own, for the Keras 3 that TensorFlow installs.
_KERAS_3 = """
import keras
L = keras.layers
keras.Sequential([
    L.Input((32, 32, 3)), L.Conv2D(8, 3, strides=2, activation="relu"),
    L.GlobalAveragePooling2D(), L.Dense(10),
]).save("keras_3.keras")
"""
_KERAS_2 = """
from tfpipeline.compat import keras
L = keras.layers
for name in ("my.keras", "my_net.keras"):
    keras.Sequential([
        L.Input((32, 32, 3)), L.Conv2D(8, 3, strides=2, activation="relu"),
        L.GlobalAveragePooling2D(), L.Dense(10),
    ]).save(name)
"""


def write(folder: pathlib.Path) -> None:
    """Fills an empty folder, in which pages are walked."""
    page_files.write(folder)
    page_files.saved_model(folder)
    random = np.random.default_rng(0)
    for script, legacy in ((_KERAS_2, "1"), (_KERAS_3, "0")):
        environment = os.environ | {"TF_USE_LEGACY_KERAS": legacy}
        environment["PYTHONPATH"] = str(page_files.ROOT)
        command = (sys.executable, "-c", script)
        subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True
        )
    for kind in ("one", "other"):
        for place in range(_PICTURES):
            pixels = random.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "flowers" / kind / f"{place}.png")
        for place in range(_WAVES):
            wave = random.integers(-3000, 3000, _RATE).astype(np.int16)
            wavfile.write(folder / "speech" / kind / f"{place}.wav", _RATE, wave)
    images = random.uniform(-1, 1, (200, 8, 8, 1)).astype(np.float32)
    np.savez(folder / "digits.npz", x=images, y=np.arange(200) % 10)
    lines = ["ax,ay,az,activity,person"]
    for row in range(_ROWS):
        person, activity = row // (_ROWS // 8), ("walk", "run")[row // 100 % 2]
        values = ",".join(f"{value:.3f}" for value in random.normal(size=3))
        lines.append(f"{values},{activity},p{person}")
    (folder / "motion.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    frame = random.integers(0, 256, 2 * 120 * 160, np.uint8)
    (folder / "frame.rgb565").write_bytes(frame.tobytes())
