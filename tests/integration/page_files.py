"""What the pages' commands take of a reader's own: small files of the same names."""

import pathlib
import re
import shutil

import numpy as np
from PIL import Image
from scipy.io import wavfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
_NETWORK = ROOT / "experiments" / "cifar10" / "cmsisnet" / "model.tflite"


def write(folder: pathlib.Path) -> pathlib.Path:
    """Fills a folder in which commands of the pages can start; returns it."""
    (folder / "experiments").symlink_to(ROOT / "experiments")
    for name in ("my_net.keras", "keras_3.keras"):
        (folder / name).write_bytes(b"read later")
    (folder / "layers.py").write_text("class Block: pass\n", encoding="utf-8")
    _code(folder / "nets.py", "own_network.md")
    _code(folder / "own.py", "data.md")
    shutil.copy(_NETWORK, folder / "kws.tflite")
    numbers = np.zeros((4, 3), np.float32)
    np.savez(folder / "digits.npz", x=numbers, y=np.arange(4))
    columns = "ax,ay,az,activity,person\n"
    (folder / "motion.csv").write_text(columns + "0,0,0,walk,a\n" * 4)
    for kind in ("one", "other"):
        (folder / "flowers" / kind).mkdir(parents=True)
        (folder / "speech" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "flowers" / kind / "0.png")
        wave = np.zeros(160, np.int16)
        wavfile.write(folder / "speech" / kind / "0.wav", 16_000, wave)
    for name in _drawn():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"drawn later")
    return folder


def saved_model(folder: pathlib.Path) -> None:
    """A small `saved_model_folder`, which takes TensorFlow."""
    from tfpipeline.compat import keras

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    model.save(folder / "saved_model_folder", save_format="tf")


def _code(path: pathlib.Path, page: str) -> None:
    """The Python that a page shows, all of it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    path.write_text("\n\n".join(blocks), encoding="utf-8")


def _drawn() -> list[str]:
    """Data that a script of an experiment draws."""
    flags = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "experiments").rglob("*.flags")
    )
    return re.findall(r"^--dataset=(runs/\S+)$", flags, re.MULTILINE)
